"""The consumer process handles each entry once, even if consumers, Redis or connections die."""

import random
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from threading import Thread

import pytest
from django.db import OperationalError, connection, connections

from bitcoingame.events import consumer as module
from bitcoingame.events.catalogue import STREAMS
from bitcoingame.events.consumer import DEADLY, GONE, Consumer
from bitcoingame.events.status import consumer_status
from bitcoingame.events.streams import GROUP, TRIED_ALONE, Streams
from bitcoingame.models import HandledEntries, SetAsideEvent
from bitcoingame.tests.platform import entry, happen, is_drained, redis_client, send, share, wait_until
from conftest import make_user
from profiles.models import DailyShares, GameState, Worker

SHARES = "mining:share_submitted"

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def redis(valkey):
    valkey.empty()
    client = redis_client()
    yield client
    client.close()


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(module, "BLOCK_SECONDS", 0.02)
    monkeypatch.setattr(module, "MAX_PAUSE_SECONDS", 0.1)


@contextmanager
def running(*consumers):
    threads = [Thread(target=_run, args=[consumer]) for consumer in consumers]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for consumer in consumers:
            consumer.stop()
        for thread in threads:
            thread.join(30)
            assert not thread.is_alive()


def _run(consumer):
    try:
        consumer.run()
    finally:
        connections.close_all()


def drain(redis, *streams, **options):
    with running(Consumer(**options)):
        wait_until(lambda: all(is_drained(redis, stream) for stream in streams or [SHARES]))


def total_shares():
    return sum(GameState.objects.values_list("total_shares", flat=True))


def consumers_of(redis, stream=SHARES):
    return [row["name"].decode() for row in redis.xinfo_consumers(stream, GROUP)]


def test_a_consumer_reads_every_stream_and_leaves_nothing_behind(redis, alice):
    ours = {"user": alice.btc_address, "worker": "bitaxe-1"}
    data = {
        "mining:block_found": {"height": 1, "hash": "00"},
        "mining:hashrate_update": {"hashrate_1h": "1T"},
        "mining:share_best_diff": {"new_best": 5, "timeframe": "alltime"},
        "mining:share_submitted": {"diff": 1, "sdiff": 5},
    }
    for stream in STREAMS:
        event = "game_played" if stream == "platform:events" else None
        send(redis, entry(stream, event, **ours, game_type="dice", **data.get(stream, {})))
    drain(redis, *STREAMS)
    state = GameState.objects.get(user=alice)
    assert (state.total_shares, state.blocks_found, state.best_difficulty) == (1, 1, 5)
    assert (Worker.objects.get().hashrate_1h, Worker.objects.get().is_online) == (1e12, True)
    assert not SetAsideEvent.objects.exists()
    assert consumers_of(redis) == []


def test_what_stood_in_a_stream_before_the_first_consumer_counts_too(redis, alice):
    for _ in range(3):
        send(redis, share(alice))
    drain(redis)
    assert total_shares() == 3


def test_a_batch_is_one_record_however_many_entries_it_has(redis, alice):
    for _ in range(500):
        send(redis, share(alice))
    drain(redis)
    assert total_shares() == 500
    assert HandledEntries.objects.count() == 1


def test_what_a_dead_consumer_left_is_taken_over_and_counts_once(redis, alice):
    entries = [send(redis, share(alice)) for _ in range(6)]
    dead = Streams(redis, STREAMS, "dead")
    dead.create_groups()
    (batch,) = dead.read(count=4, block_seconds=0.01)
    happen(*batch[:2])  # committed; the consumer died before it acknowledged them
    drain(redis, take_over_seconds=0)
    assert len(entries) == total_shares() == 6


def test_a_dead_consumers_name_goes_when_it_holds_nothing(redis, alice, monkeypatch):
    send(redis, share(alice))
    dead = Streams(redis, STREAMS, "dead")
    dead.create_groups()
    dead.read(count=1, block_seconds=0.01)
    survivor = Streams(redis, STREAMS, "survivor")
    survivor.remove_consumers(idle_seconds=-1)
    assert consumers_of(redis) == ["dead"]
    monkeypatch.setattr(module, "REMOVE_SECONDS", -1)
    monkeypatch.setattr(module, "TIDY_SECONDS", 0)
    with running(Consumer(take_over_seconds=0)):
        wait_until(lambda: total_shares() == 1 and "dead" not in consumers_of(redis))


def test_two_consumers_side_by_side_count_everything_once(redis):
    users = [make_user() for _ in range(20)]
    with running(Consumer(take_over_seconds=0.01), Consumer(take_over_seconds=0.01)):
        for number in range(2000):
            send(redis, share(users[number % 20]))
        wait_until(lambda: is_drained(redis, SHARES))
    assert list(GameState.objects.values_list("total_shares", flat=True)) == [100] * 20
    assert sum(DailyShares.objects.values_list("shares", flat=True)) == 2000


def test_two_consumers_that_hold_the_same_entries_count_them_once(redis, at_once):
    users = [make_user() for _ in range(50)]
    batch = [share(user) for user in users]

    def happen_at_last():
        """As a consumer does: PostgreSQL may end one of several that wait for each other, and that one calls again."""
        for _ in range(10):
            with suppress(OperationalError):
                return happen(*batch)
        raise AssertionError("PostgreSQL refused ten times")

    results = at_once([happen_at_last] * 4)
    assert sorted(sum(outcome.status == "accepted" for outcome in outcomes) for outcomes in results) == [0, 0, 0, 50]
    assert total_shares() == 50


def test_a_stream_that_is_deleted_comes_back_with_the_next_entry(redis, alice):
    with running(Consumer()):
        send(redis, share(alice))
        wait_until(lambda: total_shares() == 1)
        redis.delete(SHARES)
        send(redis, share(alice))
        wait_until(lambda: total_shares() == 2 and is_drained(redis, SHARES))


def test_a_group_that_is_destroyed_is_made_anew_and_nothing_counts_twice(redis, alice):
    with running(Consumer()):
        send(redis, share(alice))
        wait_until(lambda: is_drained(redis, SHARES))
        redis.xgroup_destroy(SHARES, GROUP)
        send(redis, share(alice))
        wait_until(lambda: total_shares() == 2 and is_drained(redis, SHARES))
    assert total_shares() == 2


def test_the_consumer_lives_through_a_killed_redis(redis, valkey, alice):
    with running(Consumer()):
        send(redis, share(alice))
        wait_until(lambda: total_shares() == 1)
        for round_ in range(2, 4):
            valkey.kill()
            valkey.start()
            send(redis, share(alice))
            wait_until(lambda expected=round_: total_shares() == expected)
    assert not SetAsideEvent.objects.exists()


def test_the_consumer_lives_through_a_hanging_redis(redis, valkey, alice, monkeypatch):
    monkeypatch.setattr("bitcoingame.events.streams.ANSWER_SECONDS", 0.3)
    consumer = Consumer()
    with running(consumer):
        send(redis, share(alice))
        wait_until(lambda: total_shares() == 1)
        valkey.freeze()
        wait_until(lambda: consumer._is_after_fault)
        valkey.thaw()
        send(redis, share(alice))
        wait_until(lambda: total_shares() == 2 and is_drained(redis, SHARES))


def test_the_consumer_lives_through_lost_database_connections_and_sets_nothing_aside(redis, alice):
    with running(Consumer()):
        for number in range(1, 6):
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            send(redis, share(alice))
            wait_until(lambda expected=number: total_shares() == expected)
    assert not SetAsideEvent.objects.exists()


def test_a_missing_table_is_no_events_fault(redis, alice):
    def rename(before, after):
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE {before} RENAME TO {after}")

    consumer = Consumer()
    rename("daily_shares", "daily_shares_away")
    try:
        with running(consumer):
            wait_until(lambda: not consumer._is_after_fault)
            send(redis, share(alice))
            wait_until(lambda: consumer._is_after_fault)
            assert redis.xpending(SHARES, GROUP)["pending"] == 1
            rename("daily_shares_away", "daily_shares")
            wait_until(lambda: is_drained(redis, SHARES))
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE IF EXISTS daily_shares_away RENAME TO daily_shares")
    assert total_shares() == 1
    assert not SetAsideEvent.objects.exists()


def test_an_entry_trimmed_before_it_was_handled_is_set_aside(redis, alice):
    send(redis, share(alice))
    dead = Streams(redis, STREAMS, "dead")
    dead.create_groups()
    dead.read(count=1, block_seconds=0.01)
    redis.xtrim(SHARES, maxlen=0, approximate=False)
    with running(Consumer(take_over_seconds=0)):
        wait_until(lambda: SetAsideEvent.objects.exists() and is_drained(redis, SHARES))
    assert SetAsideEvent.objects.get().reason == GONE


def test_an_entry_that_ends_its_consumers_is_tried_alone_and_set_aside_at_last(redis, alice):
    send(redis, share(alice, worker="innocent"))
    send(redis, share(alice, worker="deadly"))
    dead = Streams(redis, STREAMS, "dead")
    dead.create_groups()
    dead.read(count=2, block_seconds=0.01)
    innocent, deadly = (pending.incoming for pending in dead.read_pending(SHARES, count=2))
    dead.set_deliveries(innocent, 11)
    dead.set_deliveries(deadly, TRIED_ALONE + 4)
    drain(redis, take_over_seconds=0)
    assert list(Worker.objects.values_list("name", flat=True)) == ["innocent"]
    aside = SetAsideEvent.objects.get()
    assert (aside.stream, aside.entry, aside.reason) == (SHARES, deadly.entry, DEADLY)


def test_status_tells_how_far_behind_the_consumers_are_and_what_they_did(redis, alice, monkeypatch):
    monkeypatch.setattr("bitcoingame.events.status.HEARTBEAT_SECONDS", 0)
    assert consumer_status() == {"streams": {key: {"lag": 0, "pending": 0} for key in STREAMS}, "consumers": {}}
    Streams(redis, STREAMS, "nobody").create_groups()
    send(redis, share(alice))
    assert consumer_status()["streams"][SHARES] == {"lag": 1, "pending": 0}
    consumer = Consumer()
    with running(consumer):
        wait_until(lambda: consumer_status()["consumers"].get(consumer.name, {}).get("handled") == 1)
    assert consumer_status()["streams"][SHARES] == {"lag": 0, "pending": 0}
    assert consumer_status()["consumers"] == {}


def _consume_until_killed():
    Consumer(take_over_seconds=0.1).run()


@contextmanager
def consumer_process():
    """A consumer in a process of its own, killed (SIGKILL) at the end."""
    connection.close()  # otherwise both processes would use one connection
    process = get_context("fork").Process(target=_consume_until_killed)
    process.start()
    try:
        yield
    finally:
        process.kill()
        process.join(10)


def test_killed_at_random_every_share_counts_once(redis, monkeypatch):
    monkeypatch.setattr(module, "BATCH", 50)
    users = [make_user() for _ in range(10)]
    chance = random.Random(4)
    sent = 0
    for _ in range(5):
        goal = total_shares() + chance.randint(1, 500)
        for _ in range(600):
            send(redis, share(users[sent % 10], worker=f"w{sent % 3}"))
            sent += 1
        with consumer_process():
            wait_until(lambda goal=goal: total_shares() >= goal)
    with consumer_process():
        wait_until(lambda: is_drained(redis, SHARES))
    assert total_shares() == redis.xlen(SHARES) == sent
    assert sum(DailyShares.objects.values_list("shares", flat=True)) == sent
    assert not SetAsideEvent.objects.exists()
