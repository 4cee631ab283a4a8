"""Django's PostgreSQL backend, with a health check that costs no round trip."""

import select
from typing import Any

from django.db.backends.postgresql import base


class DatabaseWrapper(base.DatabaseWrapper):
    def is_usable(self) -> bool:
        """Whether the connection a request is about to reuse still stands.

        Between requests PostgreSQL has nothing to say; a connection with something to read has been closed by it.
        Django's own check asks SELECT 1 before each request, a fifth of what a whole profile costs.
        """
        connection: Any = self.connection
        if connection is None or connection.closed:
            return False
        poll = select.poll()
        poll.register(connection.fileno(), select.POLLIN)
        return not poll.poll(0)
