"""Sends every event of a simulated minute of mining three times, and compares the counters with a recount.

    python -m benchmarks.events_thrice [--shares 60000] [--consumers 2] [--seed 1]

Starts a durable PostgreSQL and a Valkey of its own. The copies differ in their entries' ids and event ids; half have no
event id, some come by POST, and some blocks lack their hash. The recount is made from the facts before they are sent.
Ends with exit code 1 if anything was lost or counted twice.
"""

import argparse
import os
import random
import subprocess
import sys
import time
from collections import Counter

from benchmarks.servers import own_servers
from bitcoingame.local.defaults import CHECKOUT, LOCAL

HOME = LOCAL / "benchmark-thrice"
MINERS = 200


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shares", type=int, default=60_000)
    parser.add_argument("--consumers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()

    with own_servers(HOME):
        is_right = run(arguments)
    sys.exit(0 if is_right else 1)


def run(arguments: argparse.Namespace) -> bool:
    from bitcoingame.local.simulator import make_pool
    from bitcoingame.tests.thrice import expected_counts, more_blocks, simulate_minute, tell_thrice

    make_miners()
    more_blocks()
    events = simulate_minute(make_pool(seed=arguments.seed), shares=arguments.shares, start=time.time() - 120)
    expected = expected_counts(events)
    arriving = tell_thrice(events, random.Random(arguments.seed))
    consumers = [start_consumer() for _ in range(arguments.consumers)]
    try:
        outcomes = send(arriving)
        wait_until_drained()
    finally:
        for consumer in consumers:
            consumer.terminate()
            consumer.wait()
    print(f"{len(events):,} events told as {len(arriving):,}, {sum(outcomes.values()):,} of them by POST")
    return compare(expected)


def make_miners() -> None:
    from profiles.models import User
    from social.models import Cooperative, UserActivity
    from social.services import create_cooperative, join_cooperative

    User.objects.bulk_create(User(btc_address=f"bc1qthrice{number:0>32}") for number in range(MINERS))
    users = list(User.objects.order_by("id"))
    for start in range(0, MINERS // 2, 10):
        cooperative = create_cooperative(user=users[start], name=f"Crew {start}", motto=None)
        for user in users[start + 1 : start + 10]:
            join_cooperative(user=user, invite_code=cooperative.invite_code)
    UserActivity.objects.all().delete()
    print(f"{MINERS} miners, half of them in {Cooperative.objects.count()} cooperatives")


def start_consumer() -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "manage.py", "consume_events"], cwd=CHECKOUT)


def send(arriving: list) -> Counter[str]:
    """Writes the entries and posts the posted ones, in their order; returns what became of the posted ones."""
    from bitcoingame.events.envelope import POSTED
    from bitcoingame.events.streams import connect

    client = connect(os.environ["REDIS_URL"])
    outcomes: Counter[str] = Counter()
    for start in range(0, len(arriving), 2000):
        part = arriving[start : start + 2000]
        with client.pipeline(transaction=False) as pipeline:
            for incoming in part:
                if incoming.stream != POSTED:
                    pipeline.xadd(incoming.stream, dict(incoming.fields))
            pipeline.execute()
        posted = [incoming for incoming in part if incoming.stream == POSTED]
        outcomes.update(outcome.status for outcome in post(posted))
    return outcomes


def post(events: list) -> list:
    """Posts them, and once more as long as the answer is 503, as a service does."""
    from bitcoingame.events.intake import TRANSIENT, take_in

    while True:
        try:
            return take_in(events)
        except TRANSIENT as error:
            print(f"posted again: {str(error).partition(chr(10))[0]}")


def wait_until_drained() -> None:
    from bitcoingame.events.status import consumer_status

    while any(stream["lag"] or stream["pending"] for stream in consumer_status()["streams"].values()):
        time.sleep(0.1)


def compare(expected: dict[str, int]) -> bool:
    from bitcoingame.models import SetAsideEvent
    from bitcoingame.tests.thrice import stored_counts

    stored = stored_counts()
    for name, count in expected.items():
        print(f"{'equal' if stored[name] == count else 'WRONG'}: {name}: recount {count:,}, stored {stored[name]:,}")
    aside = SetAsideEvent.objects.count()
    print(f"{'equal' if not aside else 'WRONG'}: set aside: {aside}")
    return stored == expected and not aside


if __name__ == "__main__":
    main()
