"""Plays the platform's other services for the tests of events."""

import time
from itertools import count
from typing import Any

import orjson
from django.conf import settings
from redis import Redis

from bitcoingame.events.envelope import Incoming
from bitcoingame.events.intake import Outcome, take_in
from bitcoingame.events.streams import GROUP, connect
from profiles.models import User

NOON = 1_767_268_800.0  # 2026-01-01 12:00:00 UTC, a Thursday

_entries = count(1)


def entry(stream: str, event: str | None = None, *, at: float = NOON, event_id: str = "", **data: Any) -> Incoming:
    """An entry of a stream, as the consumer reads it."""
    fields = envelope_fields(event or stream.removeprefix("mining:"), at=at, event_id=event_id, **data)
    return Incoming(stream, f"{int(at * 1000)}-{next(_entries)}", fields)


def raw(stream: str, **fields: bytes) -> Incoming:
    """An entry with exactly these fields."""
    return Incoming(stream, f"{int(NOON * 1000)}-{next(_entries)}", {key.encode(): fields[key] for key in fields})


def envelope_fields(event: str, *, at: float = NOON, event_id: str = "", **data: Any) -> dict[bytes, bytes]:
    fields = {b"event": event.encode(), b"ts": str(at).encode(), b"source": b"test", b"data": orjson.dumps(data)}
    return fields | ({b"event_id": event_id.encode()} if event_id else {})


def share(user: User | str, *, worker: str = "bitaxe-1", at: float = NOON, **changes: Any) -> Incoming:
    """A share that is not notable. Each has a difficulty of its own, because equal ones in one second are one share."""
    address = user if isinstance(user, str) else user.btc_address
    data = {"user": address, "worker": f"{address}.{worker}", "diff": 1024, "accepted": True}
    data["sdiff"] = 2048 + next(_entries) / 1000
    return entry("mining:share_submitted", at=at, **data | changes)


def platform_event(event: str, *, at: float = NOON, event_id: str = "", **data: Any) -> Incoming:
    return entry("platform:events", event, at=at, event_id=event_id or f"event-{next(_entries)}", **data)


def happen(*events: Incoming) -> list[Outcome]:
    """Takes the events in, one batch for each stream."""
    outcomes = []
    for stream in dict.fromkeys(event.stream for event in events):
        outcomes += take_in([event for event in events if event.stream == stream])
    return outcomes


def redis_client() -> Redis:
    return connect(settings.REDIS_URL)


def send(client: Redis, event: Incoming) -> str:
    """Writes the event to its stream as a producer does; returns the entry's id."""
    return client.xadd(event.stream, dict(event.fields)).decode()


def wait_until(is_so: Any, *, seconds: float = 30) -> None:
    """Returns as soon as is_so() is true; fails after `seconds` seconds."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "this never came to be"
        time.sleep(0.01)


def is_drained(client: Redis, stream: str) -> bool:
    """Whether every entry of the stream was read and acknowledged."""
    groups = [group for group in client.xinfo_groups(stream) if group["name"] == GROUP.encode()]
    return bool(groups) and groups[0]["pending"] == 0 and groups[0]["lag"] == 0
