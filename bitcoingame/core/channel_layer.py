"""The channel layer: Django Channels' way for processes to tell each other something, here by Redis' pub/sub.

Any Django code may use it: `async_to_sync(get_channel_layer().group_send)(group, {"type": …})`. docs/websocket.md says
what it is used for and what it cannot promise.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from channels_redis.pubsub import RedisPubSubChannelLayer

from bitcoingame.core.redis import ANSWER_SECONDS, async_options, request_redis

# How long the listening process waits for a connection; a second after a failure the layer connects again. Senders wait
# ANSWER_SECONDS only.
CONNECT_SECONDS = 2.0


class ImpatientChannelLayer(RedisPubSubChannelLayer):  # type: ignore[misc]  # channels_redis brings no types
    """channels_redis' layer with the bounds of the request path: 200 ms for a message, and none while Redis rests.

    `send` and `group_send` raise RedisUnavailable when Redis is down, hangs or rests. A message reaches each member of
    the group once or, if the member has no connection to Redis at that moment, not at all.
    """

    def __init__(self, *, url: str, prefix: str) -> None:
        super().__init__(hosts=[{"address": url, **async_options(seconds=CONNECT_SECONDS)}], prefix=prefix)

    async def send(self, channel: str, message: dict[str, Any]) -> None:
        await _send(self._get_layer().send, channel, message)

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        await _send(self._get_layer().group_send, group, message)


async def _send(send: Callable[..., Awaitable[None]], target: str, message: dict[str, Any]) -> None:
    with request_redis().attempt():
        async with asyncio.timeout(ANSWER_SECONDS):
            await send(target, message)
