"""Deletes old rows in batches. Each statement is short, so that nothing waits long for it."""

from datetime import datetime

from bitcoingame.core.postgresql.statements import execute

# By ctid, because PostgreSQL then goes straight to the rows it has locked. SKIP LOCKED: a row that someone else holds
# is left to the next batch.
_DELETE = """
DELETE FROM {table} WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM {table} WHERE {column} < %(before)s
    ORDER BY {column} LIMIT %(batch_size)s FOR UPDATE SKIP LOCKED))
"""


def delete_batch(*, table: str, column: str, before: datetime, batch_size: int) -> int:
    """Deletes up to batch_size rows whose `column` is earlier than `before`, the oldest first; returns how many.

    `table` and `column` are constants: they go into the statement as they are. An index on the column keeps it cheap.
    """
    return execute(_DELETE.format(table=table, column=column), {"before": before, "batch_size": batch_size})
