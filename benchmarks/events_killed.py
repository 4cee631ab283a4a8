"""Kills the consumer five times in a minute of 1,000 simulated shares a second, and compares counters with a recount.

    python -m benchmarks.events_killed [--seconds 60] [--rate 1000] [--kills 5]

Starts a durable PostgreSQL and a Valkey of its own. The recount reads the stream itself, so it relies on Valkey and
this script only. Ends with exit code 1 if anything was lost or counted twice.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter

from redis import Redis

from benchmarks.servers import own_servers
from bitcoingame.local.defaults import CHECKOUT, LOCAL

HOME = LOCAL / "benchmark-killed"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rate", type=float, default=1000)
    parser.add_argument("--kills", type=int, default=5)
    arguments = parser.parse_args()

    with own_servers(HOME):
        is_right = run(arguments)
    sys.exit(0 if is_right else 1)


def run(arguments: argparse.Namespace) -> bool:
    from profiles.models import User

    User.objects.bulk_create(User(btc_address=f"bc1qkilled{number:0>32}") for number in range(50))
    chance = random.Random()
    kills = sorted(chance.uniform(2, arguments.seconds) for _ in range(arguments.kills))
    producer = start("simulate_mining", "--rate", str(arguments.rate))
    consumer = start("consume_events")
    started = time.monotonic()
    for kill in kills:
        time.sleep(max(0, started + kill - time.monotonic()))
        consumer.kill()
        consumer.wait()
        print(f"killed after {time.monotonic() - started:.1f} s", flush=True)
        consumer = start("consume_events")
    time.sleep(max(0, started + arguments.seconds - time.monotonic()))
    end(producer)
    wait_until_drained()
    end(consumer)
    return recount()


def start(*command: str) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "manage.py", *command], cwd=CHECKOUT)


def end(process: subprocess.Popen) -> None:
    process.send_signal(signal.SIGTERM)
    process.wait()


def wait_until_drained() -> None:
    from bitcoingame.events.status import consumer_status

    while any(stream["lag"] or stream["pending"] for stream in consumer_status()["streams"].values()):
        time.sleep(0.1)


def count_games(client: Redis) -> int:
    """How many games were played. The same game of the same user within one second is one."""
    import orjson

    played = set()
    for _, fields in client.xrange("platform:events"):
        if fields[b"event"] == b"game_played":
            data = orjson.loads(fields[b"data"])
            played.add((data["user"], data["game_type"], int(float(fields[b"ts"]))))
    return len(played)


def recount() -> bool:
    """Compares the tables with the streams."""
    import orjson
    from django.db.models import Sum

    from bitcoingame.events.streams import connect
    from bitcoingame.models import SetAsideEvent
    from profiles.models import DailyShares, GameState
    from social.models import UserActivity

    client = connect(os.environ["REDIS_URL"])
    shares = [orjson.loads(fields[b"data"]) for _, fields in client.xrange("mining:share_submitted")]
    per_user = Counter(share["user"] for share in shares if share["accepted"])
    states = dict(GameState.objects.filter(total_shares__gt=0).values_list("user__btc_address", "total_shares"))
    notable = sum(share["accepted"] and share["sdiff"] >= 100 * share["diff"] for share in shares)
    games = count_games(client)
    checks = {
        "shares of each miner": states == per_user,
        "shares of all days": DailyShares.objects.aggregate(total=Sum("shares"))["total"] == sum(per_user.values()),
        "notable shares": UserActivity.objects.filter(activity_type="share_submitted").count() == notable,
        "games": UserActivity.objects.filter(activity_type="game_played").count() == games,
        "nothing set aside": not SetAsideEvent.objects.exists(),
    }
    print(f"{len(shares):,} shares, {sum(per_user.values()):,} accepted, {notable:,} notable, {games:,} games")
    for name, is_right in checks.items():
        print(f"{'equal' if is_right else 'WRONG'}: {name}")
    return all(checks.values())


if __name__ == "__main__":
    main()
