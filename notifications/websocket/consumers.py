"""The WebSocket's protocol: who may connect, what clients may ask, what the server answers.

Published messages do not pass through here: the hub hands them to the socket directly.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from channels.exceptions import DenyConnection, StopConsumer
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from django.db import connection

from bitcoingame.core.errors import DomainError
from notifications.websocket.close_codes import CloseCode
from notifications.websocket.hub import Hub, TooManySockets, running_hub
from notifications.websocket.sockets import CHANNELS, WRITE_EXTENSION, Socket, Write, encode
from notifications.websocket.tables import Snapshot
from profiles.sign_in.token_users import authenticate_token
from profiles.sign_in.tokens import Claims, read_access_token

logger = logging.getLogger(__name__)

MAX_FRAME_BYTES = 4096
FRAMES_PER_SECOND = 20
MAX_REPLAY = 500
# A client that names no `since` has this long to send a resume. Until then it gets no new notifications, because they
# would come ahead of those it missed.
RESUME_SECONDS = 0.25
_PONG = encode({"type": "pong"})

Message = dict[str, Any]


class NotificationsConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]  # channels brings no types
    hub: Hub
    socket: Socket | None = None
    claims: Claims
    _since: int | None = None
    _resume_timer: asyncio.TimerHandle | None = None
    _window_starts_at = 0.0
    _frames_in_window = 0

    async def __call__(self, scope: Message, receive: Callable[[], Awaitable[Message]], send: Any) -> None:
        """Replaces Channels' own loop, because its tasks and layer cost more memory than all the rest of a socket."""
        self.scope = scope
        self.base_send = send
        try:
            while True:
                await self.dispatch(await receive())
        except StopConsumer:
            pass
        except asyncio.CancelledError:
            # The socket cancelled this task, because the client does not read and the close frame did not go out.
            if self.socket is None or not self.socket.is_closing:
                raise
        finally:
            self._leave()

    async def dispatch(self, message: Message) -> None:
        """Replaces Channels' dispatch, which cares for a thread's database connections: none is used here."""
        match message["type"]:
            case "websocket.connect":
                await self.websocket_connect(message)
            case "websocket.receive":
                await self.receive_frame(message.get("text"), message.get("bytes"))
            case "websocket.disconnect":
                raise StopConsumer

    async def connect(self) -> None:
        if not _is_origin_allowed(self.scope):
            raise DenyConnection
        token = self.scope.pop("token")
        await self.accept(self.scope["accepted_subprotocol"])
        try:
            self.claims = read_access_token(token)
        except DomainError:
            await self._refuse(CloseCode.SIGN_IN_AGAIN)
            return
        await self._join(token)
        self.scope.clear()

    async def _join(self, token: str) -> None:
        self.hub = await running_hub()
        try:
            self.socket = await self.hub.join(
                user_id=self.claims.user_id,
                send=self.base_send,
                write=_find_write(self.scope),
                expires_at=self.claims.expires_at.timestamp(),
            )
        except TooManySockets:
            await self._refuse(CloseCode.TOO_MANY_SOCKETS)
            return
        snapshot = await self._read_snapshot(self.socket, token)
        if snapshot is not None:
            self._welcome(self.socket, snapshot)

    async def _read_snapshot(self, socket: Socket, token: str | None = None) -> Snapshot | None:
        """None if the socket is being closed instead. A token lets it store a user this service has never seen."""
        try:
            snapshot = await self.hub.read_snapshot(self.claims.user_id)
            if snapshot is None and token is not None:
                await asyncio.to_thread(_introduce, token)
                snapshot = await self.hub.read_snapshot(self.claims.user_id)
        except DomainError:
            socket.close(CloseCode.SIGN_IN_AGAIN)
            return None
        except Exception as error:
            logger.warning("no snapshot for a socket: %s", error)
            socket.close(CloseCode.TRY_LATER)
            return None
        if snapshot is None or not snapshot.is_active or snapshot.btc_address != self.claims.btc_address:
            socket.close(CloseCode.SIGN_IN_AGAIN)
            return None
        return None if socket.is_closing else snapshot

    def _welcome(self, socket: Socket, snapshot: Snapshot) -> None:
        self.hub.welcome(socket, snapshot)
        since = self.scope["since"]
        if since is not None and since >= 0:
            self._resume_from(socket, since, snapshot)
            return
        if since is not None:
            _complain(socket, "Invalid since")
        loop = asyncio.get_running_loop()
        self._resume_timer = loop.call_later(RESUME_SECONDS, self.hub.go_live, socket, snapshot.last_seq)

    async def receive_frame(self, text: str | None, data: bytes | None) -> None:
        """Handles one frame of the client. A bad frame gets an error frame or the documented close."""
        socket = self.socket
        if socket is None or socket.is_closing:
            return
        content = data or b"" if text is None else text.encode(errors="surrogatepass")
        if self._is_flooding() or len(content) > MAX_FRAME_BYTES:
            socket.close(CloseCode.PROTOCOL_ABUSE)
            return
        try:
            request = orjson.loads(content if text is not None else b"")
        except orjson.JSONDecodeError:
            _complain(socket, "Invalid JSON")
            return
        await self._act(socket, request if isinstance(request, dict) else {})

    async def _act(self, socket: Socket, request: Message) -> None:
        match request.get("action"):
            case "ping":
                socket.push(_PONG)
            case "subscribe" | "unsubscribe" as action:
                self._subscribe(socket, action, request.get("channel"))
            case "resume":
                await self._resume(socket, request.get("since"))
            case _:
                _complain(socket, "Unknown action")

    def _subscribe(self, socket: Socket, action: str, channel: Any) -> None:
        if not isinstance(channel, str) or channel not in CHANNELS:
            _complain(socket, "Unknown channel")
            return
        socket.channels = socket.channels | {channel} if action == "subscribe" else socket.channels - {channel}
        socket.push(encode({"type": f"{action}d", "channel": channel}))

    async def _resume(self, socket: Socket, since: Any) -> None:
        if type(since) is not int or since < 0:
            _complain(socket, "Invalid since")
            return
        self._forget_timer()
        socket.seq = None  # what comes meanwhile must be part of the replay, not ahead of it
        snapshot = await self._read_snapshot(socket)
        if snapshot is not None:
            self._resume_from(socket, since, snapshot)

    def _resume_from(self, socket: Socket, since: int, snapshot: Snapshot) -> None:
        if 0 <= snapshot.last_seq - since <= MAX_REPLAY:
            socket.user.newest = max(socket.user.newest, snapshot.last_seq)
            self.hub.go_live(socket, since)
            return
        socket.push(encode({"type": "reset", "seq": snapshot.last_seq, "unread": snapshot.unread}))
        self.hub.go_live(socket, snapshot.last_seq)

    def _is_flooding(self) -> bool:
        now = time.monotonic()
        if now - self._window_starts_at >= 1:
            self._window_starts_at, self._frames_in_window = now, 0
        self._frames_in_window += 1
        return self._frames_in_window > FRAMES_PER_SECOND

    async def _refuse(self, code: CloseCode) -> None:
        """Closes after accepting, because a browser does not say why a handshake failed."""
        await self.close(code=int(code), reason=code.reason)

    def _forget_timer(self) -> None:
        if self._resume_timer is not None:
            self._resume_timer.cancel()
            self._resume_timer = None

    def _leave(self) -> None:
        self._forget_timer()
        if self.socket is not None:
            self.hub.leave(self.socket)


def _introduce(token: str) -> None:
    """Stores a user whose token the platform signed and whom this service has never seen. Raises DomainError.

    It is rare, so the thread keeps no connection to the database.
    """
    try:
        authenticate_token(token)
    finally:
        connection.close()


def _find_write(scope: Message) -> Write | None:
    """The server's short cut, or None. ASGI leaves extensions to the server, and daphne names none at all."""
    write: Write | None = (scope.get("extensions") or {}).get(WRITE_EXTENSION)
    return write


def _is_origin_allowed(scope: Message) -> bool:
    """Browsers always name the page's origin. A client that names none is no browser: no page can misuse its token."""
    origins = [value.decode("latin-1") for name, value in scope["headers"] if name == b"origin"]
    return all(origin in settings.DASHBOARD_ORIGINS for origin in origins)


def _complain(socket: Socket, message: str) -> None:
    socket.push(encode({"type": "error", "message": message}))
