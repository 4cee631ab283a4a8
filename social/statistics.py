"""The statistics of all cooperatives, computed from the machines and the days of their members.

A cooperative's statistics are those of its present members. A user who moves takes their shares along, so that each
share counts once. The result of a past week stays: CooperativeWeek keeps it, and best_combined_diff never falls.

Each batch is one statement. It computes fresh values, locks the cooperatives whose values differ in the order of their
ids, and writes only those. The statistics describe the instant of its snapshot: the next run counts a user who joins or
leaves while the statement waits for a lock. Every part of the statement names the batch's range of ids, because
otherwise each batch would read whole tables.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from bitcoingame.core.postgresql.purging import delete_batch
from bitcoingame.core.postgresql.sql_files import read_statement
from bitcoingame.core.weeks import WEEK, utc_day, utc_hour, week_name, week_of, weeks_before
from notifications.services import PersonalNotification, create_notifications
from social.models import CooperativeMember

BATCH_SIZE = 500
"""Cooperatives per transaction. A join or an edit may have to wait for one such transaction."""
RANK_BATCH_SIZE = 1000
"""Larger, because a transaction takes less time to write a rank."""

SAMPLES_KEPT = timedelta(days=31)
RANK_CLASSES = (1, 3, 10, 25, 50, 100)
STREAK_MILESTONES = (52, 26, 12, 4)

# Shares may reach us this late: on Monday those of Sunday. After an outage, weeks are caught up at most this far back.
_LATE_SHARES = timedelta(days=1)
_CAUGHT_UP = timedelta(weeks=8)


class Refreshed(NamedTuple):
    """How many rows a run wrote, and how many notifications it created."""

    members: int = 0
    cooperatives: int = 0
    ranks: int = 0
    notifications: int = 0


class Reached(NamedTuple):
    """A milestone of a cooperative. `value` is the length of a streak that began in `week`, or a class of ranks.

    `week` is the Monday of the streak's first week, or of the week in which the class of ranks was entered.
    """

    value: int
    week: date


def update_cooperative_stats(*, now: datetime, since: datetime | None = None) -> Refreshed:
    """Computes all statistics, weeks, samples and ranks as of `now`, and notifies members of the milestones reached.

    `since` is when it last ran: weeks that have ended since then are closed first. Running it again changes nothing.
    It commits batch by batch, so call it outside a transaction.
    """
    today = utc_day(now)
    week = week_of(today)
    first_day = max(utc_day(since or now) - _LATE_SHARES, today - _CAUGHT_UP)
    ended_weeks = list(weeks_before(week, since=first_day))
    members = cooperatives = notifications = 0
    for first, last in _id_ranges():
        for ended in ended_weeks:
            _close_week(ended, first=first, last=last)
        written = _refresh_batch(now=now, today=today, week=week, first=first, last=last)
        members += written.members
        cooperatives += written.cooperatives
        notifications += written.notifications
    ranks = _rank_all()
    return Refreshed(members, cooperatives, ranks, notifications + _notify_of_ranks(week))


def delete_old_samples(*, now: datetime, batch_size: int) -> int:
    """Deletes up to batch_size hashrate samples that are older than any chart shows. Returns how many it deleted."""
    before = now - SAMPLES_KEPT
    return delete_batch(table="cooperative_hashrates", column="sampled_at", before=before, batch_size=batch_size)


# The statements are in social/sql, with a line about each of their parts.
_SHARES_OF_MEMBER = read_statement("social", "shares_of_member")
_REFRESH = read_statement("social", "refresh_statistics").format(shares_of_member=_SHARES_OF_MEMBER)
_CLOSE_WEEK = read_statement("social", "close_week").format(shares_of_member=_SHARES_OF_MEMBER)
_ENTER_RANK_CLASSES = read_statement("social", "enter_rank_classes")

_NEXT_BATCH = """
SELECT min(id), max(id) FROM (
    SELECT id FROM cooperatives WHERE id > %(after)s ORDER BY id LIMIT %(size)s) batch
"""

_CHANGED_RANKS = """
SELECT cooperative.id, coalesce(place.rank, 0)
FROM cooperatives cooperative
LEFT JOIN (
    SELECT id, row_number() OVER (ORDER BY total_shares_week DESC, combined_hashrate DESC, id) AS rank
    FROM cooperatives WHERE is_active AND total_shares_week > 0
) place USING (id)
WHERE cooperative.weekly_rank <> coalesce(place.rank, 0)
ORDER BY cooperative.id
"""

_WRITE_RANKS = """
WITH locked AS MATERIALIZED (
    SELECT id FROM cooperatives WHERE id = ANY(%(ids)s) ORDER BY id FOR NO KEY UPDATE
)
UPDATE cooperatives cooperative SET weekly_rank = place.rank
FROM unnest(%(ids)s, %(ranks)s) AS place (id, rank) JOIN locked USING (id)
WHERE cooperative.id = place.id AND (cooperative.is_active OR place.rank = 0)
"""


@contextmanager
def _batch() -> Iterator[CursorWrapper]:
    """A transaction for one batch. Its statement is planned for the rows in its range, and is not compiled."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL plan_cache_mode = force_custom_plan")
        cursor.execute("SET LOCAL jit = off")
        yield cursor


def _id_ranges() -> Iterator[tuple[int, int]]:
    after = 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute(_NEXT_BATCH, {"after": after, "size": BATCH_SIZE})
            first, last = cursor.fetchone()
        if last is None:
            return
        yield first, last
        after = last


def _close_week(week: date, *, first: int, last: int) -> None:
    sunday = week + timedelta(days=6)
    ends_at = datetime.combine(week + timedelta(days=7), datetime.min.time(), UTC)
    with _batch() as cursor:
        cursor.execute(_CLOSE_WEEK, {"week": week, "today": sunday, "ends_at": ends_at, "first": first, "last": last})


def _refresh_batch(*, now: datetime, today: date, week: date, first: int, last: int) -> Refreshed:
    hour = utc_hour(now)
    with _batch() as cursor:
        cursor.execute(_REFRESH, {"today": today, "week": week, "hour": hour, "first": first, "last": last})
        members, cooperatives, longer_streaks = cursor.fetchone()
        notifications = _notify_members(_reached_by_streaks(longer_streaks, week), variant="streak", value="weeks")
    return Refreshed(members, cooperatives, 0, notifications)


def _reached_by_streaks(longer_streaks: Iterable[Sequence[int]], week: date) -> dict[int, Reached]:
    """{cooperative id: milestone}, for the streaks that have passed one.

    Each of `longer_streaks` is [id, weeks before, weeks now, weeks of the streak that ended before `week`].
    """
    reached = {}
    for pk, before, after, ended_weeks in longer_streaks:
        milestone = _milestone_between(before, after)
        if milestone is not None:
            # The cause names the streak's first week: if late shares mend a streak on Monday, it is the same cause.
            reached[pk] = Reached(milestone, week - ended_weeks * WEEK)
    return reached


def _milestone_between(before: int, after: int) -> int | None:
    return next((weeks for weeks in STREAK_MILESTONES if before < weeks <= after), None)


def _rank_all() -> int:
    with connection.cursor() as cursor:
        cursor.execute(_CHANGED_RANKS)
        changed = cursor.fetchall()
    written = 0
    for start in range(0, len(changed), RANK_BATCH_SIZE):
        ids, ranks = zip(*changed[start : start + RANK_BATCH_SIZE], strict=True)
        with _batch() as cursor:
            cursor.execute(_WRITE_RANKS, {"ids": list(ids), "ranks": list(ranks)})
            written += cursor.rowcount
    return written


def _notify_of_ranks(week: date) -> int:
    with _batch() as cursor:
        cursor.execute(
            _ENTER_RANK_CLASSES, {"week": week, "classes": list(RANK_CLASSES), "last_class": max(RANK_CLASSES)}
        )
        reached = {pk: Reached(rank_class, week) for pk, rank_class in cursor.fetchall()}
        return _notify_members(reached, variant="rank", value="rank")


def _notify_members(reached: Mapping[int, Reached], *, variant: str, value: str) -> int:
    """Notifies the members of each cooperative in {id: what it reached}. Returns how many notifications it created.

    `value` is the name under which the text of the variant expects Reached.value.
    """
    if not reached:
        return 0
    members = CooperativeMember.objects.filter(cooperative__in=reached).values(
        "user_id", "cooperative_id", "cooperative__name"
    )
    return create_notifications(
        kind="coop_activity",
        items=[
            _milestone_news(member, reached[member["cooperative_id"]], variant=variant, value=value)
            for member in members
        ],
    )


def _milestone_news(member: Mapping[str, Any], milestone: Reached, *, variant: str, value: str) -> PersonalNotification:
    is_first = variant == "rank" and milestone.value == 1
    return PersonalNotification(
        user_id=member["user_id"],
        cause=f"coop_{variant}:{member['cooperative_id']}:{milestone.value}:{week_name(milestone.week)}",
        values={"cooperative": member["cooperative__name"], **({} if is_first else {value: milestone.value})},
        variant="first_place" if is_first else variant,
    )
