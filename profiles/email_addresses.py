"""Which e-mail addresses we would mail to, and how they are stored."""

import re

import idna
from django.core.exceptions import ValidationError
from django.core.validators import validate_email

MAX_LENGTH = 254
MAX_LOCAL_PART = 64
# RFC 5321 has quoted local parts, and old relays passed mail on for user%host and host!user. Nobody's mailbox needs it.
_UNWANTED_IN_LOCAL_PART = frozenset('"%!')
# Names that no public DNS has. A resolver of our own network may lead them to machines of ours.
_PRIVATE_ENDINGS = frozenset(
    {"alt", "arpa", "corp", "home", "internal", "invalid", "lan", "local", "localdomain", "localhost", "onion"}
)
_PUBLIC_ENDING = re.compile(r"[a-z]{2,63}|xn--[a-z0-9-]{1,59}")


class BadEmail(ValueError):
    """We would not mail to the address; str(error) is the sentence to show."""


def clean_email(text: str) -> str:
    """The address with its host in lower case; an international host as its A-labels (xn--…), as it is mailed to.

    Raises BadEmail for what is no address, for quoted and routed local parts, and for a host that is an IP address, has
    no dot, or is known in private networks only.
    """
    local_part, _, host = text.rpartition("@")
    address = f"{local_part}@{_clean_host(host)}"
    is_too_long = len(address) > MAX_LENGTH or len(local_part) > MAX_LOCAL_PART
    # Django's pattern ignores case, and so takes U+017F for an s and the Kelvin sign for a k.
    if is_too_long or not local_part.isascii() or not _UNWANTED_IN_LOCAL_PART.isdisjoint(local_part):
        raise BadEmail("Enter a valid email address.")
    try:
        validate_email(address)
    except ValidationError as error:
        raise BadEmail("Enter a valid email address.") from error
    return address


def _clean_host(host: str) -> str:
    # Python's own codec would follow the older standard, by which straße.de is mailed at strasse.de.
    try:
        clean = host.lower() if host.isascii() else idna.encode(host, uts46=True).decode()
    except idna.IDNAError:
        raise BadEmail("Enter a valid email address.") from None
    ending = clean.rpartition(".")[2]
    if "." not in clean or ending in _PRIVATE_ENDINGS or not _PUBLIC_ENDING.fullmatch(ending):
        raise BadEmail("Enter an address of a public mail host, such as name@example.com.")
    return clean
