"""Reads written by hand for the few pages that every visitor opens."""

from typing import Any, cast

from django.db import connection

from bitcoingame.core.postgresql.base import DatabaseWrapper


def fetch_rows(statement: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    """Runs a SELECT, which must be a constant, and returns its rows, each as {column: value}.

    Only for the few reads that every page makes: PostgreSQL has them prepared, and the ORM would take several times as
    long to write the SQL as PostgreSQL takes to answer it.
    """
    return cast(DatabaseWrapper, connection).fetch_rows(statement, parameters)
