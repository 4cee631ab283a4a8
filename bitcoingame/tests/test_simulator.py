"""The simulator behaves like a small pool, and the consumer can handle everything it writes."""

from collections import Counter
from threading import Event, Thread

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connections

from bitcoingame.events.catalogue import EVENTS, STREAMS
from bitcoingame.events.consumer import Consumer
from bitcoingame.local import simulator
from bitcoingame.local.simulator import make_pool, simulate
from bitcoingame.models import SetAsideEvent
from bitcoingame.tests.platform import is_drained, redis_client, wait_until
from conftest import make_user
from profiles.models import DailyShares, GameState

pytestmark = pytest.mark.django_db


def test_difficulties_have_the_real_distribution(alice):
    pool = make_pool(seed=1)
    ratios = []
    for miner in pool.miners:
        miner.assigned = 1000
    while len(ratios) < 20_000:
        ratios += [data["sdiff"] / 1000 for _, event, data in pool.share() if event == "share_submitted"]
    assert min(ratios) >= 1
    for times, expected in ((2, 0.5), (10, 0.1), (100, 0.01)):
        assert sum(ratio >= times for ratio in ratios) / len(ratios) == pytest.approx(expected, rel=0.15)


def test_everything_that_may_happen_in_a_pool_happens(alice, bob):
    pool = make_pool(seed=2)
    seen = Counter(event for _ in range(60_000) for _, event, _ in pool.share())
    assert seen.keys() <= EVENTS.keys()
    assert {"block_found", "badge_earned", "level_up", "miner_disconnected", "hashrate_update"} <= seen.keys()
    assert seen["share_submitted"] == 60_000
    assert seen["miner_connected"] - seen["miner_disconnected"] in range(len(pool.miners) + 1)


def test_a_seed_repeats_a_run(alice):
    first, second = ([list(make_pool(seed=3).share()) for _ in range(5)] for _ in range(2))
    assert first == second


@pytest.mark.django_db(transaction=True)
def test_what_it_writes_is_handled_to_the_last_entry(valkey, monkeypatch):
    valkey.empty()
    for _ in range(3):
        make_user()
    monkeypatch.setattr(simulator, "TICK_SECONDS", 0.01)
    monkeypatch.setattr("bitcoingame.events.consumer.BLOCK_SECONDS", 0.02)
    stopping, redis, consumer = Event(), redis_client(), Consumer()

    def simulate_until_stopped():
        simulate(url=settings.REDIS_URL, rate=5000, stopping=stopping, seed=4)
        connections.close_all()

    def consume_until_stopped():
        consumer.run()
        connections.close_all()

    threads = [Thread(target=simulate_until_stopped), Thread(target=consume_until_stopped)]
    for thread in threads:
        thread.start()
    try:
        wait_until(lambda: redis.xlen("mining:share_submitted") > 2000)
        stopping.set()
        threads[0].join(10)
        wait_until(lambda: all(is_drained(redis, stream) for stream in STREAMS))
    finally:
        stopping.set()
        consumer.stop()
        for thread in threads:
            thread.join(10)
    accepted = sum(b'"accepted":true' in fields[b"data"] for _, fields in redis.xrange("mining:share_submitted"))
    assert sum(DailyShares.objects.values_list("shares", flat=True)) == accepted
    assert sum(GameState.objects.values_list("total_shares", flat=True)) == accepted
    assert not SetAsideEvent.objects.exists()
    redis.close()


@pytest.mark.parametrize("rate", ["0", "-1", "20001", "nan"])
def test_a_rate_out_of_range_is_refused(rate):
    with pytest.raises(CommandError, match="rate must be"):
        call_command("simulate_mining", "--rate", rate)


def test_it_stays_out_of_production(settings):
    settings.DEVELOPMENT = False
    with pytest.raises(CommandError, match="development only"):
        call_command("simulate_mining")
