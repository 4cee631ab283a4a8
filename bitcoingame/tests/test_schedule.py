"""The timetable: each job runs once, on time, in one worker, and runs again if something died."""

from collections import Counter
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from functools import partial

import django_rq
import pytest
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.db import OperationalError, connection
from django.utils import timezone
from rq import SimpleWorker

from bitcoingame import schedule, scheduler
from bitcoingame.core import job_runs
from bitcoingame.core.job_runs import Job, due_jobs, job_status, next_due, run_due_job
from bitcoingame.events.streams import GROUP
from bitcoingame.models import JobRun
from bitcoingame.schedule import TIMETABLE, WeekUnread
from bitcoingame.scheduler import PromptWorker, TimetableScheduler
from bitcoingame.tests.platform import redis_client
from notifications.models import Notification
from profiles.models import DailyShares, GameState, Worker

NOW = datetime(2026, 6, 2, 12, 0, 30, tzinfo=UTC)
IDS = {f"timetable-{name}" for name in TIMETABLE}


class Diary:
    """The work of a job; it notes how it was called."""

    def __init__(self, failure=None):
        self.calls = []
        self.failure = failure

    def __call__(self, *, now, since):
        self.calls.append((now, since))
        if self.failure:
            raise self.failure


def known_since(instant, *names, **fields):
    JobRun.objects.bulk_create(JobRun(name=name, known_since=instant, **fields) for name in names)


@pytest.mark.django_db
class TestRuns:
    def test_it_runs_when_due_and_then_is_not_due(self):
        diary = Diary()
        job = Job("*/5 * * * *", diary)
        known_since(NOW - timedelta(minutes=1), "work")

        assert run_due_job("work", job, now=NOW) is True
        assert run_due_job("work", job, now=NOW) is False
        assert run_due_job("work", job, now=NOW + timedelta(minutes=4, seconds=29)) is False
        assert run_due_job("work", job, now=NOW + timedelta(minutes=4, seconds=30)) is True

        assert diary.calls == [(NOW, None), (NOW + timedelta(minutes=4, seconds=30), NOW)]
        assert job_status()["work"] == (diary.calls[1][0], diary.calls[1][0], "")

    def test_however_often_it_was_missed_it_is_caught_up_once(self):
        diary = Diary()
        job = Job("5 0 * * 1", diary)
        known_since(NOW - timedelta(days=60), "work")

        for seconds in range(5):
            run_due_job("work", job, now=NOW + timedelta(seconds=seconds))

        assert diary.calls == [(NOW, None)]

    def test_one_that_is_new_waits_for_its_time(self):
        diary = Diary()

        assert run_due_job("work", Job("* * * * *", diary), now=timezone.now()) is False
        assert diary.calls == []

    def test_a_failure_is_on_record_until_it_succeeds(self):
        diary = Diary(ValueError("no such thing"))
        job = Job("* * * * *", diary)
        known_since(NOW - timedelta(minutes=5), "work")

        for _ in range(2):
            with pytest.raises(ValueError, match="no such thing"):
                run_due_job("work", job, now=NOW)
        assert job_status()["work"] == (NOW, None, "ValueError: no such thing")

        diary.failure = None
        later = NOW + timedelta(minutes=1)
        assert run_due_job("work", job, now=later) is True
        assert job_status()["work"] == (later, later, "")

    def test_a_failure_of_the_database_itself_is_passed_on(self, monkeypatch):
        known_since(NOW - timedelta(minutes=5), "work")
        monkeypatch.setattr(job_runs, "MAX_ERROR", 5)

        def break_off(*, now, since):
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1 / 0")

        with pytest.raises(Exception, match="division by zero"):
            run_due_job("work", Job("* * * * *", break_off), now=NOW)

    @pytest.mark.parametrize(
        ("at", "after", "due"),
        [
            ("5 0 * * 1", "2026-12-28T00:05:00", "2027-01-04T00:05:00"),
            ("5 0 * * 1", "2026-12-28T00:04:59.999999", "2026-12-28T00:05:00"),
            ("0 18 * * 0", "2027-01-01T00:00:00", "2027-01-03T18:00:00"),
            ("*/5 * * * *", "2028-02-28T23:57:13", "2028-02-29T00:00:00"),
            ("10 3 * * *", "2026-12-31T03:10:00", "2027-01-01T03:10:00"),
        ],
    )
    def test_times_are_utc(self, at, after, due):
        run = JobRun(last_succeeded_at=datetime.fromisoformat(after).replace(tzinfo=UTC))

        assert next_due(Job(at, Diary()), run) == datetime.fromisoformat(due).replace(tzinfo=UTC)


@pytest.mark.django_db(transaction=True)
class TestOneAtATime:
    def test_eight_workers_run_it_once(self, at_once):
        diary = Diary()
        job = Job("* * * * *", diary)
        known_since(NOW - timedelta(minutes=5), "work")

        results = at_once([partial(run_due_job, "work", job, now=NOW)] * 8)

        assert Counter(results) == {True: 1, False: 7}
        assert len(diary.calls) == 1

    def test_while_it_runs_it_is_seen_running(self):
        seen = []

        def look(*, now, since):
            seen.append(due_jobs({"work": job})["work"].is_running)

        job = Job("* * * * *", look)
        known_since(NOW - timedelta(minutes=5), "work")
        assert run_due_job("work", job, now=NOW)

        assert seen == [True]
        assert due_jobs({"work": job})["work"].is_running is False


def listed(client):
    """The scheduler's list: {job's id: when it is due}."""
    return {key.decode(): score for key, score in client.zrange("rq:scheduler:scheduled_jobs", 0, -1, withscores=True)}


@pytest.fixture
def queue(valkey):
    return django_rq.get_queue("default")


@contextmanager
def diaries(monkeypatch, **jobs):
    """Replaces the timetable by these jobs."""
    for module in (schedule, scheduler):
        monkeypatch.setattr(module, "TIMETABLE", jobs)
    yield


def tick():
    """Starts a scheduler, which does one round and ends."""
    django_rq.get_scheduler("default").enqueue_jobs()


def work_off(queue):
    SimpleWorker([queue], connection=queue.connection).work(burst=True, logging_level="ERROR")


@pytest.mark.django_db(transaction=True)
class TestScheduler:
    def test_settings_name_our_scheduler_and_worker(self, queue):
        assert type(django_rq.get_scheduler("default", interval=60)) is TimetableScheduler
        assert django_rq.get_scheduler("default", interval=60)._interval == 5
        worker = django_rq.get_worker("default")
        assert (type(worker), worker.maintenance_interval) == (PromptWorker, 60)

    def test_restarted_ten_times_each_job_is_there_once(self, queue):
        known_since(timezone.now(), *TIMETABLE)
        for _ in range(10):
            tick()

        assert set(listed(queue.connection)) == IDS
        assert queue.job_ids == []
        for name, run in due_jobs(TIMETABLE).items():
            assert listed(queue.connection)[f"timetable-{name}"] == run.at.timestamp()

    def test_the_command_runs_it(self, queue, monkeypatch):
        """Runs `manage.py rqscheduler` until its first pause."""

        class Napping(Exception):
            pass

        def nap(seconds):
            raise Napping

        monkeypatch.setattr("rq_scheduler.scheduler.time.sleep", nap)
        monkeypatch.setattr(TimetableScheduler, "_install_signal_handlers", lambda self: None)
        with pytest.raises(Napping):
            call_command("rqscheduler", verbosity=0)

        assert set(listed(queue.connection)) == IDS

    def test_what_is_due_is_queued_once_however_long_no_worker_comes(self, queue, monkeypatch):
        monkeypatch.setattr(scheduler, "RETRY_SECONDS", 0)
        known_since(timezone.now() - timedelta(minutes=10), *TIMETABLE)
        for _ in range(10):
            tick()

        waiting = Counter(queue.job_ids)
        assert {"timetable-tell_silent_workers", "timetable-update_cooperative_stats"} <= set(waiting)
        assert set(waiting.values()) == {1}

    def test_a_worker_does_what_is_due_and_the_next_time_is_listed(self, queue, monkeypatch):
        diary = Diary()
        with diaries(monkeypatch, work=Job("*/5 * * * *", diary)):
            known_since(timezone.now() - timedelta(minutes=10), "work")
            tick()
            work_off(queue)
            tick()

        assert len(diary.calls) == 1
        done_at = job_status()["work"].last_succeeded_at
        assert listed(queue.connection) == {
            "timetable-work": next_due(Job("*/5 * * * *", diary), JobRun(last_succeeded_at=done_at)).timestamp()
        }
        assert queue.job_ids == []

    def test_queued_twice_it_is_done_once(self, queue, monkeypatch):
        diary = Diary()
        with diaries(monkeypatch, work=Job("5 0 * * 1", diary)):
            known_since(timezone.now() - timedelta(days=8), "work")
            tick()
            queue.push_job_id("timetable-work")
            work_off(queue)

        assert len(diary.calls) == 1

    def test_of_two_schedulers_one_queues(self, queue):
        first, second = django_rq.get_scheduler("default"), django_rq.get_scheduler("default")

        assert first.acquire_lock()
        assert not second.acquire_lock()
        first.remove_lock()
        assert second.acquire_lock()

    def test_everything_on_the_timetable_runs(self, queue):
        known_since(timezone.now() - timedelta(days=8), *TIMETABLE)
        tick()
        work_off(queue)

        failed = {name: status.last_error for name, status in job_status().items() if not status.last_succeeded_at}
        assert failed == {}
        assert queue.failed_job_registry.count == 0

    def test_a_failed_run_is_tried_again(self, queue, monkeypatch):
        monkeypatch.setattr(scheduler, "RETRY_SECONDS", 0)
        diary = Diary(ValueError("not yet"))
        with diaries(monkeypatch, work=Job("5 0 * * 1", diary)):
            known_since(timezone.now() - timedelta(days=8), "work")
            tick()
            work_off(queue)
            diary.failure = None
            tick()
            work_off(queue)
            tick()

        assert len(diary.calls) == 2
        assert job_status()["work"].last_error == ""
        assert queue.job_ids == []

    def test_a_redis_that_lost_everything_gets_it_back(self, queue):
        known_since(timezone.now(), *TIMETABLE)
        running = django_rq.get_scheduler("default")
        running.enqueue_jobs()
        before = listed(queue.connection)
        queue.connection.flushall()

        running.enqueue_jobs()

        assert listed(queue.connection) == before
        assert len(list(running.get_jobs())) == len(TIMETABLE)

    def test_a_run_that_redis_lost_is_still_due(self, queue, monkeypatch):
        diary = Diary()
        with diaries(monkeypatch, work=Job("5 0 * * 1", diary)):
            known_since(timezone.now() - timedelta(days=8), "work")
            tick()
            queue.connection.flushall()
            tick()
            work_off(queue)

        assert len(diary.calls) == 1

    def test_jobs_no_longer_on_the_timetable_go_and_others_stay(self, queue, monkeypatch):
        known_since(timezone.now(), *TIMETABLE)
        tick()
        at_noon = datetime(2100, 1, 1, 12)
        django_rq.get_scheduler("default").enqueue_at(at_noon, "os.getpid", job_id="of-somebody-else")

        with diaries(monkeypatch, work=Job("5 0 * * 1", Diary())):
            tick()

        assert set(listed(queue.connection)) == {"timetable-work", "of-somebody-else"}

    def test_somebody_elses_job_is_queued_as_ever(self, queue):
        known_since(timezone.now(), *TIMETABLE)
        django_rq.get_scheduler("default").enqueue_at(datetime(2020, 1, 1), "os.getpid", job_id="of-somebody-else")
        tick()

        assert queue.job_ids == ["of-somebody-else"]
        assert set(listed(queue.connection)) == IDS

    def test_a_running_job_is_not_queued_again(self, queue, monkeypatch):
        def tick_meanwhile(*, now, since):
            tick()
            waiting.append(queue.job_ids)

        waiting = []
        with diaries(monkeypatch, work=Job("* * * * *", tick_meanwhile)):
            known_since(timezone.now() - timedelta(minutes=10), "work")
            schedule.run_job("work")

        assert waiting == [[]]

    def test_without_postgresql_the_list_stays(self, queue, monkeypatch):
        known_since(timezone.now(), *TIMETABLE)
        tick()
        before = listed(queue.connection)

        def refuse(timetable):
            raise OperationalError("down")

        monkeypatch.setattr(scheduler, "due_jobs", refuse)
        tick()

        assert listed(queue.connection) == before


@pytest.mark.django_db
def test_no_machine_is_silent_while_its_shares_wait_unread(valkey, alice):
    client, stream, now = redis_client(), "mining:share_submitted", timezone.now()
    work = TIMETABLE["tell_silent_workers"].work
    rig = Worker.objects.create(user=alice, name="rig", is_online=True, last_share_at=now - timedelta(minutes=40))

    def read_one():
        client.xreadgroup(GROUP, "consumer", {stream: ">"}, count=1)

    for minutes in (35, 20):
        client.xadd(stream, {"event": "share"}, id=f"{int((now - timedelta(minutes=minutes)).timestamp() * 1000)}-1")
    client.xgroup_create(stream, GROUP, id="0")
    for _ in range(2):
        work(now=now, since=None)
        rig.refresh_from_db()
        assert (rig.is_online, Notification.objects.count()) == (True, 0)
        read_one()

    work(now=now, since=None)
    rig.refresh_from_db()
    assert (rig.is_online, Notification.objects.get().subtype) == (False, "worker_offline")


@pytest.mark.django_db
def test_a_week_is_not_settled_while_its_shares_wait_unread(valkey, alice):
    client, stream = redis_client(), "mining:share_submitted"
    monday = datetime(2026, 6, 8, 0, 5, tzinfo=UTC)
    work = TIMETABLE["extend_streaks"].work
    GameState.objects.filter(user=alice).update(current_streak=10, streak_week="2026-05-25")
    client.xadd(stream, {"event": "share"}, id=f"{int((monday - timedelta(minutes=10)).timestamp() * 1000)}-1")
    client.xadd(stream, {"event": "share"}, id=f"{int((monday - timedelta(minutes=6)).timestamp() * 1000)}-1")
    client.xgroup_create(stream, GROUP, id="0")
    client.xreadgroup(GROUP, "consumer", {stream: ">"}, count=1)

    with pytest.raises(WeekUnread):
        work(now=monday, since=None)
    assert GameState.objects.get(user=alice).current_streak == 10

    client.xreadgroup(GROUP, "consumer", {stream: ">"}, count=1)
    DailyShares.objects.create(user=alice, day=date(2026, 6, 7), shares=1)
    work(now=monday, since=None)
    assert GameState.objects.get(user=alice).current_streak == 11


@pytest.mark.django_db
def test_expired_sessions_go_in_batches():
    for number in range(3):
        Session.objects.create(session_key=f"old{number}", session_data="", expire_date=NOW - timedelta(days=1))
    Session.objects.create(session_key="new", session_data="", expire_date=NOW + timedelta(days=1))

    assert schedule.delete_expired_sessions(now=NOW, batch_size=2) == 2
    assert schedule.delete_expired_sessions(now=NOW, batch_size=2) == 1
    assert list(Session.objects.values_list("session_key", flat=True)) == ["new"]
