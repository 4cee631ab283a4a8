"""Control messages from other processes to this one's sockets, through the channel layer.

Each process joins one group with one channel. A message is only a hint, like everything from Redis: a process that
misses it reads the tables within a second.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from channels.layers import get_channel_layer

from notifications.realtime import SOCKETS_GROUP
from notifications.websocket.redis_feed import pause_after

logger = logging.getLogger(__name__)

Message = dict[str, Any]


class ControlFeed:
    """Calls `handlers[message["type"]](message)` for each message.

    Handlers must not block. An error of a handler, or a message without a handler, is logged and counted, never fatal.
    """

    def __init__(self, handlers: Mapping[str, Callable[[Message], None]]) -> None:
        self._handlers = handlers
        self._has_joined = False
        self.faults = 0

    async def run(self) -> None:
        """Listens for ever. After a failure it waits for a short random time and joins the group again."""
        failures = 0
        while True:
            try:
                await self._listen()
            except Exception as error:
                failures = 1 if self._has_joined else failures + 1
                logger.log(logging.WARNING if failures == 1 else logging.DEBUG, "channel layer lost: %s", error)
            finally:
                await self._leave()
            await asyncio.sleep(pause_after(failures))

    async def _listen(self) -> None:
        layer = get_channel_layer()
        channel = await layer.new_channel()
        await layer.group_add(SOCKETS_GROUP, channel)
        self._has_joined = True
        while True:
            self._handle(await layer.receive(channel))

    async def _leave(self) -> None:
        """Without this the layer would keep the channel and its connection to Redis as long as the event loop lives."""
        self._has_joined = False
        with suppress(Exception):
            await get_channel_layer().flush()

    def _handle(self, message: Any) -> None:
        try:
            self._handlers[message["type"]](message)
        except Exception:
            self.faults += 1
            logger.exception("a control message was dropped")
