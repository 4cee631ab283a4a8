"""How many share events one consumer process takes in a second, from Valkey into PostgreSQL.

    python -m benchmarks.events [--shares 200000] [--workers 10000] [--runs 5] [--profile FILE]

Starts a durable PostgreSQL (fsync and synchronous_commit on) and a Valkey of its own, fills the stream as the pool does
(JSON in `data`, each worker its own miner, difficulties from the real distribution), then starts one consumer and waits
until nothing is left. Every run ends with a recount: the tables must hold what was sent. On a busy machine the
consumer's processor time says more than the clock.
"""

import argparse
import cProfile
import gc
import os
import random
import statistics
import time
from threading import Thread

from benchmarks.servers import own_servers
from bitcoingame.local.defaults import LOCAL

HOME = LOCAL / "benchmark"
STREAM = "mining:share_submitted"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shares", type=int, default=200_000)
    parser.add_argument("--workers", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--profile", help="write the last run's profile here")
    arguments = parser.parse_args()

    with own_servers(HOME, log_level="WARNING"):
        measure(arguments)


def measure(arguments: argparse.Namespace) -> None:
    gc.freeze()
    gc.set_threshold(100_000, 20, 100)  # as the command does
    addresses = make_miners(arguments.workers)
    rates, costs = [], []
    for run in range(1, arguments.runs + 1):
        fill(addresses, arguments.shares)
        profile = cProfile.Profile() if arguments.profile and run == arguments.runs else None
        processor = time.process_time()
        seconds = drain(profile)
        costs.append((time.process_time() - processor) / arguments.shares * 1e6)
        recount(arguments.shares * run)
        rates.append(arguments.shares / seconds)
        print(f"run {run}: {rates[-1]:,.0f} shares/s, {costs[-1]:.0f} µs of processor time each", flush=True)
        if profile:
            profile.dump_stats(arguments.profile)
    print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    print(f"median {statistics.median(rates):,.0f} shares/s, from {min(rates):,.0f} to {max(rates):,.0f}")


def make_miners(count: int) -> list[str]:
    from profiles.models import User

    addresses = [f"bc1qbenchmark{number:0>29}" for number in range(count)]
    User.objects.bulk_create((User(btc_address=address) for address in addresses), batch_size=5000)
    return addresses


def fill(addresses: list[str], shares: int) -> None:
    """Writes the shares, equally many of every worker, in random order."""
    import orjson

    from bitcoingame.events.streams import connect

    client = connect(os.environ["REDIS_URL"])
    client.delete(STREAM)
    chance = random.Random(1)
    order = [addresses[number % len(addresses)] for number in range(shares)]
    chance.shuffle(order)
    for start in range(0, shares, 2000):
        with client.pipeline(transaction=False) as pipeline:
            for address in order[start : start + 2000]:
                data = {
                    "user": address,
                    "worker": f"{address}.bitaxe-1",
                    "diff": 1024,
                    "sdiff": 1024 / (1 - chance.random()),
                    "accepted": True,
                }
                fields = {"event": "share_submitted", "ts": time.time(), "source": "pool", "data": orjson.dumps(data)}
                pipeline.xadd(STREAM, fields)
            pipeline.execute()


def drain(profile: cProfile.Profile | None) -> float:
    """Seconds from the consumer's start to the last acknowledgement."""
    from bitcoingame.events.consumer import Consumer
    from bitcoingame.events.streams import GROUP, connect

    client = connect(os.environ["REDIS_URL"])
    consumer = Consumer()

    def watch() -> None:
        while True:
            groups = client.xinfo_groups(STREAM)
            if groups and groups[0]["name"] == GROUP.encode() and groups[0]["lag"] == groups[0]["pending"] == 0:
                break
            time.sleep(0.02)
        ended.append(time.perf_counter())
        consumer.stop()

    ended: list[float] = []
    watcher = Thread(target=watch)
    started = time.perf_counter()
    watcher.start()
    if profile:
        profile.runcall(consumer.run)
    else:
        consumer.run()
    watcher.join()
    return ended[0] - started


def recount(expected: int) -> None:
    from django.db.models import Sum

    from bitcoingame.models import SetAsideEvent
    from profiles.models import DailyShares, GameState

    assert DailyShares.objects.aggregate(total=Sum("shares"))["total"] == expected
    assert GameState.objects.aggregate(total=Sum("total_shares"))["total"] == expected
    assert not SetAsideEvent.objects.exists()


if __name__ == "__main__":
    main()
