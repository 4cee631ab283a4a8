"""Which rule of the database refused a write."""

from django.db import IntegrityError
from psycopg import Error


def violated_constraint(error: IntegrityError) -> str | None:
    """The name of the constraint or unique index that refused the write; None if the error does not say."""
    cause = error.__cause__
    return cause.diag.constraint_name if isinstance(cause, Error) else None
