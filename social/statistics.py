"""The statistics of all cooperatives, from what their members' machines and days say (spec section 7).

A cooperative's statistics are those of the people who are in it: whoever moves takes their shares along, so that each
share counts once. What a week has shown stays: CooperativeWeek holds it, and best_combined_diff never falls.

Each batch is one statement that works out fresh values, locks in id order the cooperatives where any differ, and
writes only those. Its snapshot is the instant the statistics are of: whoever joins or leaves while it waits for a lock
is counted by the next run. The batch's range stands in every part of it, or each batch would read whole tables.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from bitcoingame.core.postgresql.purging import delete_batch
from bitcoingame.core.postgresql.sql_files import read_statement
from bitcoingame.core.weeks import WEEK, utc_day, utc_hour, week_name, week_of, weeks_before
from notifications.services import PersonalNotification, create_notifications
from social.models import CooperativeMember

BATCH_SIZE = 500
"""Cooperatives per transaction: how long a join or an edit may have to wait. Ranks take less."""
RANK_BATCH_SIZE = 1000

SAMPLES_KEPT = timedelta(days=31)
RANK_CLASSES = (1, 3, 10, 25, 50, 100)
STREAK_MILESTONES = (52, 26, 12, 4)

# Shares reach us late, Sunday's on Monday, say. After an outage the weeks missed are caught up, so far back at most.
_LATE_SHARES = timedelta(days=1)
_CAUGHT_UP = timedelta(weeks=8)


class Refreshed(NamedTuple):
    """How many rows a run wrote, and how many notifications it made."""

    members: int = 0
    cooperatives: int = 0
    ranks: int = 0
    told: int = 0


class Reached(NamedTuple):
    """A milestone: the weeks of a streak that began in `week`, or the class of ranks entered in it."""

    value: int
    week: date


def update_cooperative_stats(*, now: datetime, since: datetime | None = None) -> Refreshed:
    """Brings all statistics, weeks, samples and ranks to what they are at `now`, and tells the milestones reached.

    `since` is when it last ran: weeks that have ended after it are closed first. Running it again changes nothing.
    Commits batch by batch: call it outside a transaction.
    """
    today = utc_day(now)
    week = week_of(today)
    first_day = max(utc_day(since or now) - _LATE_SHARES, today - _CAUGHT_UP)
    ended_weeks = list(weeks_before(week, since=first_day))
    members = cooperatives = told = 0
    for first, last in _id_ranges():
        for ended in ended_weeks:
            _close_week(ended, first=first, last=last)
        written = _refresh_batch(now=now, today=today, week=week, first=first, last=last)
        members += written.members
        cooperatives += written.cooperatives
        told += written.told
    ranks = _rank_all()
    return Refreshed(members, cooperatives, ranks, told + _tell_ranks(week))


def delete_old_samples(*, now: datetime, batch_size: int) -> int:
    """Deletes up to batch_size hashrate samples older than any chart shows; returns how many."""
    before = now - SAMPLES_KEPT
    return delete_batch(table="cooperative_hashrates", column="sampled_at", before=before, batch_size=batch_size)


# These stand in social/sql, with a line about each of their parts.
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
    """A transaction of its own, whose statement is planned for the rows in its range, and not compiled."""
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
        # The cause names the streak's first week: one that late shares mend on Monday is not told a second time.
        reached = {
            pk: Reached(weeks, week - ended_weeks * WEEK)
            for pk, before, after, ended_weeks in longer_streaks
            if (weeks := _milestone_between(before, after))
        }
        told = _tell_members(reached, variant="streak", value="weeks")
    return Refreshed(members, cooperatives, 0, told)


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


def _tell_ranks(week: date) -> int:
    with _batch() as cursor:
        cursor.execute(
            _ENTER_RANK_CLASSES, {"week": week, "classes": list(RANK_CLASSES), "last_class": max(RANK_CLASSES)}
        )
        reached = {pk: Reached(rank_class, week) for pk, rank_class in cursor.fetchall()}
        return _tell_members(reached, variant="rank", value="rank")


def _tell_members(reached: dict[int, Reached], *, variant: str, value: str) -> int:
    """Tells the members of each cooperative in {id: what it reached}, in the caller's transaction."""
    if not reached:
        return 0
    members = CooperativeMember.objects.filter(cooperative__in=reached).values(
        "user_id", "cooperative_id", "cooperative__name"
    )
    return create_notifications(
        kind="coop_activity",
        items=[
            PersonalNotification(
                user_id=member["user_id"],
                cause=f"coop_{variant}:{member['cooperative_id']}:{milestone.value}:{week_name(milestone.week)}",
                values={"cooperative": member["cooperative__name"], value: milestone.value},
                variant=variant,
            )
            for member in members
            for milestone in (reached[member["cooperative_id"]],)
        ],
    )
