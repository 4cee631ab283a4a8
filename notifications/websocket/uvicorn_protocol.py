"""uvicorn's WebSocket protocol with three promises that do not need the client's good will, and a short cut.

1. A client that does not read is closed all the same: the close frame is written behind what waits, and the connection
   is cut a second later.
2. Pings of a client that reads no pongs do not pile up: the client is cut off.
3. A server that ends says 4010, which our clients know, instead of 1012.

The short cut writes a text frame without an ASGI event and a task. With uvicorn's own protocol everything else works.
"""

from contextlib import suppress
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import InvalidState

from notifications.websocket.close_codes import CloseCode
from notifications.websocket.sockets import WRITE_EXTENSION

CUT_SECONDS = 1.0


class SocketProtocol(WebSocketsSansIOProtocol):
    async def run_asgi(self) -> None:
        extensions: dict[str, Any] = self.scope["extensions"]
        extensions[WRITE_EXTENSION] = self.write_text
        await super().run_asgi()

    def write_text(self, text: bytes) -> bool:
        """Sends a text frame (UTF-8) without ASGI's event and task. False if it must wait or can no longer be sent."""
        if not self.writable.is_set() or self.close_sent or self.disconnected or not self.handshake_complete:
            return False
        self.transport.write(_text_header(len(text)) + text)
        return True

    async def send(self, message: Any) -> None:
        if message["type"] == "websocket.close" and not self.writable.is_set():
            self._cut_off(message["code"], message.get("reason", ""))
        else:
            await super().send(message)
            if message["type"] == "websocket.accept":
                self._forget_the_handshake()

    def _forget_the_handshake(self) -> None:
        """Empties what the handshake left: it takes a third of an idle socket's memory and holds the token.

        It cannot be dropped, because other objects keep it.
        """
        self.request.path = ""
        self.request.headers.clear()
        self.response.headers.clear()
        self.scope.clear()  # type: ignore[attr-defined]

    def handle_ping(self) -> None:
        if self.writable.is_set():
            super().handle_ping()
        else:
            self._cut_off(CloseCode.TOO_SLOW, CloseCode.TOO_SLOW.reason)

    def shutdown(self) -> None:
        if self.handshake_complete and not self.close_sent and not self.transport.is_closing():
            self._say_goodbye(CloseCode.TRY_LATER, CloseCode.TRY_LATER.reason)
        super().shutdown()

    def _cut_off(self, code: int, reason: str) -> None:
        """Closes a client that does not read, and reads no more from it."""
        self._say_goodbye(code, reason)
        self.transport.pause_reading()
        self.loop.call_later(CUT_SECONDS, self.transport.abort)

    def _say_goodbye(self, code: int, reason: str) -> None:
        if self.close_sent or self.disconnected:
            return
        with suppress(InvalidState):
            self.conn.send_close(code, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})


def _text_header(size: int) -> bytes:
    """The header of a whole, unmasked text frame of this many bytes (RFC 6455, section 5.2)."""
    if size < 126:
        return bytes((0x81, size))
    if size < 1 << 16:
        return b"\x81\x7e" + size.to_bytes(2, "big")
    return b"\x81\x7f" + size.to_bytes(8, "big")
