"""Statements written by hand, and lists in the form in which PostgreSQL reads them quickest."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db import connection

Parameters = Sequence[Any] | Mapping[str, Any]


def fetch(statement: str, parameters: Parameters) -> list[tuple[Any, ...]]:
    """Runs the statement and returns all its rows."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


def execute(statement: str, parameters: Parameters) -> int:
    """Runs the statement and returns how many rows it wrote."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return int(cursor.rowcount)


def numbers(values: Iterable[float]) -> str:
    """An array of numbers as PostgreSQL reads it; psycopg's own way with lists takes five times as long."""
    return f"{{{','.join(map(repr, values))}}}"


def texts(values: Iterable[str]) -> str:
    """Texts without control characters, for `string_to_array(%s, E'\\x1f')`; quicker than an array as well."""
    return "\x1f".join(values)


def columns(rows: Iterable[Sequence[object]]) -> list[list[object]]:
    """The rows' columns, for `unnest`. There is at least one row."""
    return [list(column) for column in zip(*rows, strict=True)]
