"""Typed readers of an event's data. Each returns a value of its type, or raises Malformed with a sentence.

A blank value is an absent one: producers write "" for what they do not know.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import Any

from bitcoingame.core.text import BadText, clean_line
from profiles.errors import InvalidAddress
from profiles.names import as_stored
from profiles.sign_in.addresses import parse_address

Data = Mapping[str, Any]

MAX_DIFFICULTY = 1e18
MAX_HASHRATE = 1e24  # H/s
MAX_COUNT = 2**31 - 1
MAX_ID = 2**63 - 1
MAX_TEXT = 1000
MAX_LENGTH = 1_000_000  # more than an event may have
WORKER_LENGTH = 64
REMEMBERED = 65536
_REMEMBERED_LENGTH = 256
UNNAMED_WORKER = "default"
UNKNOWN_WORKER = "unknown"
"""What producers call a worker that they do not know."""
_DIGEST_BYTES = 4

_SI = {"K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18, "Z": 1e21}
_ADDRESS_AND_NAME = re.compile(r"(?:bc1|[13])[0-9A-Za-z]{25,61}\.", re.IGNORECASE)
_LIKE_AN_ADDRESS = re.compile(r"(?:bc1|[13])[0-9A-Za-z]{25,59}", re.IGNORECASE)


class Malformed(Exception):
    """The event cannot be read. Staff see the message as the reason; it never repeats values of the event."""


def is_blank(value: Any) -> bool:
    """Whether the value counts as absent: there is none, or it is a text that shows nothing."""
    return value is None or (isinstance(value, str) and not value.strip())


def read_user(data: Data) -> str | int:
    """The user's id if the event gives one, else the address as it is stored in `users`. Raises Malformed."""
    if not is_blank(data.get("user_id")):
        return read_whole(data, "user_id", minimum=1, maximum=MAX_ID)
    address = data.get("user")
    if type(address) is not str or not address:
        raise Malformed("user is missing." if is_blank(address) else "user must be an address.")
    return _address_of(address)


@lru_cache(maxsize=REMEMBERED)
def _address_of(user: str) -> str:
    address = user.partition(".")[0]
    if not 0 < len(address) <= 128 or not address.isprintable():
        raise Malformed("user must be an address.")
    return as_stored(address)


def read_worker(data: Data) -> str | None:
    """The worker's name without the address that pools put before it; UNNAMED_WORKER if there is none.

    None if the producer says that it does not know the worker. Two names that differ stay different, however long they
    are. Raises Malformed.
    """
    worker = data.get("worker")
    if worker is None:
        return UNNAMED_WORKER
    if type(worker) is not str:
        raise Malformed("worker must be text.")
    user = data.get("user")
    read = _name_of_worker if len(worker) <= _REMEMBERED_LENGTH else _name_of_worker.__wrapped__
    return read(worker, user if type(user) is str else "")


@lru_cache(maxsize=REMEMBERED)
def _name_of_worker(worker: str, user: str) -> str | None:
    name = _ADDRESS_AND_NAME.sub("", worker)
    address = user.partition(".")[0]
    if address and address.lower() in name.lower():
        name = re.sub(re.escape(address), "", name, flags=re.IGNORECASE)
    # An event that names its user by id may still hold the user's address in the name of the worker.
    name = _LIKE_AN_ADDRESS.sub(_without_address, name)
    name = name.strip(". \t\r\n")
    if not name:
        return UNNAMED_WORKER
    try:
        name = clean_line(name, minimum=0, maximum=MAX_LENGTH)
    except BadText:
        raise Malformed("worker holds characters that a name may not have.") from None
    return None if name.casefold() == UNKNOWN_WORKER else _shorten(name)


def _shorten(name: str) -> str:
    """The name if it fits into its column, else its beginning and a digest of all of it."""
    if len(name) <= WORKER_LENGTH:
        return name
    digest = blake2b(name.encode(), digest_size=_DIGEST_BYTES).hexdigest()
    return f"{name[: WORKER_LENGTH - len(digest) - 1].rstrip()}~{digest}"


def _without_address(found: re.Match[str]) -> str:
    try:
        parse_address(found[0])
    except InvalidAddress:
        return found[0]
    return ""


def read_number(data: Data, name: str, *, maximum: float, default: float | None = None) -> float:
    """A number from 0 to maximum, given as a number or as text. Raises Malformed."""
    value = data.get(name)
    kind = type(value)
    if kind is float and 0 <= value <= maximum:  # type: ignore[operator]
        return value  # type: ignore[return-value]
    if default is not None and is_blank(value):
        return default
    if kind is str:
        value = _number_in(name, value)
    elif kind is not int and kind is not float:
        raise Malformed(f"{name} is missing." if value is None else f"{name} must be a number.")
    if not 0 <= value <= maximum:  # type: ignore[operator]  # also false for NaN
        raise Malformed(f"{name} must be a number from 0 to {maximum:g}.")
    return float(value)  # type: ignore[arg-type]


def _number_in(name: str, text: Any) -> float:
    try:
        if "_" in text:
            raise ValueError
        return float(text)
    except ValueError:
        raise Malformed(f"{name} must be a number.") from None


def read_hashrate(data: Data, name: str) -> float:
    """H/s, given as a number or as text, which may have an SI suffix ("19.1M"). Raises Malformed."""
    value = data.get(name)
    if isinstance(value, str):
        text = value.strip().upper().removesuffix("H/S").rstrip()
        if text and text[-1] in _SI:
            number = read_number({name: text[:-1].rstrip()}, name, maximum=MAX_HASHRATE) * _SI[text[-1]]
            return read_number({name: number}, name, maximum=MAX_HASHRATE)
        return read_number({name: text}, name, maximum=MAX_HASHRATE)
    return read_number(data, name, maximum=MAX_HASHRATE)


def read_whole(data: Data, name: str, *, minimum: int = 0, maximum: int = MAX_COUNT, default: int | None = None) -> int:
    """A whole number from minimum to maximum, given as a number or as text. Raises Malformed."""
    value = data.get(name)
    if default is not None and is_blank(value):
        return default
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= 19:
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if type(value) is not int:
        raise Malformed(f"{name} is missing." if value is None else f"{name} must be a whole number.")
    if not minimum <= value <= maximum:
        raise Malformed(f"{name} must be a whole number from {minimum} to {maximum}.")
    return value


def read_flag(data: Data, name: str, *, default: bool) -> bool:
    """True or false, given as such, as 1 or 0, or as text. Raises Malformed."""
    value = data.get(name)
    if is_blank(value):
        return default
    if value in (True, 1) or value in ("1", "true", "True"):
        return True
    if value in (False, 0) or value in ("0", "false", "False"):
        return False
    raise Malformed(f"{name} must be true or false.")


def read_line(data: Data, name: str, *, maximum: int = MAX_TEXT, default: str | None = None) -> str:
    """One line of 1 to maximum characters, cleaned by `clean_line`. Raises Malformed."""
    value = data.get(name)
    if default is not None and is_blank(value):
        return default
    if not isinstance(value, str):
        raise Malformed(f"{name} is missing." if value is None else f"{name} must be text.")
    try:
        return clean_line(value, minimum=1, maximum=maximum)
    except BadText as error:
        raise Malformed(f"{name}: {error}") from None


def read_label(data: Data, name: str, *, maximum: int) -> str:
    """What a producer calls something, as text or as a number; "" if there is none. Raises Malformed."""
    value = data.get(name)
    given = str(value) if type(value) is int else value
    return read_line({name: given}, name, maximum=maximum, default="")


def read_ids(data: Data, name: str, *, maximum: int) -> list[int]:
    """User ids, given as a list, or as text: a list in JSON, or ids between commas. Raises Malformed."""
    value = data.get(name)
    if isinstance(value, str):
        value = [part for part in value.strip("[] ").split(",") if part]
    if not isinstance(value, list):
        raise Malformed(f"{name} is missing." if value is None else f"{name} must be a list.")
    if len(value) > maximum:
        raise Malformed(f"{name} may have at most {maximum} entries.")
    return [read_whole({name: _bare(item)}, name, minimum=1, maximum=MAX_ID) for item in value]


def _bare(item: Any) -> Any:
    return item.strip(' "') if isinstance(item, str) else item
