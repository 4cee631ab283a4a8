"""Invite codes: 8 characters A to Z and 0 to 9, made by the server from a cryptographic source."""

import re
import secrets
import string
import unicodedata
from collections.abc import Iterator
from urllib.parse import unquote

import regex

from social.models import INVITE_CODE_LENGTH

ALPHABET = string.ascii_uppercase + string.digits
_SHAPE = re.compile(f"[A-Za-z0-9]{{{INVITE_CODE_LENGTH}}}")
_LONGEST = 2000

# Where a join URL holds its code, the surest place first.
_PARAMETER = re.compile(r"(?:^|[?&#;/])(?:invite[_-]?code|invite|code|join)=([^?&#;]*)", re.IGNORECASE)
_AFTER_JOIN = re.compile(r"/(?:join|invite|invitation)[/?#]+([^/?#&=]++)(?!=)", re.IGNORECASE)
_LAST_PART = re.compile(r"/([^/?#]+)/*(?:[?#].*)?$")
_OF_A_URL = re.compile(r"[/?=]")
_AFTER_LABEL = re.compile(r":([^:/?=]*)$")
# Spaces, hyphens, quotes, brackets and invisible characters, which a code gains on its way.
_LOOSE = regex.compile(r"[^\p{L}\p{N}]|\p{Default_Ignorable_Code_Point}")

# No cooperative can have this code. Looking it up costs the same as looking up a wrong code.
NO_CODE = ""


def generate_invite_code() -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(INVITE_CODE_LENGTH))


def normalize_invite_code(text: str) -> str:
    """The code as it is stored, taken from what somebody typed or pasted. NO_CODE if the text holds none.

    Case, spaces, hyphens, quotes and other marks, invisible characters and full-width letters do not count. In a join
    URL, such as https://thebitcoingame.com/coop/join/ABCD1234 or …?code=ABCD1234, the code is found.
    """
    if len(text) > _LONGEST:
        return NO_CODE
    codes = (_LOOSE.sub("", candidate) for candidate in _candidates(unicodedata.normalize("NFKC", text)))
    return next((code.upper() for code in codes if _SHAPE.fullmatch(code)), NO_CODE)


def _candidates(text: str) -> Iterator[str]:
    """The text itself, and the parts of the URLs in it that may be the code, the surest first."""
    if not _OF_A_URL.search(text):
        yield text
    text = unquote(text)
    # A URL with words around it, then a URL that holds spaces itself.
    for url in (*text.split(), text):
        for place in (_PARAMETER, _AFTER_JOIN, _LAST_PART, _AFTER_LABEL):
            yield from reversed(place.findall(url))
