"""Locks on the counters' rows, and SQL for their arrays.

An array holds one number for each of TYPES, in their order.
"""

from collections.abc import Iterable

from bitcoingame.core.postgresql.statements import execute
from notifications.models import TYPES

_LOCK_COUNTERS = """
SELECT 1 FROM notification_counters WHERE user_id = ANY(%s) ORDER BY user_id FOR NO KEY UPDATE
"""
_LOCK_COUNTER = "SELECT FROM notification_counters WHERE user_id = %s FOR UPDATE"


def lock_counters(user_ids: Iterable[int]) -> None:
    """Locks the users' counters in the order of user ids. All code that changes notifications locks in this order."""
    execute(_LOCK_COUNTERS, [sorted(set(user_ids))])


def lock_counter_before_deletion(user_id: int) -> None:
    """Waits for transactions that notify this user: they hold the counter and need the user's row next."""
    execute(_LOCK_COUNTER, [user_id])


def tally_by_type(condition: str = "true") -> str:
    """SQL for an array: how many of the rows that meet the condition are of each type."""
    counts = (f"count(*) FILTER (WHERE type = '{type_}' AND {condition})" for type_ in TYPES)
    return f"ARRAY[{', '.join(counts)}]::integer[]"


def minus_by_type(column: str, tally: str) -> str:
    """SQL for an array: the column minus the tally, type by type."""
    return f"ARRAY[{', '.join(f'{column}[{place}] - {tally}[{place}]' for place in places())}]"


def sum_by_type(column: str) -> str:
    """SQL for a number: the column summed over all types."""
    return f"({' + '.join(f'{column}[{place}]' for place in places())})"


def place_of(type_: str) -> int:
    """The type's index in the arrays. PostgreSQL counts from 1."""
    return TYPES.index(type_) + 1


def places() -> range:
    return range(1, len(TYPES) + 1)
