"""Small things about PostgreSQL that Django does not offer."""

from typing import Any, cast

from django.db import IntegrityError, connection
from psycopg import Error

from bitcoingame.postgresql.base import DatabaseWrapper


def violated_constraint(error: IntegrityError) -> str | None:
    """The name of the constraint or unique index that refused the write."""
    cause = error.__cause__
    return cause.diag.constraint_name if isinstance(cause, Error) else None


def fetch_rows(statement: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    """Runs a read written by hand, a constant, and answers its rows by column name.

    For the few reads every page makes: there the ORM takes several times as long to write the SQL as PostgreSQL,
    which has it prepared, to answer it.
    """
    return cast(DatabaseWrapper, connection).fetch_rows(statement, parameters)
