"""Invite codes: 8 characters A to Z and 0 to 9, made by the server from a cryptographic source."""

import re
import secrets
import string

from social.models import INVITE_CODE_LENGTH

ALPHABET = string.ascii_uppercase + string.digits
_SHAPE = re.compile(f"[A-Z0-9]{{{INVITE_CODE_LENGTH}}}")

# No cooperative can have this code. Looking it up costs the same as looking up a wrong code.
NO_CODE = ""


def generate_invite_code() -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(INVITE_CODE_LENGTH))


def normalize_invite_code(text: str) -> str:
    """The code as it is stored: case and surrounding spaces do not count. NO_CODE if the text cannot be a code."""
    code = text.strip().upper()
    return code if _SHAPE.fullmatch(code) else NO_CODE
