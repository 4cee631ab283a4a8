"""From the outbox to the stream `social:events`: in order, at least once, one consumer at a time.

A relay that dies between Redis and its record of it sends again: receivers go by event_id.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson
from django.conf import settings
from django.db import connection
from django.db.models.functions import Now
from redis import Redis

from bitcoingame.models import OutgoingEvent

STREAM = "social:events"
MAX_PER_ROUND = 500

_TRY_LOCK = "SELECT pg_try_advisory_lock(hashtextextended('outgoing_events', 0))"
_UNLOCK = "SELECT pg_advisory_unlock(hashtextextended('outgoing_events', 0))"


def relay_outgoing(client: Redis) -> int:
    """Sends up to MAX_PER_ROUND waiting events, the oldest first; returns how many.

    0 as well when another consumer is at it. No transaction is open meanwhile. Raises the errors of Redis and Django.
    """
    with _our_turn() as is_ours:
        waiting = list(OutgoingEvent.objects.filter(sent_at=None).order_by("id")[:MAX_PER_ROUND]) if is_ours else []
        if waiting:
            _send(client, waiting)
            OutgoingEvent.objects.filter(pk__in=[row.pk for row in waiting]).update(sent_at=Now())
    return len(waiting)


def _send(client: Redis, waiting: list[OutgoingEvent]) -> None:
    with client.pipeline(transaction=False) as pipeline:
        for row in waiting:
            fields: dict[Any, Any] = {
                "event": row.event,
                "event_id": str(row.event_id),
                "ts": str(row.created_at.timestamp()),
                "source": "social",
                "data": orjson.dumps(row.payload),
            }
            pipeline.xadd(STREAM, fields, maxlen=settings.SOCIAL_EVENTS_MAXLEN, approximate=True)
        pipeline.execute()


@contextmanager
def _our_turn() -> Iterator[bool]:
    with connection.cursor() as cursor:
        cursor.execute(_TRY_LOCK)
        (is_ours,) = cursor.fetchone()
        try:
            yield is_ours
        finally:
            # A lost connection has given the lock back by itself.
            if is_ours and not connection.needs_rollback and connection.connection and not connection.connection.closed:
                cursor.execute(_UNLOCK)
