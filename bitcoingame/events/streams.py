"""The consumer group's side of the platform's streams: read, acknowledge, take over what dead consumers left."""

import os
import secrets
import socket
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from redis import Redis
from redis.exceptions import ResponseError

from bitcoingame.core import redis
from bitcoingame.events.envelope import Incoming

GROUP: Final = "social"
ANSWER_SECONDS = 5.0
TRIED_ALONE: Final = 1000
"""A delivery count from here on says that a consumer died while it handled the entry by itself."""

# In one step, so that a name is not removed between somebody's reading an entry and its being pending.
_REMOVE_IF_IDLE = """
if #redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', 1, ARGV[2]) == 0 then
    return redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
end
return 0
"""


class Pending(NamedTuple):
    """An entry that was delivered and not acknowledged; `is_gone` when it was trimmed away meanwhile."""

    incoming: Incoming
    deliveries: int
    is_gone: bool


def connect(url: str) -> Redis:
    """A client that waits for its server no longer than ANSWER_SECONDS and never tries again by itself."""
    return redis.connect(url, seconds=ANSWER_SECONDS)


def name_consumer() -> str:
    """A name no other process has, nor will have."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"


class Streams:
    """The streams as one consumer of the group sees them. Raises redis-py's errors; a lost group is made anew."""

    def __init__(self, client: Redis, names: Iterable[str], consumer: str) -> None:
        self.client = client
        self.names = list(names)
        self.consumer = consumer

    def create_groups(self) -> None:
        """From each stream's very beginning: what stood there before the group did is news too."""
        for name in self.names:
            try:
                self.client.xgroup_create(name, GROUP, id="0", mkstream=True)
            except ResponseError as error:
                if not str(error).startswith("BUSYGROUP"):
                    raise

    def read(self, *, count: int, block_seconds: float) -> list[list[Incoming]]:
        """New entries, at most `count` of each stream; each list is one stream's, with nothing between its entries."""
        answer = self._asking(
            lambda: self.client.xreadgroup(
                GROUP, self.consumer, dict.fromkeys(self.names, ">"), count=count, block=int(block_seconds * 1000)
            )
        )
        return [
            [Incoming(stream.decode(), entry.decode(), fields) for entry, fields in entries]
            for stream, entries in sorted(answer, key=lambda part: self.names.index(part[0].decode()))
        ]

    def take_over(self, stream: str, *, idle_seconds: float, count: int) -> list[Incoming]:
        """Makes up to `count` entries ours that were delivered so long ago that their consumer must be dead.

        Answers those among them that were trimmed away meanwhile; they are pending no more.
        """
        _, _, gone = self._asking(
            lambda: self.client.xautoclaim(
                stream, GROUP, self.consumer, int(idle_seconds * 1000), start_id="0-0", count=count
            )
        )
        return [Incoming(stream, entry.decode(), {}) for entry in gone]

    def read_pending(self, stream: str, *, count: int) -> list[Pending]:
        """The oldest entries that are ours and not acknowledged."""
        waiting = self._asking(lambda: self.client.xpending_range(stream, GROUP, "-", "+", count, self.consumer))
        if not waiting:
            return []
        deliveries = {item["message_id"]: item["times_delivered"] for item in waiting}
        answer = self._asking(lambda: self.client.xreadgroup(GROUP, self.consumer, {stream: "0"}, count=count))
        return [
            Pending(Incoming(stream, entry.decode(), fields or {}), deliveries.get(entry, 1), not fields)
            for entry, fields in answer[0][1]
        ]

    def set_deliveries(self, incoming: Incoming, deliveries: int) -> None:
        """Leaves word for whoever comes after us about an entry that may end us."""
        self.client.xclaim(
            incoming.stream, GROUP, self.consumer, 0, [incoming.entry], retrycount=deliveries, justid=True
        )

    def acknowledge(self, batch: Sequence[Incoming]) -> None:
        if batch:
            self.client.xack(batch[0].stream, GROUP, *(incoming.entry for incoming in batch))

    def remove_consumers(self, *, idle_seconds: float) -> None:
        """Removes the names of consumers that are long silent and hold nothing."""
        for stream in self.names:
            for consumer in self.client.xinfo_consumers(stream, GROUP):
                if consumer["idle"] > idle_seconds * 1000 and consumer["name"].decode() != self.consumer:
                    self._remove(stream, consumer["name"])

    def leave(self) -> None:
        """Removes our own name where we hold nothing."""
        for stream in self.names:
            self._remove(stream, self.consumer)

    def _remove(self, stream: str, consumer: str | bytes) -> None:
        self.client.eval(_REMOVE_IF_IDLE, 1, stream, GROUP, consumer)

    def _asking(self, ask: Any) -> Any:
        try:
            return ask()
        except ResponseError as error:
            if not str(error).startswith("NOGROUP"):
                raise
        self.create_groups()
        return ask()
