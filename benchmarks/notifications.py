"""How fast notifications are created: for the 20 members of a cooperative, and for everyone when a block is found.

    .venv/bin/python -m benchmarks.notifications [--users 100000] [--events 2000] [--runs 3]

Starts embedded PostgreSQL and Valkey of its own under .local, with the settings they have everywhere else, and
throws them away afterwards. One process with one connection writes every row and pushes it. The rate of notifying
everyone is compared with a bare INSERT … SELECT of the same rows into the same table with the same indexes, in one
statement without counters, preferences, causes or pushes; the two alternate. "Per core" divides by the processor time
of this process and its PostgreSQL backend, which says more than the clock on a machine that does other things too.
"""

import argparse
import os
import statistics
import time

import psutil
from btclib.b32 import address_from_witness

from bitcoingame.local import defaults
from bitcoingame.local.servers import SERVERS, remove_home

HOME = defaults.LOCAL / "benchmarks-notifications"
SEATS = 20

ENVIRONMENT = {
    "ENVIRONMENT": "development",
    "DJANGO_SETTINGS_MODULE": "bitcoingame.settings",
    "DATABASE_URL": defaults.database_url(HOME),
    "REDIS_URL": defaults.redis_url(HOME),
}

BARE = """
INSERT INTO notifications (user_id, seq, type, subtype, title, description, action_url, action_label, metadata, cause)
SELECT id, %(run)s + 1000000, 'social', 'block_found', 'Block Found!', 'A miner found block #900123.', '/mining/blocks',
       'View blocks', '{"height": 900123}', 'bare:' || %(run)s
FROM users
"""


def seed(users: int) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        for start in range(0, users, 10_000):
            addresses = [
                address_from_witness(0, n.to_bytes(20, "little")) for n in range(start, min(start + 10_000, users))
            ]
            cursor.execute("INSERT INTO users (btc_address) SELECT unnest(%s::text[])", [addresses])
        cursor.execute("UPDATE notification_preferences SET coop_activity = true, block_found_any = true")
        cursor.execute("VACUUM ANALYZE")


class Stopwatch:
    """Measures a `with` block: seconds by the clock, and processor seconds of this process and its backend."""

    def __enter__(self) -> "Stopwatch":
        from django.db import connection

        connection.ensure_connection()
        self.processes = [psutil.Process(), psutil.Process(connection.connection.info.backend_pid)]
        self.began, self.used = time.perf_counter(), self._processor()
        return self

    def __exit__(self, *_: object) -> None:
        self.real, self.used = time.perf_counter() - self.began, self._processor() - self.used

    def _processor(self) -> float:
        return sum(sum(process.cpu_times()[:2]) for process in self.processes)

    def rates(self, count: int) -> tuple[float, float]:
        """How many of `count` per second, and per second of one core."""
        return count / self.real, count / self.used


def measure_events(events: int, run: int) -> tuple[float, float]:
    """The rates of events. Each is for the 20 members of another cooperative, in a transaction of its own."""
    from django.db import transaction

    from notifications.services import create_notification
    from profiles.models import User

    ids = list(User.objects.order_by("pk").values_list("pk", flat=True)[: SEATS * 500])
    teams = [ids[start : start + SEATS] for start in range(0, len(ids), SEATS)]
    with Stopwatch() as watch:
        for number in range(events):
            with transaction.atomic():
                told = create_notification(
                    kind="coop_activity",
                    variant="rank",
                    recipients=teams[number % len(teams)],
                    cause=f"events:{run}:{number}",
                    cooperative="Hash Pirates",
                    rank=10,
                )
            assert told == SEATS
    return watch.rates(events)


def measure_everyone(users: int, run: int) -> tuple[tuple[float, float], list[int]]:
    """The rates of rows, and this process's memory in MiB at the beginning and after each tenth of the users."""
    from django.db import transaction

    from notifications.jobs import BROADCAST_BATCH
    from notifications.models import Broadcast
    from notifications.services import announce_to_everyone, deliver_batch

    with transaction.atomic():
        announce_to_everyone(kind="block_found", variant="anonymous", cause=f"everyone:{run}", height=900123)
    broadcast_id = Broadcast.objects.latest("pk").pk
    process = psutil.Process()
    memory = [process.memory_info().rss]
    every = max(1, users // BROADCAST_BATCH // 10)
    batches = 0
    with Stopwatch() as watch:
        while deliver_batch(broadcast_id, batch_size=BROADCAST_BATCH):
            batches += 1
            if batches % every == 0:
                memory.append(process.memory_info().rss)
    assert Broadcast.objects.get(pk=broadcast_id).notified == users
    return watch.rates(users), [size >> 20 for size in memory]


def measure_bare(users: int, run: int) -> tuple[float, float]:
    """The rates of the bare insert. Deleting its rows again is not measured."""
    from django.db import connection

    with connection.cursor() as cursor:
        with Stopwatch() as watch:
            cursor.execute(BARE, {"run": run})
        cursor.execute("DELETE FROM notifications WHERE seq > 1000000")
        cursor.execute("VACUUM notifications")
    return watch.rates(users)


def report(name: str, unit: str, rates: list[tuple[float, float]], *, times: int = 1) -> None:
    clock, core = ([times * rate for rate in column] for column in zip(*rates, strict=True))
    print(
        f"{name:32} {statistics.median(clock):8,.0f} {unit} ({min(clock):,.0f} to {max(clock):,.0f}), "
        f"per core {statistics.median(core):,.0f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--events", type=int, default=2_000)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()

    os.environ.update(ENVIRONMENT)
    servers = [server(HOME, keeps_data=False) for server in SERVERS.values()]
    try:
        for server in servers:
            server.start()
        import django

        django.setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        seed(options.users)
        measure_events(200, -1)
        events, bare, everyone = [], [], []
        for run in range(options.runs):
            events.append(measure_events(options.events, run))
            bare.append(measure_bare(options.users, run))
            rates, memory = measure_everyone(options.users, run)
            everyone.append(rates)
        report("events into a cooperative of 20", "events/s", events)
        report("  that is", "notifications/s", events, times=SEATS)
        report(f"everyone, {options.users:,} opted in", "rows/s", everyone)
        report("  bare INSERT ... SELECT", "rows/s", bare)
        print(f"memory of the worker, MiB, start to end: {memory}")
    finally:
        for server in reversed(servers):
            server.stop()
        remove_home(HOME)


if __name__ == "__main__":
    main()
