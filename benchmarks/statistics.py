"""How long a run of the cooperatives' statistics takes, with all, a tenth and none of the members changed.

    .venv/bin/python -m benchmarks.statistics [--cooperatives 5000] [--runs 3]

Starts an embedded PostgreSQL of its own under .local, with the settings it has everywhere else, and throws it away
afterwards. Cooperatives of 20, a machine and four days of shares for each member. Three ways, alternating:

    ours    update_cooperative_stats
    bare    one UPDATE … FROM for all members and one for all cooperatives, ranks included, writing only what differs:
            no batches, no locks in order, no weeks, no hourly samples, no milestones
    loop    a query for each member and cooperative through the ORM; measured on 50 cooperatives and multiplied

Each is measured by the clock, and in processor seconds of this process and its database session, which a busy machine
disturbs less. Then requests are timed, through all of Django but without a socket, with and without a run beside them.
"""

import argparse
import os
import random
import resource
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, NamedTuple

import psutil

from bitcoingame.local import defaults
from bitcoingame.local.servers import SERVERS, remove_home

HOME = defaults.LOCAL / "benchmarks-statistics"
SEATS = 20
LOOPED = 50
CHANGED = ("all", "a tenth", "none")
REQUEST_SECONDS = 15

# Between these two times the values of all members change, because the day does. Machines and shares stay the same.
NOON = (datetime(2026, 6, 3, 12, tzinfo=UTC), datetime(2026, 6, 4, 12, tzinfo=UTC))

ENVIRONMENT = {
    "ENVIRONMENT": "development",
    "DJANGO_SETTINGS_MODULE": "bitcoingame.settings",
    "DATABASE_URL": defaults.database_url(HOME),
    "REDIS_URL": defaults.redis_url(HOME),
}

SEED = (
    "SET LOCAL session_replication_role = replica",
    """INSERT INTO users (id, btc_address) SELECT n, 'bench' || n FROM generate_series(1, %(members)s) n""",
    """INSERT INTO cooperatives (id, name, invite_code, owner_user_id, member_count)
       SELECT n, 'Cooperative ' || n, lpad(upper(to_hex(n)), 8, '0'), (n - 1) * %(seats)s + 1, %(seats)s
       FROM generate_series(1, %(cooperatives)s) n""",
    """INSERT INTO cooperative_members (cooperative_id, user_id, role, joined_at)
       SELECT (n - 1) / %(seats)s + 1, n, CASE WHEN n %% %(seats)s = 1 THEN 'admin' ELSE 'member' END, '2026-01-01'
       FROM generate_series(1, %(members)s) n""",
    """INSERT INTO workers (user_id, name, is_online, hashrate_1h)
       SELECT n, 'bitaxe-1', true, random() * 1e12 FROM generate_series(1, %(members)s) n""",
    """INSERT INTO daily_shares (user_id, day, shares, best_difficulty)
       SELECT n, DATE '2026-06-01' + day, 1 + random() * 5000, random() * 1e9
       FROM generate_series(0, 3) day, generate_series(1, %(members)s) n""",
)

BARE = (
    """
    UPDATE cooperative_members member
    SET hashrate = fresh.hashrate, is_online = fresh.is_online, shares_today = fresh.today
    FROM (
        SELECT member.id, coalesce(rig.hashrate, 0) AS hashrate, coalesce(rig.is_online, false) AS is_online,
               coalesce(shares.today, 0) AS today
        FROM cooperative_members member
        LEFT JOIN (SELECT user_id, sum(hashrate_1h) AS hashrate, bool_or(is_online) AS is_online
                   FROM workers GROUP BY user_id) rig USING (user_id)
        LEFT JOIN (SELECT user_id, shares AS today FROM daily_shares WHERE day = %(today)s) shares USING (user_id)
    ) fresh
    WHERE fresh.id = member.id AND (member.hashrate, member.is_online, member.shares_today)
          IS DISTINCT FROM (fresh.hashrate, fresh.is_online, fresh.today)
    """,
    """
    UPDATE cooperatives cooperative
    SET combined_hashrate = fresh.hashrate, total_shares_week = fresh.shares,
        best_combined_diff = greatest(cooperative.best_combined_diff, fresh.best), weekly_rank = fresh.rank
    FROM (
        SELECT cooperative_id, sum(hashrate) AS hashrate, sum(shares.week)::bigint AS shares, sum(shares.best) AS best,
               row_number() OVER (ORDER BY sum(shares.week) DESC, sum(hashrate) DESC, cooperative_id) AS rank
        FROM cooperative_members member
        LEFT JOIN (SELECT user_id, sum(shares) AS week, max(best_difficulty) AS best FROM daily_shares
                   WHERE day BETWEEN %(week)s AND %(today)s GROUP BY user_id) shares USING (user_id)
        GROUP BY cooperative_id
    ) fresh
    WHERE fresh.cooperative_id = cooperative.id
      AND (combined_hashrate, total_shares_week, best_combined_diff, weekly_rank) IS DISTINCT FROM
          (fresh.hashrate, fresh.shares, greatest(cooperative.best_combined_diff, fresh.best), fresh.rank)
    """,
)

CHANGE_A_TENTH = """
UPDATE workers SET hashrate_1h = hashrate_1h + 1 WHERE (user_id - 1) / %(seats)s %% 10 = 0
"""


def seed(cooperatives: int) -> None:
    from django.db import connection, transaction

    values = {"cooperatives": cooperatives, "members": cooperatives * SEATS, "seats": SEATS}
    with transaction.atomic(), connection.cursor() as cursor:
        for statement in SEED:
            cursor.execute(statement, values)
    tidy("")


def tidy(tables: str) -> None:
    """Vacuums the tables. If runs were five minutes apart, autovacuum would have done it before the next one."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(f"VACUUM (ANALYZE) {tables}")
        cursor.execute("CHECKPOINT")


def run_ours(now: datetime) -> None:
    from social.statistics import update_cooperative_stats

    update_cooperative_stats(now=now, since=now - timedelta(minutes=5))


def run_bare(now: datetime) -> None:
    from django.db import connection, transaction

    with transaction.atomic(), connection.cursor() as cursor:
        for statement in BARE:
            cursor.execute(statement, {"today": now.date(), "week": now.date() - timedelta(days=now.weekday())})


def run_loop(now: datetime, ids: list[int]) -> None:
    """The obvious way: each cooperative, each member, one query after another."""
    from django.db.models import Max, Sum

    from profiles.models import DailyShares, Worker
    from social.models import Cooperative, CooperativeMember

    week = now.date() - timedelta(days=now.weekday())
    for cooperative in Cooperative.objects.filter(pk__in=ids):
        hashrate, shares, best = 0.0, 0, 0.0
        for member in CooperativeMember.objects.filter(cooperative=cooperative):
            workers = list(Worker.objects.filter(user_id=member.user_id))
            days = DailyShares.objects.filter(user_id=member.user_id, day__range=(week, now.date()))
            sums = days.aggregate(shares=Sum("shares", default=0), best=Max("best_difficulty", default=0.0))
            today = days.filter(day=now.date()).first()
            member.hashrate = sum(worker.hashrate_1h for worker in workers)
            member.is_online = any(worker.is_online for worker in workers)
            member.shares_today = today.shares if today else 0
            member.save()
            hashrate, shares, best = hashrate + member.hashrate, shares + sums["shares"], best + sums["best"]
        cooperative.combined_hashrate, cooperative.total_shares_week = hashrate, shares
        cooperative.best_combined_diff = max(best, cooperative.best_combined_diff)
        cooperative.save()


class Cost(NamedTuple):
    seconds: float
    processor: float


def measured(work: Callable[[], None]) -> Cost:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        session = psutil.Process(cursor.fetchone()[0])
    began, busy = time.perf_counter(), processor_seconds(session)
    work()
    return Cost(time.perf_counter() - began, processor_seconds(session) - busy)


def processor_seconds(session: psutil.Process) -> float:
    return time.process_time() + sum(session.cpu_times()[:2])


def compare(cooperatives: int, runs: int) -> dict[str, list[Cost]]:
    """The cost of each run, by the way it was done and by how many members had changed before it."""
    costs: dict[str, list[Cost]] = defaultdict(list)
    days = 1
    for now in NOON:
        run_ours(now)  # now the first run of an hour, a day and a week is over
    for _ in range(runs):
        for name, way in (("ours", run_ours), ("bare", run_bare)):
            days += 1
            now = NOON[days % 2]
            for changed in CHANGED:
                if changed == "a tenth":
                    change_a_tenth()
                tidy("cooperatives, cooperative_members, workers")
                cost = measured(partial(way, now))
                costs[f"{name}, {changed}"].append(cost)
                print(f"  {name}, {changed}: {cost.seconds:.2f} s, {cost.processor:.2f} s of processor", flush=True)
    for _ in range(runs):
        cost = measured(partial(run_loop, NOON[0], list(range(1, LOOPED + 1))))
        costs["loop, all"].append(Cost(*(part * cooperatives / LOOPED for part in cost)))
    return costs


def change_a_tenth() -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(CHANGE_A_TENTH, {"seats": SEATS})


def requests_meanwhile(work: Callable[[], None] | None) -> list[float]:
    """Milliseconds of each request that another process made meanwhile. `work` is repeated; None does nothing."""
    child = subprocess.Popen([sys.executable, "-m", "benchmarks.statistics", "--requests"], stdout=subprocess.PIPE)
    assert child.stdout
    child.stdout.readline()
    while work and child.poll() is None:
        work()
    return [float(line) for line in child.stdout.read().split()]


def make_requests() -> None:
    """Gets and edits cooperatives in turn, with a pause after each. Runs in a process of its own."""
    from rest_framework.test import APIClient

    from social.models import Cooperative

    owners = {
        cooperative.pk: cooperative.owner
        for cooperative in Cooperative.objects.select_related("owner").order_by("?")[:500]
    }
    client = APIClient(HTTP_HOST="localhost")
    took: list[float] = []
    for _ in range(20):
        pk = random.choice(list(owners))
        client.force_authenticate(owners[pk])
        answer_one(client, pk, edits=True)
        answer_one(client, pk, edits=False)
    print("ready", flush=True)
    ends_at = time.monotonic() + REQUEST_SECONDS
    while time.monotonic() < ends_at:
        pk = random.choice(list(owners))
        client.force_authenticate(owners[pk])
        began = time.perf_counter()
        answer_one(client, pk, edits=len(took) % 2 == 0)
        took.append((time.perf_counter() - began) * 1000)
        time.sleep(0.01)
    print("\n".join(map(str, took)))


def answer_one(client: Any, pk: int, *, edits: bool) -> None:
    url = f"/api/v1/cooperatives/{pk}"
    response = client.put(url, {"name": f"Cooperative {pk}"}, format="json") if edits else client.get(url)
    assert response.status_code == 200, response.content


def report(cooperatives: int, costs: dict[str, list[Cost]]) -> None:
    print(f"\n{cooperatives:,} cooperatives of {SEATS}: median (lowest-highest)")
    for name, each in costs.items():
        clock, processor = (spread([cost[part] for cost in each]) for part in (0, 1))
        print(f"  {name:<14} {clock:>32} s, {processor:>32} s of processor")
    for changed in CHANGED:
        ours, bare = (
            [statistics.median(cost[part] for cost in costs[f"{way}, {changed}"]) for part in (0, 1)]
            for way in ("ours", "bare")
        )
        print(f"  ours / bare, {changed}: {ours[0] / bare[0]:.2f}, of processor {ours[1] / bare[1]:.2f}")


def spread(values: list[float]) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f}-{max(values):.2f})"


def report_requests(name: str, milliseconds: list[float]) -> None:
    cuts = statistics.quantiles(milliseconds, n=100)
    print(
        f"  requests {name:<13} p50 {cuts[49]:.1f} ms, p99 {cuts[98]:.1f} ms, worst {max(milliseconds):.0f} ms"
        f" ({len(milliseconds)})"
    )


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cooperatives", type=int, default=5000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--requests", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    os.environ.update(ENVIRONMENT)
    import django

    if options.requests:
        django.setup()
        make_requests()
        return
    remove_home(HOME)  # files that a killed run left
    server = SERVERS["DATABASE_URL"](HOME, keeps_data=True)
    server.start()
    try:
        measure(options.cooperatives, options.runs)
    finally:
        server.stop()
        remove_home(HOME)


def measure(cooperatives: int, runs: int) -> None:
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
    print(f"seeded in {measured(partial(seed, cooperatives)).seconds:.0f} s", flush=True)
    before = peak_mib()
    report(cooperatives, compare(cooperatives, runs))
    print(f"  memory at most: {before:.0f} MiB before the first run, {peak_mib():.0f} MiB after the last")
    days = iter(range(1000))
    report_requests("with no run", requests_meanwhile(None))
    report_requests("during runs", requests_meanwhile(lambda: run_ours(NOON[next(days) % 2])))


if __name__ == "__main__":
    main()
