"""What the tables say, for many users in one query. The hub reads PostgreSQL only through this module.

It has a small pool of its own and does not use the ORM's connections. Those belong to threads, and a thread hop for
each socket would cost more than the query.
"""

import asyncio
import select
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple, cast

from django.db import connection
from psycopg import AsyncConnection, OperationalError
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool

from notifications.frames import NotificationRow
from notifications.naming import SHOWN_DESCRIPTION

MAX_CONNECTIONS = 3
# A query takes milliseconds; one that takes this long has lost its server.
QUERY_SECONDS = 5.0
# A caller that waits longer for a connection asks again, and each new request makes the pool try to connect.
WAIT_SECONDS = 1.0
# The pool doubles its pauses between attempts until it gives up. Without this limit a long outage would be followed by
# a pause of the same length.
GIVE_UP_SECONDS = 0.5
ROWS_PER_USER = 100

NOTIFICATION_COLUMNS = (
    "id",
    "type",
    "subtype",
    "title",
    "description",
    "created_at",
    "read",
    "action_url",
    "action_label",
)

# The ids of rows that are unread and have expired. The counter includes them until they are deleted, and what users are
# shown does not: GET /notifications/unread-count counts the same way.
_EXPIRED = """ARRAY(
    SELECT id FROM notifications
    WHERE user_id = counter.user_id AND NOT read AND expires_at <= statement_timestamp()
)"""
_SNAPSHOTS = f"""
SELECT user_id, btc_address, is_active, last_seq, unread - cardinality(expired), expired FROM (
    SELECT counter.user_id, users.btc_address, users.is_active, counter.last_seq, counter.unread, {_EXPIRED} AS expired
    FROM notification_counters counter JOIN users ON users.id = counter.user_id WHERE counter.user_id = ANY(%s)
) counted
"""  # noqa: S608 - constants
# The answer leaves out users whose sockets are all up to date. A deleted user is in it, as not active.
# The sum of the expired rows' ids stands for the rows: it takes one number for each user to say which are known.
_CHANGED = f"""
WITH changed AS MATERIALIZED (
    SELECT served.user_id, coalesce(users.is_active, false) AS is_active, coalesce(counter.last_seq, 0) AS last_seq,
        counter.unread
    FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[]) AS served (user_id, lowest, highest, expired)
    LEFT JOIN users ON users.id = served.user_id
    LEFT JOIN notification_counters counter ON counter.user_id = served.user_id
    WHERE users.is_active IS NOT TRUE OR counter.last_seq <> served.lowest OR counter.last_seq <> served.highest
        OR served.expired <> (
            SELECT coalesce(sum(id), 0) FROM notifications
            WHERE user_id = served.user_id AND NOT read AND expires_at <= statement_timestamp()
        )
)
SELECT user_id, is_active, last_seq, unread - cardinality(expired), expired
FROM (SELECT counter.*, {_EXPIRED} AS expired FROM changed counter) counted
"""  # noqa: S608 - constants
# The counter and the rows come from one snapshot, so a seq up to last_seq without a row is expired or deleted.
_MISSING = f"""
SELECT behind.user_id, counter.last_seq, missing.*
FROM unnest(%s::bigint[], %s::bigint[]) AS behind (user_id, since)
JOIN notification_counters counter ON counter.user_id = behind.user_id
LEFT JOIN LATERAL (
    SELECT seq, {", ".join(NOTIFICATION_COLUMNS).replace("description", SHOWN_DESCRIPTION)}
    FROM notifications
    WHERE user_id = behind.user_id AND seq > behind.since
        AND (expires_at IS NULL OR expires_at > statement_timestamp())
    ORDER BY seq LIMIT %s
) missing ON true
ORDER BY behind.user_id, missing.seq
"""  # noqa: S608 - constants
_COLUMNS = ("seq", *NOTIFICATION_COLUMNS)


class Snapshot(NamedTuple):
    """A user's state at one moment, for a socket that starts or resumes there."""

    user_id: int
    btc_address: str | None
    is_active: bool
    last_seq: int
    unread: int
    expired: list[int]


class Served(NamedTuple):
    """A connected user and what their sockets know: the lowest and highest seq sent, and the sum of the expired ids."""

    user_id: int
    lowest: int
    highest: int
    expired: int


class Changed(NamedTuple):
    """A user whose sockets do not know all that is true, or who may not be connected any more.

    `expired` are the ids of all notifications that expired unread. Like unread it is None if the user is deleted.
    """

    user_id: int
    is_active: bool
    last_seq: int
    unread: int | None
    expired: list[int] | None


class Missing(NamedTuple):
    """A user's rows after a seq, in order of seq. If complete, no other rows follow up to last_seq."""

    last_seq: int
    rows: list[NotificationRow]

    @property
    def is_complete(self) -> bool:
        return len(self.rows) < ROWS_PER_USER


class Tables:
    """Reads raise psycopg.Error, PoolTimeout or TimeoutError while PostgreSQL is away. A later call connects again."""

    def __init__(self) -> None:
        self._pool = AsyncConnectionPool(
            kwargs=_connection_parameters(),
            min_size=1,
            max_size=MAX_CONNECTIONS,
            timeout=WAIT_SECONDS,
            reconnect_timeout=GIVE_UP_SECONDS,
            open=False,
            configure=_configure,
            check=_refuse_a_closed_one,
            name="websocket",
        )

    async def open(self) -> None:
        await self._pool.open()

    async def close(self) -> None:
        await self._pool.close(timeout=1)

    async def read_snapshots(self, user_ids: Sequence[int]) -> dict[int, Snapshot]:
        """{user id: snapshot}, without users who do not exist."""
        rows = await self._fetch(_SNAPSHOTS, [list(user_ids)])
        return {row[0]: Snapshot(*row) for row in rows}

    async def find_changed(self, served: Sequence[Served]) -> list[Changed]:
        """The users whose sockets do not know all that is true, or who may not be connected any more."""
        rows = await self._fetch(_CHANGED, [list(column) for column in zip(*served, strict=True)])
        return [Changed(*row) for row in rows]

    async def read_missing(self, since: dict[int, int]) -> dict[int, Missing]:
        """From {user id: seq}, {user id: rows after it}, ROWS_PER_USER at most each. Expired rows are left out."""
        rows = await self._fetch(_MISSING, [list(since), list(since.values()), ROWS_PER_USER])
        found: defaultdict[int, list[NotificationRow]] = defaultdict(list)
        last_seqs = {}
        for user_id, last_seq, *columns in rows:
            last_seqs[user_id] = last_seq
            if columns[0] is not None:
                found[user_id].append(cast(NotificationRow, dict(zip(_COLUMNS, columns, strict=True))))
        return {user_id: Missing(last_seq, found[user_id]) for user_id, last_seq in last_seqs.items()}

    async def _fetch(self, query: str, parameters: list[Any]) -> list[TupleRow]:
        async with asyncio.timeout(QUERY_SECONDS), self._pool.connection() as conn:
            return await (await conn.execute(query, parameters)).fetchall()


async def _refuse_a_closed_one(conn: AsyncConnection[TupleRow]) -> None:
    """Raises OperationalError if PostgreSQL has closed the connection.

    An idle server sends nothing unless it closes, so it is enough to look whether there is something to read. The
    pool's own check would need a round trip.
    """
    poll = select.poll()
    poll.register(conn.fileno(), select.POLLIN)
    if poll.poll(0):
        await conn.close()
        raise OperationalError("PostgreSQL has closed the connection.")


async def _configure(conn: AsyncConnection[TupleRow]) -> None:
    await conn.execute("SELECT set_config('TimeZone', 'UTC', false), set_config('statement_timeout', '5s', false)")


def _connection_parameters() -> dict[str, Any]:
    """Taken from Django's own settings, so that tests reach the tests' database."""
    database = connection.settings_dict
    named = {key.lower(): database[key] for key in ("USER", "PASSWORD", "HOST", "PORT") if database[key]}
    return {
        **{key: value for key, value in database["OPTIONS"].items() if isinstance(value, str)},
        **named,
        "dbname": database["NAME"],
        "autocommit": True,
        "connect_timeout": 5,
        "application_name": "websocket",
    }
