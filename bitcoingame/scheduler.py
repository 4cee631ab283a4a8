"""rq-scheduler, made to follow our timetable, and the worker that runs the jobs. settings.RQ names both.

By itself rq-scheduler 0.14 loses a job when it dies between two of its commands, adds a job again each time it is
registered, queues a job again and again while no worker takes it, computes times in the machine's time zone, and
forgets everything when Redis does. So before each round we write the timetable into its list again, from job_runs.
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
"""A late job is queued again after this long, because it failed, its worker died, or its call was lost."""
_PREFIX = "timetable-"


class TimetableScheduler(DjangoScheduler):
    """Any number may run: the one that holds the lock queues the jobs, and a job that is queued twice runs once."""

    def __init__(self, *args: Any, interval: int = TICK_SECONDS, **kwargs: Any) -> None:
        super().__init__(*args, interval=min(interval, TICK_SECONDS), **kwargs)
        self._saved: set[str] = set()

    def enqueue_jobs(self) -> Any:
        """One round: writes the timetable into the list and queues what is due."""
        self.keep_timetable()
        return super().enqueue_jobs()

    def enqueue_job(self, job: QueuedJob) -> None:
        """Queues a job of ours unless it is queued already, and looks at it again in RETRY_SECONDS."""
        if not job.id.startswith(_PREFIX):
            super().enqueue_job(job)
            return
        queue = self.get_queue_for_job(job)
        if self.connection.lpos(queue.key, job.id) is None:
            queue.enqueue_job(job)
        self.connection.zadd(self.scheduled_jobs_key, {job.id: _this_second() + RETRY_SECONDS})

    def keep_timetable(self) -> None:
        """Makes the list hold each job of the timetable once, at the time it is due, and no other job of ours."""
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
        self._create_job(  # type: ignore[no-untyped-call]  # rq-scheduler's has no types
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
    """Looks once a minute for jobs whose worker died; RQ's own worker does so every ten minutes."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"maintenance_interval": 60, **kwargs})
