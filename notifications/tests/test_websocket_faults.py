"""Under faults, each tab receives what was committed, once and in order."""

import asyncio
import random
import socket
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from django.db import connection, transaction
from psycopg_pool import PoolTimeout
from websockets.exceptions import ConnectionClosed

from notifications.models import Notification, NotificationCounter
from notifications.services import create_notification
from notifications.tests.people import tell
from notifications.tests.sockets import Client, enter, serve, url_for
from notifications.websocket.redis_feed import pause_after
from notifications.websocket.tables import Tables

pytestmark = pytest.mark.django_db(transaction=True)

END_CONNECTIONS = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'websocket'
"""


class Writers:
    """Threads that notify everybody in transactions of random length until `stop`."""

    def __init__(self, users, number):
        self.user_ids = [user.pk for user in users]
        self.stopped = threading.Event()
        self.committed_at = {}
        self.pool = ThreadPoolExecutor(number)
        self.running = [self.pool.submit(self.write, random.Random(seed)) for seed in range(number)]

    def write(self, dice):
        number = 0
        try:
            while not self.stopped.is_set():
                number += 1
                cause = f"{threading.get_ident()} {number}"
                recipients = dice.sample(self.user_ids, dice.randint(1, len(self.user_ids)))
                with transaction.atomic():
                    create_notification(kind="worker_online", recipients=recipients, cause=cause, worker="bitaxe-1")
                    self.stopped.wait(dice.random() * 0.02)
                self.committed_at[cause] = time.monotonic()
                self.stopped.wait(dice.random() * 0.05)
        finally:
            connection.close()

    def stop(self):
        self.stopped.set()
        for writer in self.running:
            writer.result()
        self.pool.shutdown()


class Tab(threading.Thread):
    """A dashboard that loses its connection at random and resumes after the last seq it saw."""

    def __init__(self, servers, user, seed):
        super().__init__()
        self.servers, self.user, self.dice = servers, user, random.Random(seed)
        self.seqs, self.came_at, self.hellos = [], [], 0
        self.last = threading.Event()
        self.wanted = None
        self.start()

    def run(self):
        while not self.has_everything():
            with suppress(ConnectionClosed), Client(self.url()) as tab:
                self.hellos += tab.read()["type"] == "hello"
                self.here_since = time.monotonic()
                leaves_at = time.monotonic() + self.dice.random()
                while time.monotonic() < leaves_at and not self.has_everything():
                    with suppress(TimeoutError):
                        self.take(tab.read(0.05))

    def url(self):
        return url_for(self.dice.choice(self.servers), self.user, since=self.seqs[-1] if self.seqs else 0)

    def take(self, frame):
        assert frame["event"] == "notification", frame
        self.seqs.append(frame["data"]["seq"])
        self.came_at.append((time.monotonic(), self.here_since))

    def has_everything(self):
        return self.wanted is not None and len(self.seqs) >= self.wanted


@pytest.mark.parametrize("fault", ["killed", "hanging"])
def test_committed_is_received_once_and_in_order_while_redis_is(fault, valkey, alice, bob, record_property):
    users = [alice, bob]
    with serve() as one, serve() as other:
        tabs = [Tab([one, other], user, seed) for seed, user in enumerate(users * 2)]
        writers = Writers(users, 3)
        pause = threading.Event()
        pause.wait(1)
        valkey.kill() if fault == "killed" else valkey.freeze()
        pause.wait(2.5)
        valkey.start() if fault == "killed" else valkey.thaw()
        pause.wait(1)
        writers.stop()
        for tab in tabs:
            tab.wanted = NotificationCounter.objects.get(user=tab.user).last_seq
        for tab in tabs:
            tab.join(20)
    for tab in tabs:
        assert tab.wanted > 50
        assert tab.seqs == list(range(1, tab.wanted + 1))
        assert tab.hellos > 3
    longest = max(longest_wait(tab, writers.committed_at) for tab in tabs)
    record_property("longest_seconds_from_commit_to_frame", longest)
    frames = sum(len(tab.seqs) for tab in tabs)
    sys.stdout.write(f"Redis {fault}: {frames} frames, the slowest {longest:.2f} s after its commit\n")


def longest_wait(tab, committed_at):
    """The longest time, in seconds, from the commit or the hello, whichever was later, to the frame."""
    causes = Notification.objects.filter(user=tab.user).order_by("seq").values_list("cause", flat=True)
    return max(at - max(committed_at[cause], here) for (at, here), cause in zip(tab.came_at, causes, strict=True))


def test_eight_writers_with_random_delays_lose_nothing_on_a_reader_by_seq(alice, bob, monkeypatch):
    """Nothing is published, so the tabs learn everything from the table."""
    monkeypatch.setattr("notifications.realtime._publish", lambda messages: None)
    with serve() as server, enter(server, alice, since=0) as tab:
        writers = Writers([alice, bob], 8)
        seqs = tab.read_seqs(200)
        writers.stop()
        last = NotificationCounter.objects.get(user=alice).last_seq
        seqs += tab.read_seqs(last - 200)
        assert seqs == list(range(1, last + 1))
        assert tab.is_quiet()


def test_a_process_that_starts_without_redis_serves_from_the_table_and_finds_it_later(valkey, alice):
    valkey.kill()
    with serve() as server, enter(server, alice, since=0) as tab:
        tell(alice, cause="1")
        assert tab.read_seqs(1) == [1]
        valkey.start()
        tell(alice, cause="2")
        assert tab.read_seqs(1) == [2]


def test_the_pause_between_attempts_is_short_however_long_redis_is_away():
    assert all(0 < pause_after(failures) <= 1 for failures in (1, 2, 3, 4, 5_000))


def test_postgresql_may_end_every_connection(alice):
    with serve() as server, enter(server, alice, since=0) as tab:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'websocket'"
            )
            assert cursor.fetchone()[0] >= 1
        tell(alice, cause="1")
        assert tab.read_seqs(1) == [1]
        with enter(server, alice, since=0) as second:
            assert second.read_seqs(1) == [1]


def test_the_table_is_asked_again_as_soon_as_postgresql_is_back(alice, monkeypatch):
    """Without a limit the pool would pause for longer and longer, here for 60 s."""
    monkeypatch.setattr("psycopg_pool.base.AttemptWithBackoff.INITIAL_DELAY", 60)
    asyncio.run(ask_while_postgresql_is_away_and_back(alice, monkeypatch))


async def ask_while_postgresql_is_away_and_back(user, monkeypatch):
    here = {key: connection.settings_dict[key] for key in ("HOST", "PORT")}
    with socket.create_server(("127.0.0.1", 0)) as unused:
        nowhere = {"HOST": "127.0.0.1", "PORT": unused.getsockname()[1]}
    with monkeypatch.context() as away:
        for key, value in nowhere.items():
            away.setitem(connection.settings_dict, key, value)
        tables = Tables()
    await tables.open()
    with pytest.raises(PoolTimeout):
        await tables.read_snapshots([user.pk])
    tables._pool.kwargs |= {key.lower(): value for key, value in here.items()}
    with suppress(PoolTimeout):
        await tables.read_snapshots([user.pk])
    assert (await tables.read_snapshots([user.pk]))[user.pk].is_active
    await tables.close()
