"""Finds the users that events name."""

from collections.abc import Iterable
from typing import Final

from bitcoingame.core.postgresql.statements import fetch, texts

MAX_REMEMBERED: Final = 200_000

_FIND_ADDRESSES = "SELECT btc_address, id FROM users WHERE btc_address = ANY(string_to_array(%s, E'\\x1f'))"
_FIND_IDS = "SELECT id FROM users WHERE id = ANY(%s)"

# {address: id}. Look a name up once and keep the answer, because another thread may clear this at any moment.
_remembered: dict[str, int] = {}


def find_users(named: Iterable[str | int], *, from_memory: bool) -> dict[str | int, int]:
    """{address or id: id} of the users that exist.

    With `from_memory` a user may be among them who has been deleted since. Only events that insert a row about their
    user may ask so: the database refuses such a row, and the intake then calls `forget_users` and tries again.
    """
    found: dict[str | int, int] = {}
    addresses, ids = [], []
    for name in set(named):
        if isinstance(name, int):
            ids.append(name)
        elif from_memory and (user_id := _remembered.get(name)):
            found[name] = user_id
        else:
            addresses.append(name)
    if addresses:
        fresh = dict(fetch(_FIND_ADDRESSES, [texts(addresses)]))
        if len(_remembered) + len(fresh) > MAX_REMEMBERED:
            _remembered.clear()
        _remembered.update(fresh)
        found.update(fresh)
    if ids:
        found.update((user_id, user_id) for (user_id,) in fetch(_FIND_IDS, [ids]))
    return found


def forget_users() -> None:
    """Forgets, in this process, which addresses belong to which users."""
    _remembered.clear()
