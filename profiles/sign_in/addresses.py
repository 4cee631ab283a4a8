"""Bitcoin mainnet addresses: their checksum is checked, and each has one spelling."""

import re
from functools import lru_cache
from typing import Literal, NamedTuple

from btclib.script.script_pub_key import ScriptPubKey, type_and_payload

from profiles.errors import InvalidAddress
from profiles.names import as_stored

AddressKind = Literal["p2pkh", "p2sh", "p2wpkh", "p2wsh", "p2tr"]
_KINDS = frozenset(("p2pkh", "p2sh", "p2wpkh", "p2wsh", "p2tr"))
# Limits the length and the characters before anything is decoded.
_SHAPE = re.compile(r"[0-9A-Za-z]{26,62}")


class Address(NamedTuple):
    """An address in its one spelling. `payload` is the key hash, script hash or output key it stands for, in bytes."""

    text: str
    kind: AddressKind
    payload: bytes


@lru_cache(maxsize=4096)
def parse_address(text: str) -> Address:
    """Reads a mainnet address of a known kind. Raises InvalidAddress if the text is anything else."""
    if not _SHAPE.fullmatch(text):
        raise InvalidAddress
    try:
        script = ScriptPubKey.from_address(text)
    except ValueError:
        raise InvalidAddress from None
    kind, payload = type_and_payload(script.script)
    if script.network != "mainnet" or kind not in _KINDS:
        raise InvalidAddress
    return Address(as_stored(text), kind, payload)  # type: ignore[arg-type]


def normalize_address(text: str) -> str:
    """The address in its one spelling: bech32 in lower case, Base58 as it is. Raises InvalidAddress."""
    return parse_address(text).text
