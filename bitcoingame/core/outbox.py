"""Events for the platform, written in the transaction of their cause: if the change committed, the event arrives."""

from collections.abc import Mapping, Sequence
from typing import Any

from bitcoingame.models import OutgoingEvent


def enqueue_outgoing(*, event: str, payload: Mapping[str, Any]) -> None:
    """Stores one event for the stream `social:events`; call it in the transaction of the cause."""
    enqueue_all([(event, payload)])


def enqueue_all(events: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
    """Stores many events, each as (event, payload), in one statement. JSON must be able to hold a payload."""
    OutgoingEvent.objects.bulk_create(OutgoingEvent(event=event, payload=dict(payload)) for event, payload in events)
