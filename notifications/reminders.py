"""Notifications that the clock alone causes: a machine fell silent, a streak is about to end, a streak goes on.

Every `now` and `since` is a datetime with a zone.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta

from django.db import transaction

from bitcoingame.core.weeks import WEEK, utc_day, week_name, week_of, weeks_before
from notifications.services import PersonalNotification, create_notifications
from profiles import mining
from profiles.mining import Silence, Streak

BATCH_SIZE = 1000
_MINUTE = timedelta(minutes=1)
_CAUGHT_UP = timedelta(weeks=8)
_WARNING_HOUR = 18


def tell_silent_workers(*, now: datetime, since: datetime | None = None) -> int:
    """Takes machines offline that had no share for longer than is likely, and tells their owners once per silence.

    docs/silent-machines.md says how long that is, and what is told of a machine that falls silent again and again.

    Returns how many silences began. It commits batch by batch: call it outside a transaction.
    """
    silent = after = 0
    while rows := _silence_batch(now, after):
        silent += sum(row.is_new for row in rows)
        after = rows[-1].worker_id
    return silent


def warn_of_ending_streaks(*, now: datetime, since: datetime | None = None) -> int:
    """On Sunday from 18:00 UTC, warns the users who have a streak and no share this week.

    Returns how many users it notified.
    """
    week = week_of(utc_day(now))
    ends_at = datetime.combine(week + WEEK, datetime.min.time(), UTC)
    if now < ends_at - timedelta(hours=24 - _WARNING_HOUR):
        return 0
    told = after = 0
    while rows := mining.find_ending_streaks(week, after=after, size=BATCH_SIZE):
        after = rows[-1].user_id
        told += _tell_streaks("streak_warning", rows, week=week)
    return told


def extend_streaks(*, now: datetime, since: datetime | None = None) -> int:
    """On Monday, settles the weeks that ended after `since`, eight at most.

    The streak of a user who mined goes on; the streak of a user who did not is over. A second run changes nothing.
    Returns how many users it notified that their streak goes on.
    """
    week = week_of(utc_day(now))
    first_day = max(utc_day(since or now - WEEK), week - _CAUGHT_UP)
    ended_weeks = list(weeks_before(week, since=first_day))
    return sum(_settle_week(ended, this_week=week, tells=ended == ended_weeks[-1]) for ended in ended_weeks)


def _silence_batch(now: datetime, after: int) -> list[Silence]:
    with transaction.atomic():
        rows = mining.take_silent_offline(now=now, after=after, size=BATCH_SIZE)
        create_notifications(kind="worker_offline", items=[_tell_silence(row, now) for row in rows if row.is_told])
    return rows


def _tell_silence(row: Silence, now: datetime) -> PersonalNotification:
    """The silence stands in the metadata, so that what is sent later can look up whether it still goes on."""
    assert row.last_share_at is not None
    cause = f"worker_offline:{row.worker_id}:{row.last_share_at.timestamp():.6f}"
    values = {"worker": row.name, "worker_id": row.worker_id, "silent_since": row.last_share_at}
    if row.times > 1:
        return PersonalNotification(row.user_id, cause, values | {"times": row.times}, "flapping")
    return PersonalNotification(row.user_id, cause, values | {"minutes": (now - row.last_share_at) // _MINUTE})


def _settle_week(ended: date, *, this_week: date, tells: bool) -> int:
    """Settles one ISO week that ended. The cause names this week, because the platform's own event does so too."""
    told = after = 0
    while True:
        with transaction.atomic():
            rows = mining.settle_week(ended, after=after, size=BATCH_SIZE)
            if tells:
                told += _tell_streaks("streak_extended", [row for row in rows if row.weeks], week=this_week)
        if not rows:
            return told
        after = rows[-1].user_id


def _tell_streaks(kind: str, streaks: Iterable[Streak], *, week: date) -> int:
    with transaction.atomic():
        return create_notifications(
            kind=kind,
            items=[
                PersonalNotification(user_id=user_id, cause=f"{kind}:{week_name(week)}", values={"weeks": weeks})
                for user_id, weeks in streaks
            ],
        )
