"""Running jobs by time: each one alone, and what became of it on record.

The record, in PostgreSQL, decides what is due. Redis only carries the calls, so that losing it, or a worker, or the
scheduler, neither forgets a run nor makes two of one.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from zlib import crc32

from crontab import CronTab  # type: ignore[import-untyped]
from django.db import Error, connection, transaction

from bitcoingame.models import JobRun

logger = logging.getLogger(__name__)

Work = Callable[..., Any]
MAX_ERROR = 500

_LOCKS = 0x6A6F6273  # "jobs": our class among PostgreSQL's advisory locks


class Job(NamedTuple):
    """What to do when: `at` is a crontab line in UTC, `work` is called with now and since, when it last succeeded."""

    at: str
    work: Work
    seconds: int = 60
    """How long it may take before its worker ends it."""


class JobStatus(NamedTuple):
    last_started_at: datetime | None
    last_succeeded_at: datetime | None
    last_error: str


class Due(NamedTuple):
    at: datetime
    is_running: bool


def run_due_job(name: str, job: Job, *, now: datetime) -> bool:
    """Does the job's work unless it is done already, or being done; returns whether it did.

    A missed job is caught up by one run, however many times it was missed. What the work raises is recorded and raised.
    """
    with _alone(name) as is_alone:
        if not is_alone:
            return False
        run = _find_run(name)
        if next_due(job, run) > now:
            return False
        _record(name, last_started_at=now)
        try:
            job.work(now=now, since=run.last_succeeded_at)
        except BaseException as error:
            _record_failure(name, error)
            raise
        # Until `now`, not the end: what fell due meanwhile is still to be done.
        _record(name, last_succeeded_at=now, last_error="")
    return True


def due_jobs(timetable: Mapping[str, Job]) -> dict[str, Due]:
    """For each job, when its next run is due (in the past, if it is late) and whether it is running now."""
    runs = {run.name: run for run in JobRun.objects.filter(name__in=timetable)}
    for name in timetable.keys() - runs.keys():
        runs[name] = _find_run(name)
    running = _running_locks()
    return {name: Due(next_due(job, runs[name]), _lock_number(name) in running) for name, job in timetable.items()}


def next_due(job: Job, run: JobRun) -> datetime:
    """The first time on the crontab line after the run that last succeeded, or after the job became known."""
    after = run.last_succeeded_at or run.known_since
    return after + timedelta(seconds=CronTab(job.at).next(now=after, default_utc=True))


def job_status() -> dict[str, JobStatus]:
    """When each job that ever was on the timetable last started and last succeeded, and why it failed since."""
    return {
        run.name: JobStatus(run.last_started_at, run.last_succeeded_at, run.last_error)
        for run in JobRun.objects.order_by("name")
    }


@contextmanager
def _alone(name: str) -> Iterator[bool]:
    """Whether no other process is at this job. PostgreSQL lets go of the lock when this process's connection ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [_LOCKS, _lock_number(name)])
        (is_alone,) = cursor.fetchone()
        # A host that vanishes closes nothing; by itself PostgreSQL would keep its lock for two hours.
        cursor.execute(
            "SELECT set_config('tcp_keepalives_idle', '30', false), set_config('tcp_keepalives_count', '3', false)"
        )
    try:
        yield is_alone
    finally:
        if is_alone:
            _let_go(name)


def _let_go(name: str) -> None:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [_LOCKS, _lock_number(name)])
    except Error:
        connection.close()


def _running_locks() -> set[int]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT objid::bigint FROM pg_locks JOIN pg_database ON pg_database.oid = database"
            " WHERE locktype = 'advisory' AND classid = %s AND granted AND datname = current_database()",
            [_LOCKS],
        )
        return {number for (number,) in cursor.fetchall()}


def _lock_number(name: str) -> int:
    return crc32(name.encode()) & 0x7FFFFFFF


def _find_run(name: str) -> JobRun:
    JobRun.objects.bulk_create([JobRun(name=name)], ignore_conflicts=True)
    return JobRun.objects.get(name=name)


def _record(name: str, **changes: Any) -> None:
    JobRun.objects.filter(name=name).update(**changes)


def _record_failure(name: str, error: BaseException) -> None:
    """As far as the database lets us: it may be the reason."""
    logger.error("The job %s failed: %s", name, type(error).__name__)
    try:
        with transaction.atomic():
            _record(name, last_error=f"{type(error).__name__}: {error}"[:MAX_ERROR])
    except Error:
        logger.error("The failure of %s could not be recorded.", name)
