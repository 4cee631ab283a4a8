"""Messages to users' sockets, published after the commit.

A message is only a hint: a process that misses it reads the table within a second.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from redis import Redis
from redis.exceptions import RedisError

from bitcoingame.core.redis import RedisUnavailable, request_redis

logger = logging.getLogger(__name__)

USER_CHANNEL = "ws:user:"
# Every process with sockets joins this group of the channel layer.
SOCKETS_GROUP = "sockets"
# What one round trip carries. A round trip takes 200 ms at most if Redis hangs.
MESSAGES_PER_ROUND_TRIP = 500
PUBLISH_SECONDS = 0.5

# {"event": …, "data": …}: the shape that every publisher on these channels uses, the platform as well as we.
Envelope = Mapping[str, Any]


def publish(messages: Sequence[tuple[int, Envelope]]) -> None:
    """Send each (user_id, {"event", "data"}) to that user's sockets. Call it after the commit.

    Times in the data are datetimes or ISO 8601 text. Never raises, and takes about half a second at most. The sockets
    find in the table, within a second, what Redis did not take in that time.
    """
    _publish([(f"{USER_CHANNEL}{user_id}", envelope) for user_id, envelope in messages])


def disconnect_user(user_id: int) -> None:
    """Close all sockets of a user who may no longer sign in. Call it after the commit, from synchronous code.

    It waits for Redis for 200 ms at most. Redis being away is no error, because every process with sockets asks for
    users.is_active once a second.
    """
    try:
        async_to_sync(get_channel_layer().group_send)(SOCKETS_GROUP, {"type": "session.ended", "user_id": user_id})
    except RedisUnavailable as error:
        logger.debug("the sockets of a user were not asked to close: %s", error)
    except RedisError:
        logger.exception("the sockets of a user could not be asked to close")


def _publish(messages: list[tuple[str, Envelope]]) -> None:
    stops_at = time.monotonic() + PUBLISH_SECONDS
    for start in range(0, len(messages), MESSAGES_PER_ROUND_TRIP):
        if time.monotonic() > stops_at:
            logger.warning("Redis is slow: %d messages are left to the table", len(messages) - start)
            return
        try:
            _send(messages[start : start + MESSAGES_PER_ROUND_TRIP])
        except RedisUnavailable as error:
            logger.debug("not published: %s", error)
            return
        except (RedisError, TypeError):
            logger.exception("a message could not be published")


def _send(batch: list[tuple[str, Envelope]]) -> None:
    encoded = [(channel, orjson.dumps(envelope, option=orjson.OPT_UTC_Z)) for channel, envelope in batch]

    def send(client: Redis) -> None:
        with client.pipeline(transaction=False) as pipeline:
            for channel, message in encoded:
                pipeline.publish(channel, message)
            pipeline.execute()

    request_redis().run(send)
