"""Reads the platform's streams as one consumer of a group: new entries, and entries that dead consumers left."""

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
"""A delivery count of this or more means that a consumer died while it handled the entry by itself."""

# One step, because an entry read between the question and the removal would be lost with its consumer.
_REMOVE_IF_IDLE = """
if #redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', 1, ARGV[2]) == 0 then
    return redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
end
return 0
"""


class Pending(NamedTuple):
    """An entry that was delivered and not acknowledged. `is_gone`: it has been trimmed from its stream since."""

    incoming: Incoming
    deliveries: int
    is_gone: bool


def connect(url: str) -> Redis:
    """A client that waits at most ANSWER_SECONDS for an answer and never retries. The consumer makes no other kind."""
    return redis.connect(url, seconds=ANSWER_SECONDS)


def name_consumer() -> str:
    """A name that no other process has or will have."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"


class Streams:
    """The streams as one consumer of the group sees them. Methods raise redis-py's errors.

    If Redis has lost the group, the methods that read make it again.
    """

    def __init__(self, client: Redis, names: Iterable[str], consumer: str) -> None:
        self.client = client
        self.names = list(names)
        self.consumer = consumer

    def create_groups(self) -> None:
        """Creates the group on each stream, from its beginning: entries older than the group are new to us as well."""
        for name in self.names:
            try:
                self.client.xgroup_create(name, GROUP, id="0", mkstream=True)
            except ResponseError as error:
                if not str(error).startswith("BUSYGROUP"):
                    raise

    def read(self, *, count: int, block_seconds: float) -> list[list[Incoming]]:
        """New entries, one list for each stream that has some, in the order of `names`; at most `count` of a stream.

        A list has no gaps: its entries follow each other in the stream. Waits up to block_seconds if there are none.
        """
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
        """Makes up to `count` entries ours that were delivered at least idle_seconds ago: their consumer must be dead.

        Returns those that have been trimmed from the stream since, without fields. They are no longer pending.
        """
        _, _, gone = self._asking(
            lambda: self.client.xautoclaim(
                stream, GROUP, self.consumer, int(idle_seconds * 1000), start_id="0-0", count=count
            )
        )
        return [Incoming(stream, entry.decode(), {}) for entry in gone]

    def read_pending(self, stream: str, *, count: int) -> list[Pending]:
        """The oldest entries that are ours and not acknowledged, at most `count`."""
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
        """Writes the delivery count of an entry that may kill this process, so that the next consumer sees it."""
        self.client.xclaim(
            incoming.stream, GROUP, self.consumer, 0, [incoming.entry], retrycount=deliveries, justid=True
        )

    def acknowledge(self, batch: Sequence[Incoming]) -> None:
        """Acknowledges entries, all of one stream."""
        if batch:
            self.client.xack(batch[0].stream, GROUP, *(incoming.entry for incoming in batch))

    def remove_consumers(self, *, idle_seconds: float) -> None:
        """Removes the names of consumers that have been silent for idle_seconds and hold no entry."""
        for stream in self.names:
            for consumer in self.client.xinfo_consumers(stream, GROUP):
                if consumer["idle"] > idle_seconds * 1000 and consumer["name"].decode() != self.consumer:
                    self._remove(stream, consumer["name"])

    def leave(self) -> None:
        """Removes our own name from each stream of which we hold no entry."""
        for stream in self.names:
            self._remove(stream, self.consumer)

    def _remove(self, stream: str, consumer: str | bytes) -> None:
        self.client.eval(_REMOVE_IF_IDLE, 1, stream, GROUP, consumer)

    def _asking(self, ask: Any) -> Any:
        """The answer of `ask`. If the group is lost, makes it again and asks once more."""
        try:
            return ask()
        except ResponseError as error:
            if not str(error).startswith("NOGROUP"):
                raise
        self.create_groups()
        return ask()
