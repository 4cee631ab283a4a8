"""uvicorn's WebSocket protocol, with three things it leaves to the client's good will made certain.

A client that does not read is closed all the same: the close frame is written behind what waits, and the connection
cut a second later. Pings of a client that reads no pongs do not pile up. A server that ends says 4010, which clients
know, instead of 1012. Everything works with uvicorn's own protocol as well, but for these.
"""

from contextlib import suppress
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import InvalidState

from notifications.close_codes import CloseCode

CUT_SECONDS = 1.0


class SocketProtocol(WebSocketsSansIOProtocol):
    async def send(self, message: Any) -> None:
        if message["type"] == "websocket.close" and not self.writable.is_set():
            self._cut_off(message["code"], message.get("reason", ""))
        else:
            await super().send(message)

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
        self._say_goodbye(code, reason)
        self.loop.call_later(CUT_SECONDS, self.transport.abort)

    def _say_goodbye(self, code: int, reason: str) -> None:
        if self.close_sent or self.disconnected:
            return
        with suppress(InvalidState):
            self.conn.send_close(code, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
