"""Sends events from the outbox to the stream `social:events`: in order, at least once, one consumer at a time.

A consumer that dies after it sent and before it recorded this leaves events to be sent again. Receivers recognise them
by event_id.
"""

from typing import Any

import orjson
from django.conf import settings
from django.db.models.functions import Now
from redis import Redis

from bitcoingame.core.postgresql.locks import named_key, try_lock
from bitcoingame.models import OutgoingEvent

STREAM = "social:events"
MAX_PER_ROUND = 500

_OURS = named_key("outgoing_events")


def relay_outgoing(client: Redis) -> int:
    """Sends up to MAX_PER_ROUND waiting events, the oldest first; returns how many.

    Returns 0 if another consumer is sending. No transaction is open while Redis answers. Raises RedisError, or the
    errors of Django's database.
    """
    with try_lock(_OURS) as is_ours:
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
