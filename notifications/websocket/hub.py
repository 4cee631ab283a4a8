"""All WebSockets of this process, and how each gets every notification once, in order and soon (spec section 4).

Redis says at once what is new (redis_feed); the tables say what is true (tables). A notification with the next seq of a
socket is sent straight away. With any other seq its user becomes a laggard, and the hub reads from the tables what
laggards lack. Once a second one query finds the users whose messages were lost, and the users who may not be connected
any more.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from itertools import islice
from typing import Any
from weakref import WeakKeyDictionary

import orjson

from notifications.frames import NotificationRow, change_frame, notification_event
from notifications.realtime import USER_CHANNEL
from notifications.websocket.close_codes import CloseCode
from notifications.websocket.control import ControlFeed, Message
from notifications.websocket.redis_feed import RedisFeed
from notifications.websocket.sockets import CHANNELS, Send, Socket, Write, encode
from notifications.websocket.tables import Missing, Served, Snapshot, Tables

logger = logging.getLogger(__name__)

MAX_SOCKETS_PER_USER = 5
MAX_MESSAGE_BYTES = 64 * 1024
CHECK_SECONDS = 1.0
SEND_SECONDS = 5.0
STALLED_SECONDS = 10.0
CONFIRM_SECONDS = 0.3
# Sockets that connect within this time share a query.
GATHER_SECONDS = 0.01
USERS_PER_SNAPSHOT_QUERY = 500
USERS_PER_READ = 100
# What one frame names at most, of the newest. The clean-up deletes rows that expired long ago.
MAX_EXPIRED_IDS = 1000
# Stands for the sum of the expired ids if the user's sockets do not know the same. No sum is negative.
UNEQUAL = -1


class TooManySockets(Exception):
    """The user has MAX_SOCKETS_PER_USER open sockets already."""


class ConnectedUser:
    """A user with sockets. `newest` is the highest seq we heard of. It may be wrong: the table decides."""

    __slots__ = ("channel", "id", "newest", "sockets")

    def __init__(self, user_id: int) -> None:
        self.id = user_id
        self.channel = f"{USER_CHANNEL}{user_id}".encode()
        self.newest = 0
        self.sockets: list[Socket] = []


class Hub:
    """One for each event loop. A part of it that fails is started again."""

    def __init__(self) -> None:
        self._users: dict[bytes, ConnectedUser] = {}
        self._tables = Tables()
        self._feed = RedisFeed(self._on_message, self._on_connected)
        self._control = ControlFeed({"session.ended": self._session_ended})
        self._snapshots: list[tuple[int, asyncio.Future[Snapshot | None]]] = []
        self._laggards: dict[ConnectedUser, None] = {}
        self._check_now = asyncio.Event()
        self._snapshots_wanted = asyncio.Event()
        self._laggards_wanted = asyncio.Event()
        self._parts: list[asyncio.Task[None]] = []
        self._checked_at = time.monotonic()
        self._counts = {"restarts": 0, "dropped_messages": 0, "table_reads": 0, "closed_slow": 0, "failed_checks": 0}

    async def start(self) -> None:
        await self._tables.open()
        listening = (self._feed.run, self._control.run)
        reading = (self._check_for_ever, self._take_snapshots_for_ever, self._catch_up_for_ever)
        self._parts = [
            asyncio.create_task(self._keep_running(part), name=part.__qualname__) for part in (*listening, *reading)
        ]

    async def stop(self) -> None:
        """Closes every socket so that its client comes back later, and ends."""
        for socket in self._all_sockets():
            socket.close(CloseCode.TRY_LATER)
        for part in self._parts:
            part.cancel()
        closing = [socket.closing for socket in self._all_sockets() if socket.closing]
        await asyncio.gather(*self._parts, *closing, return_exceptions=True)
        await self._tables.close()

    def status(self) -> dict[str, float]:
        """Numbers for probes and metrics, from any thread. `ready` is whether the check of every second still runs."""
        age = time.monotonic() - self._checked_at
        return {
            "ready": age < STALLED_SECONDS,
            "sockets": sum(len(user.sockets) for user in list(self._users.values())),
            "users": len(self._users),
            "redis_connected": self._feed.is_connected,
            "redis_connections": self._feed.connections,
            "messages": self._feed.received,
            "faults": self._feed.faults + self._control.faults,
            "seconds_since_check": round(age, 3),
            **self._counts,
        }

    # Joining and leaving

    async def join(self, *, user_id: int, send: Send, write: Write | None, expires_at: float) -> Socket:
        """A new socket. It counts among the user's five, and gets no notification before `go_live`.

        `expires_at` is in seconds since 1970. Raises TooManySockets.
        """
        channel = f"{USER_CHANNEL}{user_id}".encode()
        user = self._users.get(channel)
        if user is None:
            user = self._users[channel] = ConnectedUser(user_id)
            confirmed = self._feed.subscribe(channel)
        elif sum(not socket.is_closing for socket in user.sockets) >= MAX_SOCKETS_PER_USER:
            raise TooManySockets
        else:
            confirmed = None
        socket = Socket(user=user, send=send, write=write, expires_at=expires_at)
        user.sockets.append(socket)
        if confirmed is not None:
            await asyncio.wait([confirmed], timeout=CONFIRM_SECONDS)
        return socket

    def leave(self, socket: Socket) -> None:
        """Forgets a socket whose connection is gone. A second call changes nothing."""
        socket.discard()
        user = socket.user
        with suppress(ValueError):
            user.sockets.remove(socket)
        if not user.sockets and self._users.get(user.channel) is user:
            del self._users[user.channel]
            self._laggards.pop(user, None)
            self._feed.unsubscribe(user.channel)

    async def read_snapshot(self, user_id: int) -> Snapshot | None:
        """The user's state as of now, or None if there is no such user. Reads many at once. Raises as Tables does."""
        future: asyncio.Future[Snapshot | None] = asyncio.get_running_loop().create_future()
        self._snapshots.append((user_id, future))
        self._snapshots_wanted.set()
        return await future

    def welcome(self, socket: Socket, snapshot: Snapshot) -> None:
        """Says hello. From now on the socket gets what is published for its user, but for notifications."""
        socket.push(encode({"type": "hello", "seq": snapshot.last_seq, "unread": snapshot.unread}))
        socket.is_welcome = True
        socket.expired = frozenset(snapshot.expired)

    def go_live(self, socket: Socket, since: int) -> None:
        """From now on the socket gets every notification whose seq is above `since`, in order."""
        socket.seq = since
        socket.on_room = self._catch_up_later
        self._catch_up_later(socket)

    # What Redis says

    def _on_connected(self) -> None:
        self._check_now.set()

    def _on_message(self, channel: bytes, message: bytes) -> None:
        envelope = _parse(message)
        if envelope is None:
            self._counts["dropped_messages"] += 1
        elif user := self._users.get(channel):
            self._pass_on(user, envelope)

    def _pass_on(self, user: ConnectedUser, envelope: dict[str, Any]) -> None:
        event, data = envelope["event"], envelope["data"]
        channel = envelope.get("channel", "notifications")
        seq = data.get("seq") if event == "notification" and isinstance(data, dict) else None
        if type(seq) is int:
            self._pass_on_notification(user, seq, _frame(event, data))
            return
        change = change_frame(event, data) if channel == "notifications" else None
        frame = encode(change or {"channel": channel, "event": event, "data": data})
        for socket in list(user.sockets):
            if socket.is_welcome and (channel == "notifications" or channel in socket.channels):
                socket.push(frame)

    def _pass_on_notification(self, user: ConnectedUser, seq: int, frame: bytes) -> None:
        user.newest = max(user.newest, seq)
        for socket in list(user.sockets):
            if socket.seq is None or socket.seq >= seq:
                continue
            if socket.seq == seq - 1 and socket.has_room:
                socket.push(frame)
                socket.seq = seq
            else:
                self._catch_up_later(socket)

    def _session_ended(self, message: Message) -> None:
        user = self._users.get(f"{USER_CHANNEL}{message['user_id']}".encode())
        self._close_all(user, CloseCode.SIGN_IN_AGAIN)

    def _close_all(self, user: ConnectedUser | None, code: CloseCode) -> None:
        if user is None:
            return
        for socket in list(user.sockets):
            socket.close(code)

    # What the tables say

    def _catch_up_later(self, socket: Socket) -> None:
        """Schedules a read of what this socket lacks, if it has room for it."""
        if socket.seq is not None and socket.seq < socket.user.newest and socket.has_room and not socket.is_closing:
            self._laggards[socket.user] = None
            self._laggards_wanted.set()

    async def _catch_up_for_ever(self) -> None:
        while True:
            await self._laggards_wanted.wait()
            self._laggards_wanted.clear()
            while self._laggards:
                users = list(islice(self._laggards, USERS_PER_READ))
                for user in users:
                    del self._laggards[user]
                await self._catch_up(users)

    async def _catch_up(self, users: list[ConnectedUser]) -> None:
        lowest = {user.id: _lowest_seq(user) for user in users}
        since = {user_id: seq for user_id, seq in lowest.items() if seq is not None}
        if not since:
            return
        try:
            missing = await self._tables.read_missing(since)
        except Exception as error:
            # The next check finds these users again.
            logger.warning("PostgreSQL did not answer a read: %s", error)
            return
        self._counts["table_reads"] += len(since)
        for user in users:
            if user.id in missing:
                self._deliver(user, since[user.id], missing[user.id])

    def _deliver(self, user: ConnectedUser, since: int, missing: Missing) -> None:
        rows = [(row["seq"], encode(_notification_frame(row))) for row in missing.rows]
        if missing.is_complete:
            user.newest = max(missing.last_seq, *(socket.seq or 0 for socket in user.sockets), 0)
        for socket in list(user.sockets):
            if socket.seq is not None and socket.seq >= since:
                self._deliver_to(socket, rows, missing)

    def _deliver_to(self, socket: Socket, rows: list[tuple[int, bytes]], missing: Missing) -> None:
        for seq, frame in rows:
            if socket.seq is None or seq <= socket.seq:
                continue
            if not socket.has_room:
                return
            socket.push(frame)
            socket.seq = seq
        if missing.is_complete and socket.seq is not None:
            socket.seq = max(socket.seq, missing.last_seq)
        self._catch_up_later(socket)

    async def _take_snapshots_for_ever(self) -> None:
        while True:
            await self._snapshots_wanted.wait()
            self._snapshots_wanted.clear()
            await asyncio.sleep(GATHER_SECONDS)
            while self._snapshots:
                batch = self._snapshots[:USERS_PER_SNAPSHOT_QUERY]
                del self._snapshots[:USERS_PER_SNAPSHOT_QUERY]
                await self._answer_snapshots(batch)

    async def _answer_snapshots(self, batch: list[tuple[int, asyncio.Future[Snapshot | None]]]) -> None:
        try:
            found = await self._tables.read_snapshots([user_id for user_id, _ in batch])
        except Exception as error:
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            return
        for user_id, future in batch:
            if not future.done():
                future.set_result(found.get(user_id))

    async def _check_for_ever(self) -> None:
        while True:
            started_at = time.monotonic()
            self._check_now.clear()
            self._close_overdue()
            try:
                await self._check()
            except Exception as error:
                self._counts["failed_checks"] += 1
                logger.warning("PostgreSQL did not answer the check: %s", error)
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.1, CHECK_SECONDS - (time.monotonic() - started_at))):
                    await self._check_now.wait()

    async def _check(self) -> None:
        served = [one for one in map(_served, self._users.values()) if one is not None]
        changed = await self._tables.find_changed(served) if served else []
        self._checked_at = time.monotonic()
        asked = {one.user_id: one.highest for one in served}
        for user_id, is_active, last_seq, unread, expired in changed:
            user = self._users.get(f"{USER_CHANNEL}{user_id}".encode())
            if user is None:
                continue
            if not is_active:
                self._close_all(user, CloseCode.SIGN_IN_AGAIN)
            elif last_seq < asked[user_id]:
                self._start_over(user, last_seq, unread)
            if expired is not None:
                _tell_expired(user, frozenset(expired), last_seq, unread)
            user.newest = max(user.newest, last_seq)
            for socket in user.sockets:
                self._catch_up_later(socket)

    def _start_over(self, user: ConnectedUser, last_seq: int, unread: int | None) -> None:
        """The table holds less than was sent: the database was restored, or somebody published a seq nobody stored."""
        user.newest = last_seq
        for socket in user.sockets:
            if socket.seq is not None and socket.seq > last_seq:
                socket.push(encode({"type": "reset", "seq": last_seq, "unread": unread}))
                socket.seq = last_seq

    def _close_overdue(self) -> None:
        now, monotonic = time.time(), time.monotonic()
        for socket in self._all_sockets():
            if socket.expires_at <= now:
                socket.close(CloseCode.SIGN_IN_AGAIN)
            elif socket.sending_since and monotonic - socket.sending_since > SEND_SECONDS:
                self._counts["closed_slow"] += 1
                socket.close(CloseCode.TOO_SLOW)

    def _all_sockets(self) -> list[Socket]:
        return [socket for user in self._users.values() for socket in user.sockets]

    async def _keep_running(self, part: Callable[[], Coroutine[Any, Any, None]]) -> None:
        while True:
            try:
                await part()
            except Exception:
                self._counts["restarts"] += 1
                logger.exception("%s failed and is started again", part.__qualname__)
            await asyncio.sleep(random.uniform(0.1, 0.5))  # noqa: S311


def _parse(message: bytes) -> dict[str, Any] | None:
    """The envelope {"event", "data"}, or None if the message is none."""
    if len(message) > MAX_MESSAGE_BYTES:
        return None
    try:
        envelope = orjson.loads(message)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(envelope, dict) or not isinstance(envelope.get("event"), str) or "data" not in envelope:
        return None
    channel = envelope.get("channel", "notifications")
    return envelope if isinstance(channel, str) and channel in CHANNELS else None


def _notification_frame(row: NotificationRow) -> dict[str, Any]:
    return {"channel": "notifications", **notification_event(row)}


def _frame(event: str, data: Any) -> bytes:
    return encode({"channel": "notifications", "event": event, "data": data})


def _served(user: ConnectedUser) -> Served | None:
    """None if no socket of the user is live."""
    seqs = [socket.seq for socket in user.sockets if socket.seq is not None and not socket.is_closing]
    if not seqs:
        return None
    expired = {sum(socket.expired) for socket in user.sockets if socket.seq is not None and not socket.is_closing}
    return Served(user.id, min(seqs), max(seqs), expired.pop() if len(expired) == 1 else UNEQUAL)


def _tell_expired(user: ConnectedUser, expired: frozenset[int], last_seq: int, unread: int | None) -> None:
    """Tells the user's sockets what has expired since they were last told, and how many are unread now.

    A socket that still lacks notifications is left to the next check: clients add those they get to the number.
    """
    for socket in list(user.sockets):
        if socket.is_welcome and socket.seq == last_seq:
            new = sorted(expired - socket.expired)[-MAX_EXPIRED_IDS:]
            socket.expired = expired
            if new:
                socket.push(encode({"type": "expired", "ids": [str(id_) for id_ in new], "unread": unread}))


def _lowest_seq(user: ConnectedUser) -> int | None:
    """The seq to read from, or None if there is nothing to read now. Full sockets wait until they have room."""
    return min((socket.seq for socket in user.sockets if socket.seq is not None and socket.has_room), default=None)


_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Task[Hub]] = WeakKeyDictionary()


async def running_hub() -> Hub:
    """This event loop's hub. The first caller starts it."""
    loop = asyncio.get_running_loop()
    if loop not in _hubs:
        _hubs[loop] = loop.create_task(_start())
    return await _hubs[loop]


async def stop_hub() -> None:
    """Stops this event loop's hub, if there is one."""
    if hub := _hubs.pop(asyncio.get_running_loop(), None):
        await (await hub).stop()


def hub_statuses() -> list[dict[str, float]]:
    """The status of each hub of this process: none if it serves no WebSocket, usually one."""
    return [starting.result().status() for starting in list(_hubs.values()) if starting.done()]


async def _start() -> Hub:
    hub = Hub()
    await hub.start()
    return hub
