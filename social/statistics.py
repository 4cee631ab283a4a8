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
    with connection.cursor() as cursor:
        cursor.execute(_DELETE_SAMPLES, {"before": now - SAMPLES_KEPT, "batch_size": batch_size})
        return int(cursor.rowcount)


# Floats are added in one order, an index's: in another the sum's last bits differ, and a second run would not be idle.
_SHARES_OF_MEMBER = """
SELECT coalesce(sum(shares) FILTER (WHERE day = %(today)s), 0)::bigint AS today,
       coalesce(sum(shares), 0)::bigint AS week, coalesce(max(best_difficulty), 0) AS best
FROM daily_shares WHERE user_id = member.user_id AND day BETWEEN %(week)s AND %(today)s
"""

_REFRESH = f"""
WITH seat AS MATERIALIZED (
    SELECT member.id, member.cooperative_id, member.user_id, rig.hashrate, rig.is_online,
           shares.today, shares.week, shares.best,
           (member.hashrate, member.is_online, member.shares_today)
           IS DISTINCT FROM (rig.hashrate, rig.is_online, shares.today) AS is_stale
    FROM cooperative_members member
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(hashrate_1h ORDER BY name), 0) AS hashrate, coalesce(bool_or(is_online), false) AS is_online
        FROM workers WHERE user_id = member.user_id
    ) rig
    CROSS JOIN LATERAL ({_SHARES_OF_MEMBER}) shares
    WHERE member.cooperative_id BETWEEN %(first)s AND %(last)s
), team AS (
    SELECT cooperative_id, sum(hashrate ORDER BY user_id) AS hashrate, sum(week)::bigint AS shares,
           sum(best ORDER BY user_id) AS best
    FROM seat GROUP BY cooperative_id
), fresh AS MATERIALIZED (
    SELECT cooperative.id, value.*, has_share,
           has_share AND this_week.streak IS DISTINCT FROM value.streak AS is_new_week,
           cooperative.member_count > 0 AND sample.hashrate IS NULL AS is_new_hour,
           (combined_hashrate, total_shares_week, best_combined_diff, weekly_streak)
           IS DISTINCT FROM (value.hashrate, value.shares, value.best, value.streak) AS is_stale
    FROM cooperatives cooperative
    LEFT JOIN team ON team.cooperative_id = cooperative.id
    LEFT JOIN cooperative_weeks this_week
        ON this_week.cooperative_id = cooperative.id AND this_week.week = %(week)s
        AND this_week.cooperative_id BETWEEN %(first)s AND %(last)s
    LEFT JOIN cooperative_weeks last_week
        ON last_week.cooperative_id = cooperative.id AND last_week.week = %(week)s - 7
        AND last_week.cooperative_id BETWEEN %(first)s AND %(last)s
    LEFT JOIN cooperative_hashrates sample
        ON sample.cooperative_id = cooperative.id AND sample.sampled_at = %(hour)s
        AND sample.cooperative_id BETWEEN %(first)s AND %(last)s
    CROSS JOIN LATERAL (SELECT coalesce(team.shares, 0) > 0 OR this_week.week IS NOT NULL AS has_share) week
    CROSS JOIN LATERAL (
        SELECT coalesce(team.hashrate, 0) AS hashrate, coalesce(team.shares, 0) AS shares,
               greatest(cooperative.best_combined_diff, team.best) AS best,
               coalesce(last_week.streak, 0) + has_share::int AS streak
    ) value
    WHERE cooperative.id BETWEEN %(first)s AND %(last)s
), locked AS MATERIALIZED (
    SELECT id FROM cooperatives
    WHERE id BETWEEN %(first)s AND %(last)s
      AND (id IN (SELECT id FROM fresh WHERE is_stale OR is_new_week OR is_new_hour)
           OR id IN (SELECT cooperative_id FROM seat WHERE is_stale))
    ORDER BY id FOR NO KEY UPDATE
), members AS (
    UPDATE cooperative_members member
    SET hashrate = seat.hashrate, is_online = seat.is_online, shares_today = seat.today
    FROM seat JOIN locked ON locked.id = seat.cooperative_id
    WHERE member.id = seat.id AND member.cooperative_id BETWEEN %(first)s AND %(last)s AND seat.is_stale
    RETURNING 1
), weeks AS (
    INSERT INTO cooperative_weeks (cooperative_id, week, streak)
    SELECT id, %(week)s, streak FROM fresh JOIN locked USING (id) WHERE is_new_week
    ON CONFLICT (cooperative_id, week) DO UPDATE SET streak = excluded.streak
), samples AS (
    INSERT INTO cooperative_hashrates (cooperative_id, sampled_at, hashrate)
    SELECT id, %(hour)s, hashrate FROM fresh JOIN locked USING (id) WHERE is_new_hour
    ON CONFLICT DO NOTHING
), written AS (
    UPDATE cooperatives cooperative
    SET combined_hashrate = fresh.hashrate, total_shares_week = fresh.shares,
        best_combined_diff = fresh.best, weekly_streak = fresh.streak
    FROM fresh JOIN locked USING (id)
    WHERE cooperative.id = fresh.id AND cooperative.id BETWEEN %(first)s AND %(last)s AND fresh.is_stale
    RETURNING cooperative.id, old.weekly_streak AS streak_before, new.weekly_streak AS streak, new.is_active,
              fresh.streak - fresh.has_share::int AS ended_weeks
)
SELECT (SELECT count(*) FROM members), (SELECT count(*) FROM written), ARRAY(
    SELECT ARRAY[id, streak_before, streak, ended_weeks] FROM written
    WHERE is_active AND streak > streak_before ORDER BY id)
"""  # noqa: S608 - put together of constants

# Only who was seated before the week ended: last week's shares of somebody who came since belong to where they were.
_CLOSE_WEEK = f"""
WITH team AS (
    SELECT member.cooperative_id, sum(shares.week)::bigint AS shares, sum(shares.best ORDER BY member.user_id) AS best
    FROM cooperative_members member
    CROSS JOIN LATERAL ({_SHARES_OF_MEMBER}) shares
    WHERE member.cooperative_id BETWEEN %(first)s AND %(last)s AND member.joined_at < %(ends_at)s
    GROUP BY member.cooperative_id
), fresh AS MATERIALIZED (
    SELECT cooperative.id, greatest(cooperative.best_combined_diff, team.best) AS best,
           coalesce(week_before.streak, 0) + 1 AS streak,
           (coalesce(team.shares, 0) > 0 OR this_week.week IS NOT NULL)
           AND this_week.streak IS DISTINCT FROM coalesce(week_before.streak, 0) + 1 AS is_new_week,
           team.best > cooperative.best_combined_diff AS is_new_best
    FROM cooperatives cooperative
    LEFT JOIN team ON team.cooperative_id = cooperative.id
    LEFT JOIN cooperative_weeks this_week
        ON this_week.cooperative_id = cooperative.id AND this_week.week = %(week)s
        AND this_week.cooperative_id BETWEEN %(first)s AND %(last)s
    LEFT JOIN cooperative_weeks week_before
        ON week_before.cooperative_id = cooperative.id AND week_before.week = %(week)s - 7
        AND week_before.cooperative_id BETWEEN %(first)s AND %(last)s
    WHERE cooperative.id BETWEEN %(first)s AND %(last)s
), locked AS MATERIALIZED (
    SELECT id FROM cooperatives
    WHERE id BETWEEN %(first)s AND %(last)s AND id IN (SELECT id FROM fresh WHERE is_new_week OR is_new_best)
    ORDER BY id FOR NO KEY UPDATE
), weeks AS (
    INSERT INTO cooperative_weeks (cooperative_id, week, streak)
    SELECT id, %(week)s, streak FROM fresh JOIN locked USING (id) WHERE is_new_week
    ON CONFLICT (cooperative_id, week) DO UPDATE SET streak = excluded.streak
)
UPDATE cooperatives cooperative SET best_combined_diff = fresh.best
FROM fresh JOIN locked USING (id)
WHERE cooperative.id = fresh.id AND cooperative.id BETWEEN %(first)s AND %(last)s AND fresh.is_new_best
"""  # noqa: S608

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

# A class is entered when neither this week nor the last one saw the cooperative in it: a rank that goes to and fro
# around a border, and every Monday's new start, tell nothing.
_ENTER_RANK_CLASSES = """
WITH place AS MATERIALIZED (
    SELECT cooperative.id, rank_class.entered
    FROM cooperatives cooperative
    CROSS JOIN LATERAL (
        SELECT min(bound) AS entered FROM unnest(%(classes)s) bound WHERE bound >= cooperative.weekly_rank
    ) rank_class
    JOIN cooperative_weeks week ON week.cooperative_id = cooperative.id AND week.week = %(week)s
    WHERE cooperative.is_active AND cooperative.weekly_rank BETWEEN 1 AND %(last_class)s
      AND (week.best_rank_class IS NULL OR rank_class.entered < week.best_rank_class)
    ORDER BY cooperative.weekly_rank LIMIT %(last_class)s
), locked AS MATERIALIZED (
    SELECT id FROM cooperatives WHERE id IN (SELECT id FROM place) AND is_active ORDER BY id FOR NO KEY UPDATE
), entered AS (
    UPDATE cooperative_weeks week SET best_rank_class = place.entered
    FROM place JOIN locked USING (id)
    WHERE week.cooperative_id = place.id AND week.week = %(week)s
    RETURNING week.cooperative_id, week.best_rank_class
)
SELECT entered.cooperative_id, entered.best_rank_class
FROM entered LEFT JOIN cooperative_weeks last_week
    ON last_week.cooperative_id = entered.cooperative_id AND last_week.week = %(week)s - 7
WHERE last_week.best_rank_class IS NULL OR entered.best_rank_class < last_week.best_rank_class
ORDER BY entered.cooperative_id
"""

_DELETE_SAMPLES = """
DELETE FROM cooperative_hashrates WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM cooperative_hashrates WHERE sampled_at < %(before)s
    ORDER BY sampled_at LIMIT %(batch_size)s FOR UPDATE SKIP LOCKED))
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
