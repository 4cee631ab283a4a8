"""The whole timetable, as crontab lines in UTC. scheduler.py and core/job_runs.py make it happen."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from django.utils import timezone

from bitcoingame.core.job_runs import Job, Work, run_due_job
from bitcoingame.core.limits import purge_attempts
from bitcoingame.core.postgresql.purging import delete_batch
from bitcoingame.core.weeks import utc_day, week_of
from bitcoingame.events.ledger import forget_shares, purge_handled
from bitcoingame.events.status import heard_until
from notifications.jobs import resume_broadcasts, send_due_emails, withdraw_recorded_names
from notifications.reminders import extend_streaks, tell_silent_workers, warn_of_ending_streaks
from notifications.retention import delete_old_notifications
from profiles.sign_in.sessions import purge_expired
from social.statistics import delete_old_samples, update_cooperative_stats

BATCH_SIZE = 1000


def run_job(name: str) -> bool:
    """What workers call: runs the job if it is due and returns whether it ran. Raises KeyError for an unknown name."""
    return run_due_job(name, TIMETABLE[name], now=timezone.now())


def always(work: Callable[[], Any]) -> Work:
    """A job that works off what is waiting, whatever the time is."""
    return lambda *, now, since: work()


def at_the_time(work: Callable[..., Any]) -> Work:
    """A job that needs to know the time, but not when it last ran."""
    return lambda *, now, since: work(now=now)


def as_heard(work: Work) -> Work:
    """A job about silent machines, as of the last event that was read: unread shares must not count as silence."""
    return lambda *, now, since: work(now=heard_until(now), since=since)


class WeekUnread(Exception):
    """Events of the week to settle are still unread in a stream. The run fails and is tried again."""


def when_the_week_is_heard(work: Work) -> Work:
    """A job that settles the ISO week before. It waits until that week's events are read, so that late shares count."""

    def settle(*, now: datetime, since: datetime | None) -> None:
        if utc_day(heard_until(now)) < week_of(utc_day(now)):
            raise WeekUnread("Events of last week wait to be read.")
        work(now=now, since=since)

    return settle


def in_batches(delete: Callable[..., int]) -> Work:
    """A clean-up: deletes until nothing old is left."""

    def clean_up(*, now: datetime, since: datetime | None) -> None:
        while delete(now=now, batch_size=BATCH_SIZE):
            pass

    return clean_up


def delete_expired_sessions(*, now: datetime, batch_size: int) -> int:
    """Deletes up to batch_size of the admin's sessions; returns how many."""
    return delete_batch(table="django_session", column="expire_date", before=now, batch_size=batch_size)


TIMETABLE: Mapping[str, Job] = {
    "update_cooperative_stats": Job("*/5 * * * *", update_cooperative_stats, seconds=600),
    "tell_silent_workers": Job("* * * * *", as_heard(tell_silent_workers), seconds=300),
    "resume_broadcasts": Job("* * * * *", always(resume_broadcasts), seconds=600),
    "withdraw_names": Job("* * * * *", always(withdraw_recorded_names), seconds=3600),
    "send_due_emails": Job("* * * * *", always(send_due_emails), seconds=300),
    "forget_shares": Job("* * * * *", in_batches(forget_shares), seconds=300),
    "warn_of_ending_streaks": Job("0 18 * * 0", warn_of_ending_streaks, seconds=600),
    "extend_streaks": Job("5 0 * * 1", when_the_week_is_heard(extend_streaks), seconds=600),
    "delete_old_notifications": Job("10 3 * * *", at_the_time(delete_old_notifications), seconds=1800),
    "delete_old_samples": Job("20 3 * * *", in_batches(delete_old_samples), seconds=1800),
    "purge_attempts": Job("30 3 * * *", in_batches(purge_attempts), seconds=600),
    "purge_handled_events": Job("35 3 * * *", in_batches(purge_handled), seconds=1800),
    "purge_sign_ins": Job("40 3 * * *", in_batches(purge_expired), seconds=600),
    "delete_expired_sessions": Job("50 3 * * *", in_batches(delete_expired_sessions), seconds=600),
}
