"""One WebSocket as the hub sees it: how far it is in the user's notifications, and what waits to be sent."""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import orjson

from notifications.websocket.close_codes import CloseCode

if TYPE_CHECKING:
    from notifications.websocket.hub import ConnectedUser

Send = Callable[[dict[str, Any]], Awaitable[None]]
# A server's short cut for text frames. It returns False if the frame has to wait, which then goes by Send.
Write = Callable[[bytes], bool]
WRITE_EXTENSION = "bitcoingame.write"

CHANNELS = frozenset({"mining", "dashboard", "gamification", "competition", "notifications"})
# How many bytes may wait in a socket. From ROOM on no rows are sent, because they can be read again later. Above
# MAX_WAITING the client is too slow and is closed, because other messages are in no table and may not be lost silently.
ROOM = 64 * 1024
MAX_WAITING = 256 * 1024
CLOSE_SECONDS = 1.0


def encode(frame: Any) -> bytes:
    return orjson.dumps(frame, option=orjson.OPT_UTC_Z)


class Socket:
    """`seq` is the last notification queued for it. While it is None, the socket gets no notifications.

    Other published messages reach the socket as soon as its hello is queued. `expired` are the ids of the notifications
    of which the socket knows that they expired unread.
    """

    __slots__ = (
        "_send",
        "_serving",
        "_waiting",
        "_write_now",
        "_writing",
        "channels",
        "closing",
        "expired",
        "expires_at",
        "is_closing",
        "is_welcome",
        "on_room",
        "sending_since",
        "seq",
        "user",
        "waiting",
    )

    def __init__(self, *, user: "ConnectedUser", send: Send, write: Write | None, expires_at: float) -> None:
        self.user = user
        self.expires_at = expires_at
        self.seq: int | None = None
        self.expired: frozenset[int] = frozenset()
        self.channels: frozenset[str] = frozenset()
        self.is_closing = False
        self.is_welcome = False
        self.waiting = 0
        self.sending_since = 0.0
        self.on_room: Callable[[Socket], None] | None = None
        self._send = send
        self._write_now = write
        self._waiting: deque[bytes] | None = None
        self._writing: asyncio.Task[None] | None = None
        self.closing: asyncio.Task[None] | None = None
        self._serving = asyncio.current_task()

    @property
    def has_room(self) -> bool:
        return self.waiting < ROOM

    def push(self, frame: bytes) -> None:
        """Sends a frame, or queues it behind others. A client that is far behind is closed (4009)."""
        if self.is_closing or (self._writing is None and self._write_now is not None and self._write_now(frame)):
            return
        if self.waiting > MAX_WAITING:
            self.close(CloseCode.TOO_SLOW)
            return
        if self._waiting is None:
            self._waiting = deque()
            self._writing = asyncio.get_running_loop().create_task(self._write(self._waiting))
        self._waiting.append(frame)
        self.waiting += len(frame)

    def close(self, code: CloseCode) -> None:
        """Closes it now, with this code. What still waits is dropped, and a client that does not read is cut off."""
        if self.is_closing:
            return
        self.discard()
        self.closing = asyncio.get_running_loop().create_task(self._close(code))

    def discard(self) -> None:
        """Sends nothing more: the connection is gone, or about to be."""
        self.is_closing = True
        self.waiting = 0
        if self._waiting is not None:
            self._waiting.clear()
        if self._writing is not None:
            self._writing.cancel()

    async def _write(self, waiting: deque[bytes]) -> None:
        """Ends when nothing waits, so that an idle socket costs no task."""
        try:
            while waiting:
                frame = waiting.popleft()
                self.sending_since = time.monotonic()
                await self._send({"type": "websocket.send", "text": frame.decode()})
                self.waiting -= len(frame)
        except Exception:
            # The connection is gone. The consumer learns it by the server's disconnect message.
            self.discard()
        finally:
            self.sending_since = 0.0
            self._writing = self._waiting = None
        if self.on_room is not None:
            self.on_room(self)

    async def _close(self, code: CloseCode) -> None:
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._send({"type": "websocket.close", "code": int(code), "reason": code.reason})
        except Exception:
            if self._serving is not None:
                self._serving.cancel()
