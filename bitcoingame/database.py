"""Small things about PostgreSQL that Django does not offer."""

from typing import Any

from django.db import IntegrityError, connection
from psycopg import Error


def violated_constraint(error: IntegrityError) -> str | None:
    """The name of the constraint or unique index that refused the write."""
    cause = error.__cause__
    return cause.diag.constraint_name if isinstance(cause, Error) else None


def fetch_rows(statement: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    """Runs a read written by hand and answers its rows by column name.

    For the few reads every page makes: there the ORM takes several times as long to write the SQL as PostgreSQL,
    which has it prepared, to answer it.
    """
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        columns = [column.name for column in cursor.description]
        return [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]
