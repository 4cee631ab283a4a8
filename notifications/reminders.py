"""What time alone tells a miner: a machine fell silent, a streak is about to end, a streak goes on (spec section 4)."""

from datetime import UTC, date, datetime, timedelta
from operator import itemgetter
from typing import Any

from django.db import connection, transaction

from bitcoingame.core.weeks import WEEK, utc_day, week_name, week_of, weeks_before
from notifications.services import PersonalNotification, create_notifications

BATCH_SIZE = 1000
SILENCE = timedelta(minutes=30)
_CAUGHT_UP = timedelta(weeks=8)
_WARNING_HOUR = 18


def tell_silent_workers(*, now: datetime, since: datetime | None = None) -> int:
    """Takes machines without a share for over 30 minutes offline and tells their owners, once per silence.

    Returns how many silences began. Commits batch by batch: call it outside a transaction.
    """
    silent = after = 0
    while rows := _silence_batch(now, after):
        silent += sum(is_news for *_, is_news in rows)
        after = rows[-1][0]
    return silent


def warn_of_ending_streaks(*, now: datetime, since: datetime | None = None) -> int:
    """On Sunday from 18:00 UTC, warns who has a streak and no share this week; returns how many were told."""
    week = week_of(utc_day(now))
    ends_at = datetime.combine(week + WEEK, datetime.min.time(), UTC)
    if now < ends_at - timedelta(hours=24 - _WARNING_HOUR):
        return 0
    told = after = 0
    while rows := _query(_ENDING_STREAKS, first=week, next=week + WEEK, after=after):
        after = rows[-1][0]
        told += _tell_streaks("streak_warning", rows, week=week)
    return told


def extend_streaks(*, now: datetime, since: datetime | None = None) -> int:
    """On Monday, settles the weeks that ended after `since`: who mined goes on, who did not starts from nothing.

    Returns how many were told that their streak goes on. Running it again changes nothing.
    """
    week = week_of(utc_day(now))
    first_day = max(utc_day(since or now - WEEK), week - _CAUGHT_UP)
    ended_weeks = list(weeks_before(week, since=first_day))
    return sum(_settle_week(ended, now=week, tells=ended == ended_weeks[-1]) for ended in ended_weeks)


# Who holds a row of these is hearing from the machine just now. A machine that nothing is heard of mines nothing, also
# one whose pool, after its silence was told, said that it connected or what its rate had been, and then no more.
_FIND_SILENT = """
WITH silent AS MATERIALIZED (
    SELECT id FROM workers
    WHERE id > %(after)s AND (
        (last_share_at < %(before)s AND told_silent_since IS DISTINCT FROM last_share_at)
        OR ((is_online OR hashrate_1h > 0) AND greatest(last_share_at, heard_at, hashrate_at) < %(before)s))
    ORDER BY id LIMIT %(size)s FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE workers worker SET is_online = false, hashrate_1h = 0, told_silent_since = worker.last_share_at
FROM silent WHERE worker.id = silent.id
RETURNING worker.id, worker.user_id, worker.name, worker.last_share_at,
          old.told_silent_since IS DISTINCT FROM new.told_silent_since
"""

_ENDING_STREAKS = """
SELECT user_id, current_streak FROM game_states state
WHERE user_id > %(after)s AND current_streak > 0
  AND NOT EXISTS (SELECT FROM daily_shares shares WHERE shares.user_id = state.user_id
                  AND day >= %(first)s AND day < %(next)s AND shares.shares > 0)
ORDER BY user_id LIMIT %(size)s
"""

_SETTLE_WEEK = """
WITH candidate AS MATERIALIZED (
    SELECT user_id, EXISTS (SELECT FROM daily_shares shares WHERE shares.user_id = state.user_id
                            AND day >= %(first)s AND day < %(next)s AND shares.shares > 0) AS mined
    FROM game_states state
    WHERE user_id > %(after)s AND (streak_week IS NULL OR streak_week < %(first)s)
      AND (current_streak > 0 OR EXISTS (
        SELECT FROM daily_shares shares WHERE shares.user_id = state.user_id
        AND day >= %(first)s AND day < %(next)s AND shares.shares > 0))
    ORDER BY user_id LIMIT %(size)s FOR NO KEY UPDATE
), settled AS (
    UPDATE game_states state
    SET current_streak = CASE WHEN mined THEN current_streak + 1 ELSE 0 END, streak_week = %(first)s
    FROM candidate WHERE state.user_id = candidate.user_id
    RETURNING state.user_id, state.current_streak
)
SELECT user_id, current_streak FROM settled ORDER BY user_id
"""


def _silence_batch(now: datetime, after: int) -> list[Any]:
    with transaction.atomic():
        rows = sorted(_query(_FIND_SILENT, before=now - SILENCE, after=after), key=itemgetter(0))
        create_notifications(
            kind="worker_offline",
            items=[
                PersonalNotification(
                    user_id=user_id,
                    cause=f"worker_offline:{worker_id}:{last_share_at.timestamp():.6f}",
                    values={"worker": name, "minutes": (now - last_share_at) // timedelta(minutes=1)},
                )
                for worker_id, user_id, name, last_share_at, is_news in rows
                if is_news
            ],
        )
    return rows


def _settle_week(ended: date, *, now: date, tells: bool) -> int:
    """One ISO week that ended; `now` is the current one, for the cause the platform's own event shares."""
    told = after = 0
    while True:
        with transaction.atomic():
            rows = _query(_SETTLE_WEEK, first=ended, next=ended + WEEK, after=after)
            if tells:
                told += _tell_streaks("streak_extended", [row for row in rows if row[1]], week=now)
        if not rows:
            return told
        after = rows[-1][0]


def _tell_streaks(kind: str, rows: list[Any], *, week: date) -> int:
    with transaction.atomic():
        return create_notifications(
            kind=kind,
            items=[
                PersonalNotification(user_id=user_id, cause=f"{kind}:{week_name(week)}", values={"weeks": weeks})
                for user_id, weeks in rows
            ],
        )


def _query(sql: str, **values: Any) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql, {"size": BATCH_SIZE, **values})
        return cursor.fetchall()
