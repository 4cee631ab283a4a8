"""SQL for the counters' arrays, which hold one number for each of TYPES, in their order."""

from notifications.models import TYPES


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
