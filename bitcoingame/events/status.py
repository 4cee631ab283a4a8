"""How far the consumers are behind, and what each of them has done. The metrics and the jobs ask for it."""

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


GroupInfo = TypedDict("GroupInfo", {"name": bytes, "lag": int | None, "pending": int, "last-delivered-id": bytes})
"""What we read of the answer to XINFO GROUPS, for one group."""


class Heartbeat(TypedDict):
    """What a consumer reports about itself: Unix times in seconds, and counts since it started."""

    at: float
    started_at: float
    last_success_at: float
    handled: int
    set_aside: int
    duplicates: int
    relayed: int
    events_per_second: float


class StreamStatus(TypedDict):
    """`lag` counts entries not delivered yet (None: Redis cannot tell), `pending` those not acknowledged yet."""

    lag: int | None
    pending: int


class ConsumerStatus(TypedDict):
    """{stream: status} and {consumer's name: heartbeat}."""

    streams: dict[str, StreamStatus]
    consumers: dict[str, Heartbeat]


def beat(client: Redis, consumer: str, heartbeat: Heartbeat) -> None:
    """Stores the consumer's heartbeat; removes those older than GONE_SECONDS."""
    client.hset(HEARTBEATS, consumer, orjson.dumps(heartbeat))
    stored = client.hgetall(HEARTBEATS)
    gone = [name for name, dumped in stored.items() if orjson.loads(dumped)["at"] < heartbeat["at"] - GONE_SECONDS]
    if gone:
        client.hdel(HEARTBEATS, *gone)


def say_goodbye(client: Redis, consumer: str) -> None:
    """Removes the heartbeat of a consumer that ends."""
    client.hdel(HEARTBEATS, consumer)


def consumer_status() -> ConsumerStatus:
    """Asks Redis for streams and consumers, in one round trip. Raises RedisUnavailable."""
    *groups, heartbeats = request_redis().run(_ask)
    return {
        "streams": {stream: _status_of(answer) for stream, answer in zip(STREAMS, groups, strict=True)},
        "consumers": {name.decode(): orjson.loads(dumped) for name, dumped in heartbeats.items()},
    }


def heard_until(now: datetime) -> datetime:
    """The instant (UTC) up to which all events were delivered to consumers: `now`, unless some are waiting.

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


def _status_of(groups: list[GroupInfo] | ResponseError) -> StreamStatus:
    group = _our_group(groups)
    return {"lag": group["lag"], "pending": group["pending"]} if group else {"lag": 0, "pending": 0}


def _our_group(groups: list[GroupInfo] | ResponseError) -> GroupInfo | None:
    """Our consumer group among a stream's. Redis answers with an error if nothing was ever written to the stream."""
    if isinstance(groups, list):
        return next((group for group in groups if group["name"] == GROUP.encode()), None)
    return None
