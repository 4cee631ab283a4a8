"""Machines, days, game states and badges: the only writer of `workers`, `daily_shares`, `game_states`, `earned_badges`.

A function takes the news of many events, or many users, at once, and one statement per table writes all of it. Each
statement goes through its rows in one order (user, then name, day or slug), so that two statements never deadlock.

The functions run in the caller's transaction. Mappings from machines and days to news are not empty. Difficulties are
share difficulties. A time is a Unix time in seconds unless it is a datetime, and a week is named by its Monday (UTC).
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple

from bitcoingame.core.postgresql.sql_files import read_statement
from bitcoingame.core.postgresql.statements import columns, execute, fetch, numbers, texts
from bitcoingame.core.weeks import WEEK
from profiles.models import Worker

UserAndName = tuple[int, str]
"""A machine: the id of its user, and the name it gives the pool."""
UserAndDay = tuple[int, int]
"""The id of a user, and a UTC day as the number of days since 1970-01-01."""


class MachineNews(NamedTuple):
    """What a batch of shares says of one machine.

    `at` is the time of its latest share and `assigned` that share's assigned difficulty, 0 if unknown.
    `best` is the best difficulty among its accepted shares, 0 if there is none.
    """

    at: float
    assigned: float
    best: float


class Return(NamedTuple):
    """A machine that is back from a silence of which its owner was notified. `silent_since` names that silence."""

    worker_id: int
    user_id: int
    name: str
    silent_since: datetime


class Silence(NamedTuple):
    """A machine that was taken offline, or whose silence has to be told.

    `is_new` is true if the silence has begun. `is_told` is true if its owner has to be notified of it now, and
    `times` says of how many silences in 24 hours: above one, the notification stands for all of them.
    """

    worker_id: int
    user_id: int
    name: str
    last_share_at: datetime | None
    is_new: bool
    is_told: bool
    times: int


class Streak(NamedTuple):
    """How many ISO weeks in a row a user has had a share."""

    user_id: int
    weeks: int


# A machine is silent while told_silent_since = last_share_at. A newer share ends the silence if the machine is online
# then, and if what put it online is less than 30 minutes younger than the share. Otherwise the silence goes on, and
# told_silent_since follows last_share_at. The answer is the machines whose silence has ended, if it was told.
_HEAR_SHARES = """
WITH heard AS (
    INSERT INTO workers AS worker
        (user_id, name, is_online, last_share_at, heard_at, assigned_difficulty, best_difficulty)
    SELECT user_id, name, true, to_timestamp(at), to_timestamp(at), nullif(assigned, 0), best
    FROM unnest(%s::bigint[], string_to_array(%s, E'\\x1f'), %s::float8[], %s::float8[], %s::float8[])
        AS news (user_id, name, at, assigned, best)
    ORDER BY user_id, name
    ON CONFLICT (user_id, name) DO UPDATE SET
        last_share_at = greatest(worker.last_share_at, excluded.last_share_at),
        is_online = worker.is_online OR worker.heard_at IS NULL OR excluded.heard_at >= worker.heard_at,
        heard_at = greatest(worker.heard_at, excluded.heard_at),
        best_difficulty = greatest(worker.best_difficulty, excluded.best_difficulty),
        assigned_difficulty = CASE
            WHEN excluded.last_share_at <= worker.last_share_at THEN worker.assigned_difficulty
            ELSE coalesce(excluded.assigned_difficulty, worker.assigned_difficulty)
        END,
        rate_at_share = CASE
            WHEN excluded.last_share_at <= worker.last_share_at THEN worker.rate_at_share
            WHEN worker.hashrate_at >= excluded.last_share_at - interval '24 hours'
                THEN coalesce(nullif(worker.steady_rate, 0), worker.rate_at_share)
        END,
        told_silent_since = CASE
            WHEN worker.told_silent_since = worker.last_share_at AND NOT (
                (worker.is_online OR worker.heard_at IS NULL OR excluded.heard_at >= worker.heard_at)
                AND excluded.last_share_at > greatest(worker.heard_at, excluded.heard_at) - interval '30 minutes')
                THEN greatest(worker.last_share_at, excluded.last_share_at)
            ELSE worker.told_silent_since
        END
    RETURNING new.id, new.user_id, new.name, old.told_silent_since AS silent_since,
        old.told_silent_since = old.last_share_at AND new.told_silent_since < new.last_share_at
            AND new.silence_news = 'told' AND new.alerts AS is_back
)
SELECT id, user_id, name, silent_since FROM heard WHERE is_back
"""
# A connection ends a silence only if there was a share in the 30 minutes before it. Such a share exists if it was
# heard late, after the news that the machine had disconnected. An unknown machine that has disconnected is no news.
_HEAR_PRESENCE = """
WITH heard AS (
    INSERT INTO workers AS worker (user_id, name, is_online, heard_at)
    SELECT user_id, name, is_online, to_timestamp(at)
    FROM unnest(%s::bigint[], string_to_array(%s, E'\\x1f'), %s::bool[], %s::float8[])
        AS news (user_id, name, is_online, at)
    WHERE is_online OR EXISTS (SELECT FROM workers known WHERE known.user_id = news.user_id AND known.name = news.name)
    ORDER BY user_id, name
    ON CONFLICT (user_id, name) DO UPDATE SET
        is_online = excluded.is_online,
        heard_at = excluded.heard_at,
        told_silent_since = CASE
            WHEN NOT (excluded.is_online AND worker.told_silent_since = worker.last_share_at
                      AND worker.last_share_at > excluded.heard_at - interval '30 minutes')
                THEN worker.told_silent_since
        END
        WHERE worker.heard_at IS NULL OR excluded.heard_at >= worker.heard_at
    RETURNING new.id, new.user_id, new.name, old.told_silent_since AS silent_since,
        old.told_silent_since = old.last_share_at AND new.told_silent_since IS NULL
            AND new.silence_news = 'told' AND new.alerts AS is_back
)
SELECT id, user_id, name, silent_since FROM heard WHERE is_back
"""
# The pool goes on reporting the rates of a silent machine, which fade. They do not count. A silence is judged by the
# steady rate of before the last share, unless none was known then: with that share in it, the rate of a machine that
# has a share or two an hour is far too high. An unknown machine without a rate is no news.
_SET_HASHRATES = """
INSERT INTO workers AS worker (user_id, name, hashrate_1h, steady_rate, hashrate_at)
SELECT user_id, name, rate, steady, to_timestamp(at)
FROM unnest(%s::bigint[], string_to_array(%s, E'\\x1f'), %s::float8[], %s::float8[], %s::float8[])
    AS news (user_id, name, rate, steady, at)
WHERE rate > 0 OR EXISTS (SELECT FROM workers known WHERE known.user_id = news.user_id AND known.name = news.name)
ORDER BY user_id, name
ON CONFLICT (user_id, name) DO UPDATE SET
    hashrate_1h = CASE
        WHEN worker.told_silent_since = worker.last_share_at AND NOT worker.is_online THEN 0
        ELSE excluded.hashrate_1h
    END,
    steady_rate = CASE
        WHEN worker.told_silent_since = worker.last_share_at THEN worker.steady_rate
        ELSE excluded.steady_rate
    END,
    hashrate_at = excluded.hashrate_at,
    rate_at_share = CASE
        WHEN worker.last_share_at IS NULL OR worker.told_silent_since = worker.last_share_at THEN worker.rate_at_share
        ELSE coalesce(worker.rate_at_share, nullif(excluded.steady_rate, 0))
    END
    WHERE worker.hashrate_at IS NULL OR excluded.hashrate_at >= worker.hashrate_at
"""
_SILENT_AFTER = read_statement("profiles", "silent_after")
_FIND_SILENT = read_statement("profiles", "find_silent").format(silent_after=_SILENT_AFTER)


def hear_shares(heard: Mapping[UserAndName, Sequence[float]]) -> list[Return]:
    """Puts machines online: {machine: MachineNews, or its values}. Returns those that are back from a told silence."""
    times, assigned, bests = zip(*heard.values(), strict=True)
    return _returns(_HEAR_SHARES, [*_worker_columns(heard), numbers(times), numbers(assigned), numbers(bests)])


def hear_presence(heard: Mapping[UserAndName, tuple[bool, float]]) -> list[Return]:
    """Stores {machine: (is_online, time)}. Returns the machines that are back from a told silence.

    A connection without a share ends no silence. News that is older than what we know of a machine changes nothing.
    """
    states, times = zip(*heard.values(), strict=True)
    return _returns(_HEAR_PRESENCE, [*_worker_columns(heard), list(states), numbers(times)])


def set_hashrates(heard: Mapping[UserAndName, tuple[float, float, float]]) -> None:
    """Stores {machine: (1h rate, steady rate, time)}, rates in H/s.

    News that is older than what we know of a machine changes nothing.
    """
    rates, steady_rates, times = zip(*heard.values(), strict=True)
    execute(_SET_HASHRATES, [*_worker_columns(heard), numbers(rates), numbers(steady_rates), numbers(times)])


def take_silent_offline(*, now: datetime, after: int, size: int) -> list[Silence]:
    """Takes up to `size` machines offline that are silent as of `now`, in the order of their ids.

    `after` is the last id of the batch before, or 0 for the first batch.
    """
    rows = fetch(_FIND_SILENT, {"now": now, "after": after, "size": size})
    return sorted(map(Silence._make, rows))


def _returns(statement: str, parameters: Sequence[object]) -> list[Return]:
    return [Return(*row) for row in fetch(statement, parameters)]


def _worker_columns(workers: Iterable[UserAndName]) -> list[str]:
    user_ids, names = zip(*workers, strict=True)
    return [numbers(user_ids), texts(names)]


_COUNT_SHARES = """
INSERT INTO daily_shares AS counted (user_id, day, shares, best_difficulty)
SELECT user_id, DATE '1970-01-01' + day, shares, best
FROM unnest(%s::bigint[], %s::int[], %s::bigint[], %s::float8[]) AS news (user_id, day, shares, best)
ORDER BY user_id, day
ON CONFLICT (user_id, day) DO UPDATE SET
    shares = counted.shares + excluded.shares,
    best_difficulty = greatest(counted.best_difficulty, excluded.best_difficulty)
"""
_ADD_TO_TOTALS = """
INSERT INTO game_states AS state (user_id, total_shares)
SELECT user_id, shares FROM unnest(%s::bigint[], %s::bigint[]) AS news (user_id, shares) ORDER BY user_id
ON CONFLICT (user_id) DO UPDATE SET total_shares = state.total_shares + excluded.total_shares
"""


def count_shares(days: Mapping[UserAndDay, Sequence[float]], totals: Mapping[int, int]) -> None:
    """Adds to the counts: {(user, day): (shares, best difficulty among them)} and {user: shares of all these days}."""
    user_ids, numbers_of_days = zip(*days, strict=True)
    counts, bests = zip(*days.values(), strict=True)
    execute(_COUNT_SHARES, [numbers(user_ids), numbers(numbers_of_days), numbers(counts), numbers(bests)])
    execute(_ADD_TO_TOTALS, [numbers(totals), numbers(totals.values())])


_LOCK_BESTS = (
    "SELECT user_id, best_difficulty FROM game_states WHERE user_id = ANY(%s) ORDER BY user_id FOR NO KEY UPDATE"
)
_SET_BESTS = """
UPDATE game_states SET best_difficulty = news.best FROM unnest(%s::bigint[], %s::float8[]) AS news (user_id, best)
WHERE game_states.user_id = news.user_id
"""
_ADD_BLOCKS = """
UPDATE game_states SET blocks_found = blocks_found + news.blocks
FROM (SELECT user_id, count(*) AS blocks FROM unnest(%s::bigint[]) AS user_id GROUP BY user_id) AS news
WHERE game_states.user_id = news.user_id
"""
_LOCK_LEVELS = "SELECT user_id, level FROM game_states WHERE user_id = ANY(%s) ORDER BY user_id FOR NO KEY UPDATE"
_SET_LEVELS = """
UPDATE game_states SET level = news.level, level_title = news.title
FROM unnest(%s::bigint[], %s::int[], %s::text[]) AS news (user_id, level, title)
WHERE game_states.user_id = news.user_id
"""


def lock_bests(user_ids: Iterable[int]) -> dict[int, float]:
    """Locks the users' game states. Returns {user: best difficulty of all time}."""
    return dict(fetch(_LOCK_BESTS, [sorted(set(user_ids))]))


def set_bests(bests: Mapping[int, float]) -> None:
    """Stores {user: best difficulty of all time}. Call lock_bests first."""
    execute(_SET_BESTS, [list(bests), list(bests.values())])


def add_blocks(finder_ids: Sequence[int]) -> None:
    """Counts one block for each id. A user whose id is given twice has found two blocks."""
    execute(_ADD_BLOCKS, [finder_ids])


def lock_levels(user_ids: Iterable[int]) -> dict[int, int]:
    """Locks the users' game states. Returns {user: level}."""
    return dict(fetch(_LOCK_LEVELS, [sorted(set(user_ids))]))


def set_levels(levels: Mapping[int, tuple[int, str]]) -> None:
    """Stores {user: (level, its title)}. Call lock_levels first."""
    execute(_SET_LEVELS, columns([(user_id, *level) for user_id, level in levels.items()]))


# This lock keeps the count in _REWARD right: a transaction with another badge of the same user waits for this one.
_LOCK_STATES = "SELECT 1 FROM game_states WHERE user_id = ANY(%s) ORDER BY user_id FOR NO KEY UPDATE"
_KEEP_BADGES = """
INSERT INTO earned_badges (user_id, slug, name, earned_at)
SELECT user_id, slug, name, to_timestamp(at)
FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::float8[]) AS news (user_id, slug, name, at)
ON CONFLICT (user_id, slug) DO NOTHING RETURNING user_id, slug
"""
_REWARD = """
UPDATE game_states SET
    xp = game_states.xp + news.xp, badges_earned = (SELECT count(*) FROM earned_badges WHERE user_id = news.user_id)
FROM unnest(%s::bigint[], %s::bigint[]) AS news (user_id, xp) WHERE game_states.user_id = news.user_id
"""


class NewBadge(NamedTuple):
    """A badge that an event reports. The user may have it already."""

    user_id: int
    slug: str
    name: str
    earned_at: float


def keep_badges(badges: Sequence[NewBadge]) -> list[tuple[int, str]]:
    """Stores badges, and returns (user, slug) of each badge that its user did not have yet.

    No (user, slug) may occur twice among `badges`. The users' game states are locked until the transaction ends. Call
    reward_badges next, for the users with new badges.
    """
    _lock_states({badge.user_id for badge in badges})
    return [(user_id, slug) for user_id, slug in fetch(_KEEP_BADGES, columns(badges))]


def reward_badges(xp: Mapping[int, int]) -> None:
    """Adds {user: xp} to what the users have, and counts their badges anew."""
    execute(_REWARD, [list(xp), list(xp.values())])


# streak_week is the last week that the streak takes into account, so settle_week does not count that week again.
_SET_STREAKS = """
UPDATE game_states SET current_streak = news.weeks, streak_week = news.week
FROM unnest(%s::bigint[], %s::int[], %s::date[]) AS news (user_id, weeks, week)
WHERE game_states.user_id = news.user_id AND (streak_week IS NULL OR streak_week <= news.week)
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


def set_streaks(streaks: Mapping[int, tuple[int, date]]) -> None:
    """Stores {user: (weeks, Monday of the last of them)}, except for users whose later week is settled already."""
    _lock_states(streaks)
    execute(_SET_STREAKS, columns([(user_id, *streak) for user_id, streak in streaks.items()]))


def find_ending_streaks(week: date, *, after: int, size: int) -> list[Streak]:
    """Up to `size` streaks of users who have no share in the week, in the order of the users' ids.

    `week` is the week's Monday (UTC). `after` is the last user of the batch before, or 0 for the first batch.
    """
    return _streaks_of_week(_ENDING_STREAKS, week, after, size)


def settle_week(week: date, *, after: int, size: int) -> list[Streak]:
    """Settles the week: a streak grows by one if its user has a share in the week, and becomes 0 if not.

    Settles up to `size` users, in the order of their ids, and returns their new streaks. It leaves out users whose week
    is settled already. `week` and `after` are as in find_ending_streaks.
    """
    return _streaks_of_week(_SETTLE_WEEK, week, after, size)


def _streaks_of_week(statement: str, week: date, after: int, size: int) -> list[Streak]:
    rows = fetch(statement, {"size": size, "first": week, "next": week + WEEK, "after": after})
    return [Streak(*row) for row in rows]


def _lock_states(user_ids: Iterable[int]) -> None:
    execute(_LOCK_STATES, [sorted(user_ids)])


def is_silence_news(*, user_id: int, name: str, worker_id: int | None = None) -> bool:
    """Whether a silence that was told is still worth an e-mail: no share since, and the machine's alerts are on.

    The machine is known by its id, or else by its name. The silence of one that was deleted by its id is no news any
    more; that of one whose name we do not know may be.
    """
    machines = Worker.objects.filter(user_id=user_id)
    machine = machines.filter(pk=worker_id) if worker_id is not None else machines.filter(name=name)
    found = machine.values_list("alerts", "last_share_at", "told_silent_since").first()
    if found is None:
        return worker_id is None
    alerts, last_share_at, told_silent_since = found
    return alerts and last_share_at == told_silent_since
