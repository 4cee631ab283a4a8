"""Runs the jobs of the timetable: one run of a job at a time, with a record of how it ended.

The record is in PostgreSQL and decides what is due. Redis only carries the calls, so losing Redis, a worker or the
scheduler neither skips a run nor doubles one.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from zlib import crc32

from crontab import CronTab  # type: ignore[import-untyped]
from django.db import Error, transaction

from bitcoingame.core.postgresql.locks import held_numbers, numbered_key, try_lock
from bitcoingame.core.postgresql.statements import execute
from bitcoingame.models import JobRun

logger = logging.getLogger(__name__)

Work = Callable[..., Any]
MAX_ERROR = 500

_LOCKS = 0x6A6F6273  # "jobs" in ASCII: the group of our advisory locks
_WATCH_THE_HOST = (
    "SELECT set_config('tcp_keepalives_idle', '30', false), set_config('tcp_keepalives_count', '3', false)"
)


class Job(NamedTuple):
    """A piece of work and when it is due: `at` is a crontab line in UTC.

    `work` is called as work(now=, since=): `now` is the time of this run, `since` that of the last run that succeeded,
    None before the first. Both are in UTC.
    """

    at: str
    work: Work
    seconds: int = 60
    """The worker ends a run that takes longer."""


class JobStatus(NamedTuple):
    """How a job's last runs went. Times are in UTC; last_error is empty after a success."""

    last_started_at: datetime | None
    last_succeeded_at: datetime | None
    last_error: str


class Due(NamedTuple):
    """When a job's next run is due, in UTC and in the past if it is late, and whether the job is running now."""

    at: datetime
    is_running: bool


def run_due_job(name: str, job: Job, *, now: datetime) -> bool:
    """Runs the job if it is due and not running already; returns whether it ran.

    However many times a job was missed, one run makes up for them. An error of the work is recorded and raised again.
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
        # Record `now` and not the end of the run: a run that fell due in the meantime must still happen.
        _record(name, last_succeeded_at=now, last_error="")
    return True


def due_jobs(timetable: Mapping[str, Job]) -> dict[str, Due]:
    """For each job of the timetable by name, when its next run is due and whether it is running now."""
    runs = {run.name: run for run in JobRun.objects.filter(name__in=timetable)}
    for name in timetable.keys() - runs.keys():
        runs[name] = _find_run(name)
    running = held_numbers(_LOCKS)
    return {name: Due(next_due(job, runs[name]), _lock_number(name) in running) for name, job in timetable.items()}


def next_due(job: Job, run: JobRun) -> datetime:
    """The first time on the crontab line after the run that last succeeded, or after the job became known."""
    after = run.last_succeeded_at or run.known_since
    return after + timedelta(seconds=CronTab(job.at).next(now=after, default_utc=True))


def job_status() -> dict[str, JobStatus]:
    """{name: how the last runs went} for each job that is, or ever was, on the timetable."""
    return {
        run.name: JobStatus(run.last_started_at, run.last_succeeded_at, run.last_error)
        for run in JobRun.objects.order_by("name")
    }


@contextmanager
def _alone(name: str) -> Iterator[bool]:
    """Takes the job's lock and yields whether it could; False means that another process is running the job.

    PostgreSQL frees the lock when this process's connection ends.
    """
    with try_lock(numbered_key(_LOCKS, _lock_number(name))) as is_alone:
        # A host that vanishes does not close its connection: PostgreSQL would keep its lock for two hours.
        execute(_WATCH_THE_HOST, [])
        yield is_alone


def _lock_number(name: str) -> int:
    return crc32(name.encode()) & 0x7FFFFFFF


def _find_run(name: str) -> JobRun:
    JobRun.objects.bulk_create([JobRun(name=name)], ignore_conflicts=True)
    return JobRun.objects.get(name=name)


def _record(name: str, **changes: Any) -> None:
    JobRun.objects.filter(name=name).update(**changes)


def _record_failure(name: str, error: BaseException) -> None:
    """Records the error if the database allows it: the database may be what failed."""
    logger.error("The job %s failed: %s", name, type(error).__name__)
    try:
        with transaction.atomic():
            _record(name, last_error=f"{type(error).__name__}: {error}"[:MAX_ERROR])
    except Error:
        logger.error("The failure of %s could not be recorded.", name)
