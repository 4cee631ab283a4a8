"""Thousands of browser tabs in one process: a WebSocket client that notes when frames came and does little else."""

import asyncio
import base64
import os
import struct
import time
from collections.abc import Callable, Sequence

OnFrame = Callable[[int, bytes, float], None]


class Tab(asyncio.Protocol):
    """Calls on_frame(number, text, monotonic seconds) for each text frame; answers the server's pings."""

    def __init__(self, number: int, request: bytes, on_frame: OnFrame) -> None:
        self.number, self.request, self.on_frame = number, request, on_frame
        self.buffer = b""
        self.is_open = False
        self.close_code: int | None = None
        loop = asyncio.get_running_loop()
        self.greeted: asyncio.Future[None] = loop.create_future()
        self.gone: asyncio.Future[None] = loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        now = time.monotonic()
        buffer = self.buffer + data
        position = 0
        if not self.is_open:
            head, separator, buffer = buffer.partition(b"\r\n\r\n")
            if not separator:
                self.buffer = head
                return
            if not head.startswith(b"HTTP/1.1 101"):
                raise SystemExit(f"refused: {head[:200]!r}")
            self.is_open = True
        while (end := self._end_of_frame(buffer, position)) is not None:
            start, length = end
            self._take(buffer[position] & 15, buffer[start : start + length], now)
            position = start + length
        self.buffer = buffer[position:]

    def _end_of_frame(self, buffer: bytes, position: int) -> tuple[int, int] | None:
        """The payload's start and length; None until all of it has arrived."""
        available = len(buffer) - position
        if available < 2:
            return None
        length, start = buffer[position + 1], 2
        if length >= 126:
            size = 2 if length == 126 else 8
            if available < 2 + size:
                return None
            length = int.from_bytes(buffer[position + 2 : position + 2 + size], "big")
            start += size
        return (position + start, length) if available >= start + length else None

    def _take(self, opcode: int, payload: bytes, now: float) -> None:
        if opcode == 1:
            if not self.greeted.done():
                self.greeted.set_result(None)
            self.on_frame(self.number, payload, now)
        elif opcode == 9:
            masked = struct.pack("!BB4s", 0x8A, 0x80 | len(payload), b"\0\0\0\0") + payload
            self.transport.write(masked)
        elif opcode == 8:
            self.close_code = int.from_bytes(payload[:2], "big")

    def connection_lost(self, error: Exception | None) -> None:
        for future in (self.greeted, self.gone):
            if not future.done():
                future.set_result(None)

    def leave(self) -> None:
        self.transport.write(b"\x88\x80\0\0\0\0")
        self.transport.close()


def handshake(token: str) -> bytes:
    key = base64.b64encode(os.urandom(16)).decode()
    return (
        f"GET /ws?token={token} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ).encode()


async def open_tabs(port: int, tokens: Sequence[str], on_frame: OnFrame, at_once: int = 100) -> list[Tab]:
    """Opens a tab for each token, `at_once` handshakes at a time; returns when the server has greeted all of them."""
    loop = asyncio.get_running_loop()
    tabs: list[Tab] = []
    waiting = list(enumerate(tokens))[::-1]

    async def open_some() -> None:
        while waiting:
            number, token = waiting.pop()
            _, tab = await loop.create_connection(
                lambda number=number, token=token: Tab(number, handshake(token), on_frame), "127.0.0.1", port
            )
            tabs.append(tab)
            await tab.greeted

    await asyncio.gather(*(open_some() for _ in range(at_once)))
    return tabs
