"""The counters' rows: how they are locked, and SQL for their arrays, which hold a number for each of TYPES in order."""

from collections.abc import Iterable

from bitcoingame.core.postgresql.statements import execute
from notifications.models import TYPES

_LOCK_COUNTERS = """
SELECT 1 FROM notification_counters WHERE user_id = ANY(%s) ORDER BY user_id FOR NO KEY UPDATE
"""
_LOCK_COUNTER = "SELECT FROM notification_counters WHERE user_id = %s FOR UPDATE"


def lock_counters(user_ids: Iterable[int]) -> None:
    """Locks the users' counters in user order, as everything does that changes notifications."""
    execute(_LOCK_COUNTERS, [sorted(set(user_ids))])


def lock_counter_before_deletion(user_id: int) -> None:
    """Lets transactions that notify this user finish first: they hold the counter and then need the user's row."""
    execute(_LOCK_COUNTER, [user_id])


def tally_by_type(condition: str = "true") -> str:
    """An aggregate: how many of the rows are of each type and meet the condition."""
    counts = (f"count(*) FILTER (WHERE type = '{type_}' AND {condition})" for type_ in TYPES)
    return f"ARRAY[{', '.join(counts)}]::integer[]"


def minus_by_type(column: str, tally: str) -> str:
    return f"ARRAY[{', '.join(f'{column}[{place}] - {tally}[{place}]' for place in places())}]"


def sum_by_type(column: str) -> str:
    return f"({' + '.join(f'{column}[{place}]' for place in places())})"


def place_of(type_: str) -> int:
    """Arrays count from 1."""
    return TYPES.index(type_) + 1


def places() -> range:
    return range(1, len(TYPES) + 1)
