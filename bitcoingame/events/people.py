"""Which user an event means."""

from collections.abc import Iterable
from typing import Final

from bitcoingame.events.facts import fetch

MAX_REMEMBERED: Final = 200_000

_FIND_ADDRESSES = "SELECT btc_address, id FROM users WHERE btc_address = ANY(%s)"
_FIND_IDS = "SELECT id FROM users WHERE id = ANY(%s)"

# An address is its user's for good, so that this process may remember. That a user was deleted shows when a row about
# them is refused; the intake then forgets and asks again.
_remembered: dict[str, int] = {}


def find_users(named: Iterable[str | int]) -> dict[str | int, int]:
    """{address or id: id} of those that exist."""
    asked = set(named)
    addresses = [name for name in asked if isinstance(name, str) and name not in _remembered]
    if addresses:
        if len(_remembered) + len(addresses) > MAX_REMEMBERED:
            _remembered.clear()
            return find_users(asked)
        _remembered.update(fetch(_FIND_ADDRESSES, [addresses]))
    ids = [name for name in asked if isinstance(name, int)]
    found: dict[str | int, int] = {user_id: user_id for (user_id,) in fetch(_FIND_IDS, [ids])} if ids else {}
    for name in asked:
        if isinstance(name, str) and name in _remembered:
            found[name] = _remembered[name]
    return found


def forget_users() -> None:
    _remembered.clear()
