import json
import os
import secrets
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

if TYPE_CHECKING:
    from bitcoingame.local.wallet import Wallet


class Command(BaseCommand):
    requires_system_checks = ()
    help = "A throwaway wallet for trying sign-in by hand. Development only."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "action",
            choices=("address", "sign", "answer"),
            help=(
                "address: print the wallet's P2WPKH address; the key is made if the file is not there. "
                "sign: sign the message on standard input (less its last line end), BIP-322 simple. "
                "answer: turn the answer of POST /auth/challenge on standard input into the body of POST /auth/verify."
            ),
        )
        parser.add_argument("file", type=Path, help="where the private key is kept")

    def handle(self, *args: Any, action: str, file: Path, **options: Any) -> None:
        if not settings.DEVELOPMENT:
            raise CommandError("The wallet is for development only.")
        if action == "address":
            self.stdout.write(open_wallet(file, create=True).address())
            return
        # Read the input before the key file: in a pipe, the command before this one may make the file.
        text = sys.stdin.read()
        wallet = open_wallet(file)
        self.stdout.write(wallet.sign(text.removesuffix("\n")) if action == "sign" else answer(wallet, text))


def answer(wallet: "Wallet", text: str) -> str:
    try:
        challenge = json.loads(text)
        nonce, message = str(challenge["nonce"]), str(challenge["message"])
    except (ValueError, TypeError, KeyError):
        raise CommandError(f"This is not a challenge: {text.strip()[:500] or 'nothing'}") from None
    return json.dumps({"btc_address": wallet.address(), "signature": wallet.sign(message), "nonce": nonce})


def open_wallet(file: Path, *, create: bool = False) -> "Wallet":
    from bitcoingame.local.wallet import Wallet  # not in production's image

    try:
        if create and not file.exists():
            descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(descriptor, "w") as created:
                created.write(f"{secrets.randbits(255) | 1:064x}\n")
        return Wallet(int(file.read_text(), 16))
    except (OSError, ValueError) as error:
        raise CommandError(f"No wallet could be read from {file}: {error}") from None
