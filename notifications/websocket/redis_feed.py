"""This process's one subscription to Redis: to the channels of the users connected here, and to no others.

Its work therefore grows with its own users, and not with the messages for all processes. We do not use redis-py's
PubSub. It costs 28 µs of CPU a message, which is half of a core at 20,000 a second; reading the stream with hiredis
costs 2.5 µs. It also gives up after 5 s of silence; here silence is answered with a PING.
"""

import asyncio
import logging
import random
from asyncio import StreamReader, StreamWriter
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, cast

import hiredis
from django.conf import settings
from redis.asyncio.connection import Connection

from bitcoingame.core.redis import make_async_connection

logger = logging.getLogger(__name__)

CONNECT_SECONDS = 2.0
# After this much silence we send a PING. After as much again the connection counts as lost.
SILENCE_SECONDS = 2.0
MAX_WAIT_SECONDS = 1.0
READ_BYTES = 64 * 1024
# If a message is longer than this, we do not wait for its end and connect again.
MAX_MESSAGE_BYTES = 4 * 1024 * 1024
CHANNELS_PER_COMMAND = 500
GATHER_SECONDS = 0.01


class RedisLost(Exception):
    """The connection is lost, and run() has to connect again. The message says why."""


class RedisFeed:
    """Calls `on_message(channel, message)` for each message, and `on_connected()` after each (re)connection.

    Both run inside the reader and must not block. An error of on_message is logged and counted, never fatal.
    """

    def __init__(self, on_message: Callable[[bytes, bytes], None], on_connected: Callable[[], None]) -> None:
        self._on_message = on_message
        self._on_connected = on_connected
        self._channels: set[bytes] = set()
        self._confirmations: dict[bytes, asyncio.Future[None]] = {}
        self._writer: StreamWriter | None = None
        self._changes: dict[bytes, bool] = {}
        self.connections = 0
        self.received = 0
        self.faults = 0

    @property
    def is_connected(self) -> bool:
        return self._writer is not None

    def subscribe(self, channel: bytes) -> asyncio.Future[None] | None:
        """Returns a future that is done when Redis has confirmed, or None while Redis is away.

        In that case the next connection subscribes.
        """
        self._channels.add(channel)
        if self._writer is None:
            return None
        self._change(channel, True)
        return self._confirmations.setdefault(channel, asyncio.get_running_loop().create_future())

    def unsubscribe(self, channel: bytes) -> None:
        self._channels.discard(channel)
        self._confirmations.pop(channel, None)
        if self._writer is not None:
            self._change(channel, False)

    async def run(self) -> None:
        """Reads for ever. After each loss it waits for a short random time and connects again."""
        failures = 0
        while True:
            try:
                await self._read_until_lost()
            except (RedisLost, OSError, asyncio.IncompleteReadError, hiredis.HiredisError) as error:
                failures = 1 if self.is_connected else failures + 1
                logger.log(logging.WARNING if failures == 1 else logging.DEBUG, "Redis lost: %s", error)
            finally:
                self._forget_connection()
            await asyncio.sleep(pause_after(failures))

    async def _read_until_lost(self) -> None:
        connection = await _connect()
        try:
            # Both are private: redis-py has no public way to connect without reading.
            await self._read(cast(StreamReader, connection._reader), cast(StreamWriter, connection._writer))
        finally:
            with suppress(Exception):
                await connection.disconnect(nowait=True)

    async def _read(self, stream: StreamReader, writer: StreamWriter) -> None:
        self._writer = writer
        await self._subscribe_to_all(writer)
        self.connections += 1
        self._on_connected()
        reader = hiredis.Reader()
        while True:
            reader.feed(await self._read_some(stream, writer))
            while (reply := reader.gets()) is not False:
                self._handle(reply)
            if reader.len() > MAX_MESSAGE_BYTES:
                raise RedisLost("a message is too large")
            await asyncio.sleep(0)  # reading a full stream never waits, and the sockets need their turn

    async def _read_some(self, stream: StreamReader, writer: StreamWriter) -> bytes:
        try:
            async with asyncio.timeout(SILENCE_SECONDS):
                data = await stream.read(READ_BYTES)
        except TimeoutError:
            writer.write(_pack("PING"))
            try:
                async with asyncio.timeout(SILENCE_SECONDS):
                    data = await stream.read(READ_BYTES)
            except TimeoutError:
                raise RedisLost("it hangs") from None
        if not data:
            raise RedisLost("it closed the connection")
        return data

    def _handle(self, reply: Any) -> None:
        try:
            match reply:
                case [b"message", channel, message]:
                    self.received += 1
                    self._on_message(channel, message)
                case [b"subscribe", channel, _]:
                    if confirmation := self._confirmations.pop(channel, None):
                        confirmation.set_result(None)
                case hiredis.ReplyError():
                    raise RedisLost(str(reply))
        except RedisLost:
            raise
        except Exception:
            self.faults += 1
            logger.exception("a message was dropped")

    async def _subscribe_to_all(self, writer: StreamWriter) -> None:
        channels = list(self._channels)
        for start in range(0, len(channels), CHANNELS_PER_COMMAND):
            writer.write(_pack("SUBSCRIBE", *channels[start : start + CHANNELS_PER_COMMAND]))
        async with asyncio.timeout(CONNECT_SECONDS):
            await writer.drain()

    def _change(self, channel: bytes, wanted: bool) -> None:
        """Collects changes for a few milliseconds and sends them together, because each write wakes Redis up."""
        if not self._changes:
            asyncio.get_running_loop().call_later(GATHER_SECONDS, self._send_changes)
        self._changes[channel] = wanted

    def _send_changes(self) -> None:
        changes, self._changes = self._changes, {}
        self._send("SUBSCRIBE", [channel for channel, wanted in changes.items() if wanted])
        self._send("UNSUBSCRIBE", [channel for channel, wanted in changes.items() if not wanted])

    def _send(self, command: str, channels: Iterable[bytes]) -> None:
        if channels and self._writer is not None:
            self._writer.write(_pack(command, *channels))

    def _forget_connection(self) -> None:
        self._writer = None
        self._changes.clear()
        for confirmation in self._confirmations.values():
            confirmation.cancel()
        self._confirmations.clear()


def pause_after(failures: int) -> float:
    """Seconds until the next attempt, random, and longer with each failure in a row. A second at most."""
    longest = MAX_WAIT_SECONDS if failures > 3 else 0.1 * 2**failures
    return random.uniform(0.2, 1) * longest  # noqa: S311


def _pack(*words: str | bytes) -> bytes:
    packed: bytes = hiredis.pack_command(words)  # type: ignore[arg-type]  # its stub knows tuples of one
    return packed


async def _connect() -> Connection:
    """Connects by redis-py, which knows redis://, rediss:// and unix:// with TLS and AUTH. Raises RedisLost."""
    connection = make_async_connection(settings.REDIS_URL, seconds=CONNECT_SECONDS)
    try:
        async with asyncio.timeout(2 * CONNECT_SECONDS):
            await connection.connect()  # type: ignore[no-untyped-call]  # redis-py has no types here
    except Exception as error:
        raise RedisLost(str(error)) from error
    return connection
