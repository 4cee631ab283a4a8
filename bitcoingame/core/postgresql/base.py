"""Django's PostgreSQL backend, with a health check that costs no round trip and reads that cost no new cursor."""

import select
from typing import Any, ClassVar

from django.db.backends.postgresql import base


class DatabaseWrapper(base.DatabaseWrapper):
    _reader: Any = None
    _columns: ClassVar[dict[str, tuple[str, ...]]] = {}

    def fetch_rows(self, statement: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
        """Runs a SELECT and returns its rows, each as {column: value}.

        `statement` must be a constant, because the names of its columns are remembered for good. All reads of a
        connection share one cursor, because psycopg takes as long to make one as to run a short query.
        """
        self.close_if_health_check_failed()
        self.ensure_connection()
        if self._reader is None or self._reader.connection is not self.connection:
            self._reader = self.create_cursor()
        cursor = self._prepare_cursor(self._reader)  # type: ignore[attr-defined]
        cursor.execute(statement, parameters)
        rows = cursor.fetchall()
        columns = self._columns.get(statement)
        if columns is None:
            columns = self._columns[statement] = tuple(column.name for column in cursor.description)
        return [dict(zip(columns, row, strict=True)) for row in rows]

    def is_usable(self) -> bool:
        """Whether the connection that a request is about to reuse is still open.

        Between requests PostgreSQL sends nothing, so if there is something to read, PostgreSQL closed the connection.
        Django's own check runs SELECT 1 before each request, although the whole of a profile is only one query.
        """
        connection: Any = self.connection
        if connection is None or connection.closed:
            return False
        poll = select.poll()
        poll.register(connection.fileno(), select.POLLIN)
        return not poll.poll(0)
