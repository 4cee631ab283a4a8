"""What is to be seen of the consumers from outside: how far they are behind, and what they did lately."""

from datetime import UTC, datetime
from math import inf
from typing import Any, TypedDict

import orjson
from redis import Redis
from redis.exceptions import ResponseError

from bitcoingame.core.redis import request_redis
from bitcoingame.events.catalogue import STREAMS
from bitcoingame.events.streams import GROUP

HEARTBEATS = "social:consumers"
HEARTBEAT_SECONDS = 5
GONE_SECONDS = 60


class Heartbeat(TypedDict):
    """A consumer's word: Unix times, and counts since it started."""

    at: float
    started_at: float
    last_success_at: float
    handled: int
    set_aside: int
    duplicates: int
    relayed: int
    events_per_second: float


class StreamStatus(TypedDict):
    """`lag` counts entries that nobody was given yet (None: Redis cannot tell), `pending` those not acknowledged."""

    lag: int | None
    pending: int


class ConsumerStatus(TypedDict):
    streams: dict[str, StreamStatus]
    consumers: dict[str, Heartbeat]


def beat(client: Redis, consumer: str, heartbeat: Heartbeat) -> None:
    """Leaves the consumer's word, and clears away that of those who are gone."""
    client.hset(HEARTBEATS, consumer, orjson.dumps(heartbeat))
    words = client.hgetall(HEARTBEATS)
    gone = [name for name, word in words.items() if orjson.loads(word)["at"] < heartbeat["at"] - GONE_SECONDS]
    if gone:
        client.hdel(HEARTBEATS, *gone)


def say_goodbye(client: Redis, consumer: str) -> None:
    client.hdel(HEARTBEATS, consumer)


def consumer_status() -> ConsumerStatus:
    """The consumers as Redis knows them, in one round trip. Raises RedisUnavailable."""
    *groups, words = request_redis().run(_ask)
    return {
        "streams": {stream: _status_of(answer) for stream, answer in zip(STREAMS, groups, strict=True)},
        "consumers": {name.decode(): orjson.loads(word) for name, word in words.items()},
    }


def heard_until(now: datetime) -> datetime:
    """The instant up to which consumers were given all events: `now`, unless some are waiting.

    Raises RedisUnavailable.
    """
    *answers, _ = request_redis().run(_ask)
    behind = [group for group in map(_our_group, answers) if group and group["lag"]]
    # An entry's id begins with the milliseconds of Unix time at which it was written.
    read = min((int(group["last-delivered-id"].partition(b"-")[0]) / 1000 for group in behind), default=inf)
    return now if read >= now.timestamp() else datetime.fromtimestamp(read, UTC)


def _ask(client: Redis) -> list[Any]:
    with client.pipeline(transaction=False) as pipeline:
        for stream in STREAMS:
            pipeline.xinfo_groups(stream)
        pipeline.hgetall(HEARTBEATS)
        return pipeline.execute(raise_on_error=False)


def _status_of(groups: list[dict[str, Any]] | ResponseError) -> StreamStatus:
    group = _our_group(groups)
    return {"lag": group["lag"], "pending": group["pending"]} if group else {"lag": 0, "pending": 0}


def _our_group(groups: list[dict[str, Any]] | ResponseError) -> dict[str, Any] | None:
    """A stream that nobody has written to yet has no groups, and is an error to Redis."""
    if isinstance(groups, list):
        return next((group for group in groups if group["name"] == GROUP.encode()), None)
    return None
