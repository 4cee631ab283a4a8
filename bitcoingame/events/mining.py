"""What the pool's events change: workers, shares per day, bests, blocks."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from bitcoingame.events.effects import Effects, Fact, execute, fetch, numbers, texts
from bitcoingame.events.fields import (
    MAX_DIFFICULTY,
    MAX_ID,
    Data,
    Malformed,
    read_flag,
    read_hashrate,
    read_line,
    read_number,
    read_user,
    read_whole,
    read_worker,
)
from profiles.models import User

NOTABLE_RATIO = 100
"""A share this many times harder than assigned is one in as many: it stands in the miner's feed."""

_SECONDS_PER_DAY = 86400


class Share(NamedTuple):
    user: str | int
    worker: str
    diff: float
    sdiff: float
    accepted: bool


def parse_share(data: Data) -> Share:
    user = read_user(data)
    diff = read_number(data, "diff", maximum=MAX_DIFFICULTY)
    if not diff:
        raise Malformed("diff must be above 0.")
    sdiff = read_number(data, "sdiff", maximum=MAX_DIFFICULTY)
    accepted = data.get("accepted", True)
    if accepted is not True:
        accepted = read_flag(data, "accepted", default=True)
    return Share(user, read_worker(data), diff, sdiff, accepted)


# A worker that older news said is offline is online again. One never heard before, new
# to the table or there for its hashrate alone, tells nobody.
_HEAR_SHARES = """
WITH heard AS (
    INSERT INTO workers AS worker (user_id, name, is_online, last_share_at, heard_at)
    SELECT user_id, name, true, to_timestamp(at), to_timestamp(at)
    FROM unnest(%s::bigint[], string_to_array(%s, E'\\x1f'), %s::float8[]) AS news (user_id, name, at)
    ORDER BY user_id, name
    ON CONFLICT (user_id, name) DO UPDATE SET
        last_share_at = greatest(worker.last_share_at, excluded.last_share_at),
        is_online = worker.is_online OR worker.heard_at IS NULL OR excluded.heard_at >= worker.heard_at,
        heard_at = greatest(worker.heard_at, excluded.heard_at)
    RETURNING new.id, new.user_id, new.name, new.is_online,
        old.heard_at IS NOT NULL AND NOT old.is_online AS was_offline
)
SELECT id, user_id, name FROM heard WHERE is_online AND was_offline
"""
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


def handle_shares(facts: Sequence[Fact[Share]], effects: Effects) -> None:
    heard: dict[tuple[int, str], float] = {}
    days: dict[tuple[int, int], list[Any]] = {}
    totals: dict[int, int] = {}
    for user_id, at, _, (_, name, diff, sdiff, accepted) in facts:
        worker = user_id, name
        if heard.get(worker, 0) < at:
            heard[worker] = at
        if accepted:
            _count(days, (user_id, int(at // _SECONDS_PER_DAY)), sdiff)
            totals[user_id] = totals.get(user_id, 0) + 1
            if sdiff >= NOTABLE_RATIO * diff:
                effects.record(user_id, "share_submitted", worker=name, difficulty=sdiff, assigned=diff)
    back = fetch(_HEAR_SHARES, [*_worker_columns(heard), numbers(heard.values())])
    if totals:
        user_ids, numbers_of_days = zip(*days, strict=True)
        counts, bests = zip(*days.values(), strict=True)
        execute(_COUNT_SHARES, [numbers(user_ids), numbers(numbers_of_days), numbers(counts), numbers(bests)])
        execute(_ADD_TO_TOTALS, [numbers(totals), numbers(totals.values())])
    _tell_online(back, max(fact.at for fact in facts), effects)


def _count(days: dict[tuple[int, int], list[Any]], day: tuple[int, int], sdiff: float) -> None:
    counted = days.get(day)
    if counted is None:
        days[day] = [1, sdiff]
        return
    counted[0] += 1
    if counted[1] < sdiff:
        counted[1] = sdiff


def _worker_columns(workers: Iterable[tuple[int, str]]) -> list[str]:
    user_ids, names = zip(*workers, strict=True)
    return [numbers(user_ids), texts(names)]


def _tell_online(workers: Iterable[tuple[int, int, str]], at: float, effects: Effects) -> None:
    """Once an hour for each worker: a machine on a bad line comes and goes all day."""
    hour = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H")
    for worker_id, user_id, name in workers:
        effects.notify("worker_online", [user_id], origin=f"{worker_id}:{hour}", worker=name)


class Presence(NamedTuple):
    user: str | int
    worker: str
    is_online: bool


def parse_connected(data: Data) -> Presence:
    return Presence(read_user(data), read_worker(data), True)


def parse_disconnected(data: Data) -> Presence:
    return Presence(read_user(data), read_worker(data), False)


_HEAR_PRESENCE = """
WITH heard AS (
    INSERT INTO workers AS worker (user_id, name, is_online, heard_at)
    SELECT user_id, name, is_online, to_timestamp(at)
    FROM unnest(%s::bigint[], string_to_array(%s, E'\\x1f'), %s::bool[], %s::float8[])
        AS news (user_id, name, is_online, at)
    ORDER BY user_id, name
    ON CONFLICT (user_id, name) DO UPDATE SET is_online = excluded.is_online, heard_at = excluded.heard_at
        WHERE worker.heard_at IS NULL OR excluded.heard_at >= worker.heard_at
    RETURNING new.id, new.user_id, new.name, new.is_online,
        old.heard_at IS NOT NULL AND NOT old.is_online AS was_offline
)
SELECT id, user_id, name FROM heard WHERE is_online AND was_offline
"""


def handle_presence(facts: Sequence[Fact[Presence]], effects: Effects) -> None:
    newest: dict[tuple[int, str], tuple[bool, float]] = {}
    for fact in sorted(facts, key=lambda fact: fact.at):
        newest[fact.user_id, fact.body.worker] = fact.body.is_online, fact.at
    states, times = zip(*newest.values(), strict=True)
    back = fetch(_HEAR_PRESENCE, [*_worker_columns(newest), list(states), numbers(times)])
    _tell_online(back, max(fact.at for fact in facts), effects)


class Hashrate(NamedTuple):
    user: str | int
    worker: str | None
    hashrate_1h: float


def parse_hashrate(data: Data) -> Hashrate:
    worker = read_worker(data) if data.get("worker") else None
    return Hashrate(read_user(data), worker, read_hashrate(data, "hashrate_1h"))


_SET_HASHRATES = """
INSERT INTO workers AS worker (user_id, name, hashrate_1h, hashrate_at)
SELECT user_id, name, rate, to_timestamp(at)
FROM unnest(%s::bigint[], string_to_array(%s, E'\\x1f'), %s::float8[], %s::float8[]) AS news (user_id, name, rate, at)
ORDER BY user_id, name
ON CONFLICT (user_id, name) DO UPDATE SET hashrate_1h = excluded.hashrate_1h, hashrate_at = excluded.hashrate_at
    WHERE worker.hashrate_at IS NULL OR excluded.hashrate_at >= worker.hashrate_at
"""


def handle_hashrates(facts: Sequence[Fact[Hashrate]], effects: Effects) -> None:
    """A rate of a user's workers together, without a worker, changes nothing: the sum is ours to make."""
    newest: dict[tuple[int, str], tuple[float, float]] = {}
    for fact in sorted(facts, key=lambda fact: fact.at):
        if fact.body.worker is not None:
            newest[fact.user_id, fact.body.worker] = fact.body.hashrate_1h, fact.at
    if newest:
        rates, times = zip(*newest.values(), strict=True)
        execute(_SET_HASHRATES, [*_worker_columns(newest), numbers(rates), numbers(times)])


class Best(NamedTuple):
    user: str | int
    new_best: float
    timeframe: str


def parse_best(data: Data) -> Best:
    timeframe = read_line(data, "timeframe", maximum=16)
    if timeframe not in ("session", "weekly", "alltime"):
        raise Malformed("timeframe must be session, weekly or alltime.")
    return Best(read_user(data), read_number(data, "new_best", maximum=MAX_DIFFICULTY), timeframe)


_LOCK_BESTS = (
    "SELECT user_id, best_difficulty FROM game_states WHERE user_id = ANY(%s) ORDER BY user_id FOR NO KEY UPDATE"
)
_SET_BESTS = """
UPDATE game_states SET best_difficulty = news.best FROM unnest(%s::bigint[], %s::float8[]) AS news (user_id, best)
WHERE game_states.user_id = news.user_id
"""


def handle_bests(facts: Sequence[Fact[Best]], effects: Effects) -> None:
    """Only bests of all time are kept here. One that an earlier event has passed is no news."""
    of_all_time = [fact for fact in facts if fact.body.timeframe == "alltime"]
    bests: dict[int, float] = dict(fetch(_LOCK_BESTS, [sorted({fact.user_id for fact in of_all_time})]))
    raised: dict[int, float] = {}
    for fact in of_all_time:
        best, previous = fact.body.new_best, bests.get(fact.user_id, 0)
        if best > previous:
            bests[fact.user_id] = raised[fact.user_id] = best
            known = {"previous": previous} if previous else {}
            variant = "" if previous else "first"
            effects.notify(
                "personal_best", [fact.user_id], origin=fact.origin, variant=variant, difficulty=best, **known
            )
    if raised:
        execute(_SET_BESTS, [list(raised), list(raised.values())])


class Block(NamedTuple):
    user: str | int
    height: int
    hash: str
    reward_sats: int


def parse_block(data: Data) -> Block:
    return Block(
        read_user(data),
        read_whole(data, "height"),
        read_line(data, "hash", maximum=64, default=""),
        read_whole(data, "reward_sats", maximum=MAX_ID, default=0),
    )


class Seat(NamedTuple):
    cooperative_id: int
    cooperative: str
    members: list[int]
    addresses: list[str]


_LOCK_USERS = "SELECT id FROM users WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE"
_LOCK_COOPERATIVES = """
SELECT id FROM cooperatives WHERE id IN (SELECT cooperative_id FROM cooperative_members WHERE user_id = ANY(%s))
ORDER BY id FOR NO KEY UPDATE
"""
_FIND_SEATS = """
SELECT finder.user_id, cooperative.id, cooperative.name, array_agg(fellow.user_id ORDER BY fellow.user_id),
       array_agg(users.btc_address ORDER BY fellow.user_id)
FROM cooperative_members finder
JOIN cooperatives cooperative ON cooperative.id = finder.cooperative_id
JOIN cooperative_members fellow ON fellow.cooperative_id = cooperative.id
JOIN users ON users.id = fellow.user_id
WHERE finder.user_id = ANY(%s) AND cooperative.id = ANY(%s)
GROUP BY finder.user_id, cooperative.id
"""
_ADD_BLOCKS_TO_COOPERATIVES = """
UPDATE cooperatives SET blocks_found = blocks_found + news.blocks
FROM (SELECT id, count(*) AS blocks FROM unnest(%s::bigint[]) AS id GROUP BY id) AS news
WHERE cooperatives.id = news.id
"""
_ADD_BLOCKS_TO_FINDERS = """
UPDATE game_states SET blocks_found = blocks_found + news.blocks
FROM (SELECT user_id, count(*) AS blocks FROM unnest(%s::bigint[]) AS user_id GROUP BY user_id) AS news
WHERE game_states.user_id = news.user_id
"""


def handle_blocks(facts: Sequence[Fact[Block]], effects: Effects) -> None:
    """A block counts for its finder and for the cooperative the finder is in now."""
    finder_ids = sorted({fact.user_id for fact in facts})
    seats = _lock_seats(finder_ids)
    finders = User.objects.in_bulk(finder_ids)
    for fact in facts:
        finder, block = finders[fact.user_id], fact.body
        effects.record(finder.pk, "block_found", height=block.height, hash=block.hash, reward_sats=block.reward_sats)
        if finder.is_active and finder.public_profile:
            effects.announce("block_found", origin=fact.origin, finder=finder.shown_name, height=block.height)
        else:
            effects.announce("block_found", origin=fact.origin, variant="anonymous", height=block.height)
        if finder.pk in seats:
            _tell_cooperative(seats[finder.pk], finder, fact, effects)
    execute(_ADD_BLOCKS_TO_COOPERATIVES, [[seats[f.user_id].cooperative_id for f in facts if f.user_id in seats]])
    execute(_ADD_BLOCKS_TO_FINDERS, [[fact.user_id for fact in facts]])


def _lock_seats(finder_ids: list[int]) -> dict[int, Seat]:
    """Where each finder sits. Read again under the locks, without which nobody comes or goes."""
    fetch(_LOCK_USERS, [finder_ids])
    cooperative_ids = [row[0] for row in fetch(_LOCK_COOPERATIVES, [finder_ids])]
    return {row[0]: Seat(*row[1:]) for row in fetch(_FIND_SEATS, [finder_ids, cooperative_ids])}


def _tell_cooperative(seat: Seat, finder: User, fact: Fact[Block], effects: Effects) -> None:
    effects.notify(
        "coop_activity",
        [user_id for user_id in seat.members if user_id != finder.pk],
        origin=fact.origin,
        variant="block",
        finder=finder.shown_name,
        height=fact.body.height,
        cooperative=seat.cooperative,
    )
    members = [
        {"user_id": str(user_id), "btc_address": address}
        for user_id, address in zip(seat.members, seat.addresses, strict=True)
    ]
    effects.outgoing.append(
        (
            "coop_block_found",
            {
                "cooperative_id": str(seat.cooperative_id),
                "user_id": str(finder.pk),
                "user": finder.btc_address,
                "height": fact.body.height,
                "hash": fact.body.hash,
                "members": members,
            },
        )
    )
