"""rq-scheduler, kept to the timetable, and the worker that does its jobs. settings.RQ names both.

What rq-scheduler 0.14 does by itself, and we cannot use: it drops a job when it dies between two of its commands, adds
a job anew at each registration, queues a job again and again while no worker comes, computes times in the machine's
zone, and forgets everything with Redis. So before each round the timetable is put into its list afresh, from the
record of job_runs.
"""

import logging
from typing import Any

from django.db import Error, close_old_connections
from django.utils import timezone
from django_rq.queues import DjangoScheduler
from rq import Worker
from rq.job import Job as QueuedJob

from bitcoingame.core.job_runs import Due, due_jobs
from bitcoingame.schedule import TIMETABLE

logger = logging.getLogger(__name__)

TICK_SECONDS = 5
RETRY_SECONDS = 60
"""A job that is late is queued again after this long: it failed, its worker died, or its call was lost."""
_PREFIX = "timetable-"


class TimetableScheduler(DjangoScheduler):
    """Any number may run: whichever holds the lock queues, and a job that is queued twice is done once."""

    def __init__(self, *args: Any, interval: int = TICK_SECONDS, **kwargs: Any) -> None:
        super().__init__(*args, interval=min(interval, TICK_SECONDS), **kwargs)
        self._saved: set[str] = set()

    def enqueue_jobs(self) -> Any:
        self.keep_timetable()
        return super().enqueue_jobs()

    def enqueue_job(self, job: QueuedJob) -> None:
        if not job.id.startswith(_PREFIX):
            super().enqueue_job(job)
            return
        queue = self.get_queue_for_job(job)
        if self.connection.lpos(queue.key, job.id) is None:
            queue.enqueue_job(job)
        self.connection.zadd(self.scheduled_jobs_key, {job.id: _this_second() + RETRY_SECONDS})

    def keep_timetable(self) -> None:
        """Makes the list hold each job of the timetable once, for when it is due, and no other of ours."""
        close_old_connections()
        try:
            due = due_jobs(TIMETABLE)
        except Error as error:
            logger.warning("The timetable stays as it is while PostgreSQL does not answer: %s", type(error).__name__)
            return
        listed = dict(self.connection.zrange(self.scheduled_jobs_key, 0, -1, withscores=True))
        scores = {key.decode(): score for key, score in listed.items()}
        for name in TIMETABLE:
            self._keep(name, due[name], scores.pop(_PREFIX + name, None))
        for stale in [key for key in scores if key.startswith(_PREFIX)]:
            self.connection.zrem(self.scheduled_jobs_key, stale)

    def _keep(self, name: str, due: Due, listed_for: float | None) -> None:
        now = _this_second()
        wanted = due.at.timestamp()
        if due.is_running:
            wanted = max(wanted, now + RETRY_SECONDS)
        elif wanted <= now and listed_for is not None and listed_for <= now + RETRY_SECONDS:
            wanted = listed_for
        if name not in self._saved or not self.connection.exists(QueuedJob.key_for(_PREFIX + name)):
            self._save(name)
        if wanted != listed_for:
            self.connection.zadd(self.scheduled_jobs_key, {_PREFIX + name: wanted})

    def _save(self, name: str) -> None:
        self._create_job(
            "bitcoingame.schedule.run_job",
            args=(name,),
            id=_PREFIX + name,
            timeout=TIMETABLE[name].seconds,
            result_ttl=-1,
            description=name,
        )
        self._saved.add(name)


def _this_second() -> int:
    return int(timezone.now().timestamp())


class PromptWorker(Worker):
    """Looks for jobs whose worker died once a minute; RQ's own is content with every ten."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"maintenance_interval": 60, **kwargs})
