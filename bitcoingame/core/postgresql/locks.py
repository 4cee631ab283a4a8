"""PostgreSQL's advisory locks, for what is not a row of a table: a job's run, a turn, a name.

Keys never change: while a new version is rolled out, its processes and the old ones must exclude each other.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from django.db import Error, connection

from bitcoingame.core.postgresql.statements import execute, fetch

_HELD_NUMBERS = (
    "SELECT objid::bigint FROM pg_locks JOIN pg_database ON pg_database.oid = database"
    " WHERE locktype = 'advisory' AND classid = %s AND granted AND datname = current_database()"
)


class LockKey(NamedTuple):
    """`arguments` are those of PostgreSQL's lock functions, in SQL; `values` fill them."""

    arguments: str
    values: tuple[str | int, ...]


def named_key(name: str) -> LockKey:
    """The key of a lock there is one of."""
    return LockKey("hashtextextended(%s, 0)", (name,))


def numbered_key(group: int, number: int) -> LockKey:
    """The key of one lock of a group; both are numbers of 32 bits. See `held_numbers`."""
    return LockKey("%s, %s", (group, number))


@contextmanager
def try_lock(key: LockKey) -> Iterator[bool]:
    """Takes the lock if it is free, and yields whether it did. It never waits. The end of the block unlocks.

    The connection holds the lock across its transactions. PostgreSQL frees it when the connection ends.
    """
    [(is_ours,)] = fetch(f"SELECT pg_try_advisory_lock({key.arguments})", key.values)
    try:
        yield is_ours
    finally:
        if is_ours:
            _let_go(key)


def _let_go(key: LockKey) -> None:
    """If PostgreSQL cannot be asked to unlock, closes the connection, because its end frees the lock."""
    if connection.connection is None:
        return
    try:
        fetch(f"SELECT pg_advisory_unlock({key.arguments})", key.values)
    except Error:
        connection.close()


def lock_until_commit(key: LockKey) -> None:
    """Waits for the lock and holds it until the caller's transaction ends."""
    execute(f"SELECT pg_advisory_xact_lock({key.arguments})", key.values)


def held_numbers(group: int) -> set[int]:
    """The numbers of the group's locks that any process holds now."""
    return {number for (number,) in fetch(_HELD_NUMBERS, [group])}
