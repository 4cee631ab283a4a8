"""A worker is killed in the middle of a job: no transaction is half done, and the next run finishes the work."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from datetime import timedelta
from urllib.parse import urlsplit

import django_rq
import pytest
from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone
from rq import SimpleWorker

from bitcoingame import scheduler
from bitcoingame.core.job_runs import due_jobs, job_status
from bitcoingame.core.weeks import utc_day
from bitcoingame.models import JobRun
from bitcoingame.schedule import TIMETABLE
from conftest import make_cooperative, make_user
from notifications.models import Notification
from profiles.models import DailyShares, NotificationPreferences, Worker
from social.models import Cooperative, CooperativeMember, CooperativeWeek, HashrateSample
from social.statistics import update_cooperative_stats

pytestmark = pytest.mark.django_db(transaction=True)

RUN = """
import django, sys
django.setup()
from datetime import datetime
from social import statistics
statistics.BATCH_SIZE = 1
statistics.update_cooperative_stats(now=datetime.fromisoformat(sys.argv[1]))
"""


def start(*arguments):
    """Starts a process of the service on the tests' database."""
    url = urlsplit(os.environ["DATABASE_URL"])._replace(path="/" + connection.settings_dict["NAME"]).geturl()
    return subprocess.Popen(
        [sys.executable, *arguments],
        env={**os.environ, "DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "bitcoingame.settings"},
        cwd=settings.BASE_DIR,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def kill(process):
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def wait_until(is_so, seconds=60):
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)


def somebody_waits():
    """Whether a session waits for a row that this test has locked."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype IN ('transactionid', 'tuple')")
        return cursor.fetchone() != (0,)


def nobody_else_is_connected():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
        return cursor.fetchone() == (0,)


@contextlib.contextmanager
def locked(*cooperatives):
    with transaction.atomic():
        list(Cooperative.objects.select_for_update(no_key=True).filter(pk__in=[c.pk for c in cooperatives]))
        yield


def make_world(now, *, count=6):
    """Cooperatives of two members. A run has to write every value of them."""
    cooperatives = []
    for number in range(count):
        pair = [make_user(), make_user()]
        cooperatives.append(make_cooperative(*pair))
        for user in pair:
            Worker.objects.create(user=user, name="rig", hashrate_1h=number + 1, is_online=True, last_share_at=now)
            DailyShares.objects.create(user=user, day=utc_day(now), shares=number + 1, best_difficulty=number)
    NotificationPreferences.objects.update(coop_activity=True)
    return cooperatives


def everything():
    return [
        list(Cooperative.objects.order_by("id").values_list(
            "combined_hashrate", "total_shares_week", "best_combined_diff", "weekly_streak", "weekly_rank")),
        list(CooperativeMember.objects.order_by("id").values_list("hashrate", "shares_today", "is_online")),
        list(CooperativeWeek.objects.order_by("cooperative_id").values_list("streak", "best_rank_class")),
        list(HashrateSample.objects.order_by("cooperative_id").values_list("sampled_at", "hashrate")),
        list(Notification.objects.order_by("user_id").values_list("seq", "description")),
    ]  # fmt: skip


def expected(now, count=6):
    """What one undisturbed run gives for make_world, worked out by hand."""
    hour = now.replace(minute=0, second=0, microsecond=0)
    numbers = range(1, count + 1)
    ranks = {number: count + 1 - number for number in numbers}
    classes = {number: next(bound for bound in (1, 3, 10) if ranks[number] <= bound) for number in numbers}
    return [
        [(2.0 * number, 2 * number, 2.0 * (number - 1), 1, ranks[number]) for number in numbers],
        [(float(number), number, True) for number in numbers for _ in range(2)],
        [(1, classes[number]) for number in numbers],
        [(hour, 2.0 * number) for number in numbers],
        [classes[number] for number in numbers for _ in range(2)],
    ]


def check(found, wanted):
    *rows, notifications = found
    assert rows == wanted[:-1]
    assert [seq for seq, _ in notifications] == [1] * len(wanted[-1])
    for (_, text), rank_class in zip(notifications, wanted[-1], strict=True):
        assert text.endswith(
            " is in first place this week." if rank_class == 1 else f" entered this week's top {rank_class}."
        )


@pytest.mark.parametrize("seed", range(3))
def test_killed_at_any_batch_one_run_makes_it_whole(seed):
    now = timezone.now()
    cooperatives = make_world(now)
    reached = random.Random(seed).randrange(len(cooperatives))

    with locked(cooperatives[reached]):
        process = start("-c", RUN, now.isoformat())
        try:
            wait_until(somebody_waits)
        finally:
            kill(process)
    wait_until(nobody_else_is_connected)
    done = Cooperative.objects.filter(total_shares_week__gt=0).count()
    assert done == reached

    update_cooperative_stats(now=now)

    check(everything(), expected(now))


def test_a_killed_workers_job_is_done_by_the_next(valkey, monkeypatch):
    monkeypatch.setattr(scheduler, "RETRY_SECONDS", 0)
    monkeypatch.setattr(scheduler, "TIMETABLE", {"update_cooperative_stats": TIMETABLE["update_cooperative_stats"]})
    now = timezone.now()
    cooperatives = make_world(now)
    JobRun.objects.create(name="update_cooperative_stats", known_since=now - timedelta(minutes=10))
    queue = django_rq.get_queue("default")

    django_rq.get_scheduler("default").enqueue_jobs()
    with locked(*cooperatives):
        process = start("manage.py", "rqworker", "default", "--verbosity", "0")
        try:
            wait_until(somebody_waits)
            assert due_jobs(scheduler.TIMETABLE)["update_cooperative_stats"].is_running
        finally:
            horses = children_of(process.pid)
            kill(process)
            for pid in horses:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
    wait_until(nobody_else_is_connected)
    assert set(Cooperative.objects.values_list("total_shares_week", flat=True)) == {0}
    assert job_status()["update_cooperative_stats"].last_succeeded_at is None

    django_rq.get_scheduler("default").enqueue_jobs()
    SimpleWorker([queue], connection=queue.connection).work(burst=True, logging_level="ERROR")

    assert job_status()["update_cooperative_stats"].last_succeeded_at >= now
    check(everything(), expected(now))


def children_of(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as children:
        return [int(child) for child in children.read().split()]
