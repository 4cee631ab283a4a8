"""Reads written by hand, for the few pages that everybody asks for."""

from typing import Any, cast

from django.db import connection

from bitcoingame.core.postgresql.base import DatabaseWrapper


def fetch_rows(statement: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    """Runs a read written by hand, a constant, and answers its rows by column name.

    For the few reads every page makes: there the ORM takes several times as long to write the SQL as PostgreSQL,
    which has it prepared, to answer it.
    """
    return cast(DatabaseWrapper, connection).fetch_rows(statement, parameters)
