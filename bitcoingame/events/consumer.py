"""The consumer process: it reads the platform's streams and relays our own events. Several processes share the work."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from threading import Event
from typing import TypeVar

from django.conf import settings
from django.db import close_old_connections
from redis.exceptions import RedisError

from bitcoingame.events import status
from bitcoingame.events.catalogue import STREAMS
from bitcoingame.events.envelope import Incoming
from bitcoingame.events.intake import (
    TRANSIENT,
    Item,
    Outcome,
    first_line,
    read_items,
    set_aside,
    take_in,
    take_in_items,
)
from bitcoingame.events.relay import relay_outgoing
from bitcoingame.events.streams import TRIED_ALONE, Pending, Streams, connect, name_consumer

logger = logging.getLogger(__name__)

T = TypeVar("T")

BATCH = 5_000
BLOCK_SECONDS = 1.0
"""How long a read waits for new entries. A stop, or an outgoing event, may wait as long."""
TAKE_OVER_SECONDS = 10.0
"""Entries that were delivered this long ago and not acknowledged are taken over. If their consumer is only slow, they
still count once."""
REMOVE_SECONDS = 600.0
TIDY_SECONDS = 60.0
FIRST_PAUSE_SECONDS = 0.05
MAX_PAUSE_SECONDS = 5.0
DELIVERIES_TOGETHER = 10
"""An entry that was delivered more often than this may be what kills its consumers. It is handled by itself."""
DELIVERIES_ALONE = TRIED_ALONE + 4

GONE = "It was trimmed from its stream before it was handled."
DEADLY = "Consumers ended without a word while they handled it."
HANDLED = ("accepted", "ignored", "duplicate", "set_aside")


class Stopped(Exception):
    """The consumer was asked to stop while it waited for a server to come back."""


class Consumer:
    """One consumer of the group. `run` returns after `stop` was called; a signal handler may call it."""

    def __init__(self, *, take_over_seconds: float = TAKE_OVER_SECONDS) -> None:
        self.name = name_consumer()
        self.client = connect(settings.REDIS_URL)
        self.streams = Streams(self.client, STREAMS, self.name)
        self.take_over_seconds = take_over_seconds
        self.counts: Counter[str] = Counter()
        self.started_at = self.last_success_at = time.time()
        self._stopping = Event()
        self._is_after_fault = True
        self._reader = ThreadPoolExecutor(1)
        self._ahead: Future[list[list[Item]]] | None = None
        self._due: dict[str, float] = {}
        self._last_beat = (self.started_at, 0)

    def stop(self) -> None:
        self._stopping.set()

    def run(self) -> None:
        """Works until it is stopped. While Redis or PostgreSQL is away it waits and tries again."""
        pause = FIRST_PAUSE_SECONDS
        while self._ahead or not self._stopping.is_set():
            try:
                close_old_connections()
                self._work()
                pause = FIRST_PAUSE_SECONDS
            except Stopped:
                break
            except (RedisError, OSError, *TRANSIENT) as error:
                logger.warning("starting again in %.2g s: %s", pause, first_line(error))
                pause = self._start_again(pause)
            except Exception:
                logger.exception("starting again in %.2g s", pause)
                pause = self._start_again(pause)
        self._leave()

    def _work(self) -> None:
        """One round. Raises RedisError, OSError or one of TRANSIENT while a server is away."""
        if self._is_after_fault:
            self.streams.create_groups()
        if not self._ahead and (self._is_after_fault or self._is_time_for("take over")):
            self._take_over()
            self._is_after_fault = False
            self._due["take over"] = time.monotonic() + self.take_over_seconds / 2
        self._handle_news()
        if self._is_due("relay", BLOCK_SECONDS):
            self.counts["relayed"] += relay_outgoing(self.client)
        if self._is_due("beat", status.HEARTBEAT_SECONDS):
            self._beat()
        if self._is_due("tidy", TIDY_SECONDS):
            self.streams.remove_consumers(idle_seconds=REMOVE_SECONDS)

    def _handle_news(self) -> None:
        """Handles new entries. A thread reads the next ones while PostgreSQL works on these.

        Nothing is read ahead if a take-over is next: it would find those entries pending and handle them as well.
        """
        batches = self._ahead.result() if self._ahead else self._read()
        goes_on = batches and not self._stopping.is_set() and not self._is_time_for("take over")
        self._ahead = self._reader.submit(self._read) if goes_on else None
        for items in batches:
            self._handle(items, is_run=True)
            self.streams.acknowledge([item.incoming for item in items])

    def _read(self) -> list[list[Item]]:
        return [read_items(batch) for batch in self.streams.read(count=BATCH, block_seconds=BLOCK_SECONDS)]

    def _take_over(self) -> None:
        """Handles entries that dead consumers left, and our own if Redis' answer with them never reached us."""
        for stream in STREAMS:
            has_more = True
            while has_more:
                for gone in self.streams.take_over(stream, idle_seconds=self.take_over_seconds, count=BATCH):
                    self._set_aside(gone, reason=GONE)
                pending = self.streams.read_pending(stream, count=BATCH)
                self._handle_pending(pending)
                self.streams.acknowledge([entry.incoming for entry in pending])
                has_more = bool(pending)

    def _handle_pending(self, pending: Sequence[Pending]) -> None:
        together = []
        for entry in pending:
            if entry.is_gone:
                self._set_aside(entry.incoming, reason=GONE)
            elif entry.deliveries >= DELIVERIES_ALONE:
                self._set_aside(entry.incoming, reason=DEADLY)
            elif entry.deliveries > DELIVERIES_TOGETHER:
                self._handle_alone(entry)
            else:
                together.append(entry.incoming)
        self._handle(read_items(together), is_run=False)

    def _handle_alone(self, entry: Pending) -> None:
        # If this process dies while it handles the entry, the high count is what the next consumer finds.
        def handle() -> list[Outcome]:
            self.streams.set_deliveries(entry.incoming, max(TRIED_ALONE, entry.deliveries + 1))
            try:
                return take_in([entry.incoming])
            except TRANSIENT:
                self.streams.set_deliveries(entry.incoming, DELIVERIES_TOGETHER)
                raise

        self._count(self._with_database(handle))

    def _handle(self, items: list[Item], *, is_run: bool) -> None:
        self._count(self._with_database(lambda: take_in_items(items, is_run=is_run)))

    def _set_aside(self, incoming: Incoming, *, reason: str) -> None:
        self._with_database(lambda: set_aside(incoming, reason=reason))

    def _count(self, outcomes: Sequence[Outcome]) -> None:
        self.counts.update(outcome.status for outcome in outcomes)
        self.last_success_at = time.time()

    def _with_database(self, work: Callable[[], T]) -> T:
        """The result of `work`, tried until PostgreSQL is back. Raises Stopped.

        The events are kept in memory and not read again, because Redis would count that as another delivery.
        """
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                return work()
            except TRANSIENT as error:
                logger.warning("PostgreSQL cannot be used, trying again in %.2g s: %s", pause, first_line(error))
            pause = self._rest(pause)
            if self._stopping.is_set():
                raise Stopped
            close_old_connections()

    def _start_again(self, pause: float) -> float:
        """Drops what was read ahead, which stays pending and is read again. Waits; returns the next pause."""
        if self._ahead:
            wait([self._ahead])
            self._ahead = None
        return self._rest(pause)

    def _rest(self, pause: float) -> float:
        """Waits `pause` seconds; returns how many to wait the next time."""
        self._is_after_fault = True
        self._stopping.wait(pause)
        return min(pause * 2, MAX_PAUSE_SECONDS)

    def _is_time_for(self, what: str) -> bool:
        return self._due.get(what, 0) <= time.monotonic()

    def _is_due(self, what: str, seconds: float) -> bool:
        """Whether it is time for this; if so, the next time is `seconds` from now."""
        is_due = self._is_time_for(what)
        if is_due:
            self._due[what] = time.monotonic() + seconds
        return is_due

    def _beat(self) -> None:
        now, handled = time.time(), sum(self.counts[name] for name in HANDLED)
        before, handled_before = self._last_beat
        self._last_beat = now, handled
        status.beat(
            self.client,
            self.name,
            {
                "at": now,
                "started_at": self.started_at,
                "last_success_at": self.last_success_at,
                "handled": handled,
                "set_aside": self.counts["set_aside"],
                "duplicates": self.counts["duplicate"],
                "relayed": self.counts["relayed"],
                "events_per_second": round((handled - handled_before) / max(now - before, 0.001), 1),
            },
        )

    def _leave(self) -> None:
        """Removes our name from the streams of which we hold no entry. Entries we hold stay pending for the others."""
        try:
            self.streams.leave()
            status.say_goodbye(self.client, self.name)
        except (RedisError, OSError) as error:
            logger.info("left without saying so: %s", error)
        self._reader.shutdown()
        self.client.close()
