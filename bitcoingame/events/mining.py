"""Events of the pool: shares, presence, hashrates, bests, blocks.

Each has a NamedTuple, a function that parses it (raises Malformed) and one that handles many at once.
"""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from bitcoingame.events.effects import Effects, Fact
from bitcoingame.events.facts import Key, ShareKey, digest_worker
from bitcoingame.events.fields import (
    MAX_DIFFICULTY,
    MAX_ID,
    UNNAMED_WORKER,
    Data,
    Malformed,
    is_blank,
    read_flag,
    read_hashrate,
    read_line,
    read_number,
    read_user,
    read_whole,
    read_worker,
)
from notifications.kinds import Person
from profiles import mining
from profiles.mining import Return, UserAndDay, UserAndName
from profiles.models import User
from social.blocks import Seat, add_blocks, lock_seats

NOTABLE_RATIO = 100
"""A share this many times harder than assigned stands in the miner's feed. One share in as many is so hard."""

_SECONDS_PER_DAY = 86400
_HASH = re.compile(r"0*[1-9a-f][0-9a-f]*")


class Share(NamedTuple):
    """`diff` is the difficulty the pool assigned, `sdiff` the difficulty the share reached.

    `diff` is 0 if the producer does not know it, and `worker` is None: such a share counts for its miner, but it is not
    notable, and no machine is heard.
    """

    user: str | int
    worker: str | None
    diff: float
    sdiff: float
    accepted: bool


def parse_share(data: Data) -> Share:
    user = read_user(data)
    diff = read_number(data, "diff", maximum=MAX_DIFFICULTY, default=0.0)
    sdiff = read_number(data, "sdiff", maximum=MAX_DIFFICULTY)
    accepted = data.get("accepted", True)
    if accepted is not True:
        accepted = read_flag(data, "accepted", default=True)
    return Share(user, read_worker(data), diff, sdiff, accepted)


def key_of_share(user_id: int, at: float, share: Share) -> ShareKey | None:
    """A share that was not accepted has no key, because it counts nowhere."""
    if not share.accepted:
        return None
    name = share.worker if share.worker != UNNAMED_WORKER else None
    return ShareKey(int(at), digest_worker(user_id, name or ""), share.sdiff)


def handle_shares(facts: Sequence[Fact[Share]], effects: Effects) -> None:
    heard: dict[UserAndName, list[float]] = {}
    days: dict[UserAndDay, list[float]] = {}
    totals: dict[int, int] = {}
    for user_id, at, _, (_, name, diff, sdiff, accepted) in facts:
        if name is not None:
            _hear(heard, (user_id, name), at, diff, sdiff if accepted else 0.0)
        if accepted:
            _count(days, (user_id, int(at // _SECONDS_PER_DAY)), sdiff)
            totals[user_id] = totals.get(user_id, 0) + 1
            if diff and sdiff >= NOTABLE_RATIO * diff:
                values = {"worker": name or "", "difficulty": sdiff, "assigned": diff}
                effects.record(user_id, "share_submitted", at=at, **values)
    back = mining.hear_shares(heard) if heard else []
    if totals:
        mining.count_shares(days, totals)
    _notify_online(back, effects)


def _hear(heard: dict[UserAndName, list[float]], worker: UserAndName, at: float, diff: float, best: float) -> None:
    """Adds a share to `heard`: {machine: the values of its MachineNews}. `best` is 0 if the share was refused."""
    news = heard.get(worker)
    if news is None:
        heard[worker] = [at, diff, best]
        return
    if news[0] <= at:
        news[0] = at
        news[1] = diff or news[1]
    if news[2] < best:
        news[2] = best


def _count(days: dict[UserAndDay, list[float]], day: UserAndDay, sdiff: float) -> None:
    """Counts a share in `days`: {(user, day): [shares, best difficulty among them]}."""
    counted = days.get(day)
    if counted is None:
        days[day] = [1, sdiff]
        return
    counted[0] += 1
    if counted[1] < sdiff:
        counted[1] = sdiff


def _notify_online(machines: Iterable[Return], effects: Effects) -> None:
    """Notifies once per silence, however often the news of its end is repeated."""
    for worker_id, user_id, name, silent_since in machines:
        effects.notify("worker_online", [user_id], origin=f"{worker_id}:{silent_since.timestamp():.6f}", worker=name)


class Presence(NamedTuple):
    """`worker` is None if the pool does not know the machine."""

    user: str | int
    worker: str | None
    is_online: bool


def parse_connected(data: Data) -> Presence:
    return Presence(read_user(data), read_worker(data), True)


def parse_disconnected(data: Data) -> Presence:
    return Presence(read_user(data), read_worker(data), False)


def handle_presence(facts: Sequence[Fact[Presence]], effects: Effects) -> None:
    newest: dict[UserAndName, tuple[bool, float]] = {}
    for fact in sorted(facts, key=lambda fact: fact.at):
        if fact.body.worker is not None:
            newest[fact.user_id, fact.body.worker] = fact.body.is_online, fact.at
    if newest:
        _notify_online(mining.hear_presence(newest), effects)


class Hashrate(NamedTuple):
    """Rates in H/s. `steady_rate` is the lower of the 1h and the 1d rate, which leaps less when a share comes."""

    user: str | int
    worker: str | None
    hashrate_1h: float
    steady_rate: float


def parse_hashrate(data: Data) -> Hashrate:
    worker = None if is_blank(data.get("worker")) else read_worker(data)
    rate = read_hashrate(data, "hashrate_1h")
    return Hashrate(read_user(data), worker, rate, _steady_rate(data, rate))


def _steady_rate(data: Data, rate: float) -> float:
    """`rate` itself if the day's rate is missing, 0 or not readable, because nothing else depends on the day's."""
    try:
        return min(rate, read_hashrate(data, "hashrate_1d") or rate)
    except Malformed:
        return rate


def handle_hashrates(facts: Sequence[Fact[Hashrate]], effects: Effects) -> None:
    """A rate without a worker is the user's sum. It changes nothing, because we add the workers up ourselves."""
    newest: dict[UserAndName, tuple[float, float, float]] = {}
    for fact in sorted(facts, key=lambda fact: fact.at):
        if fact.body.worker is not None:
            newest[fact.user_id, fact.body.worker] = fact.body.hashrate_1h, fact.body.steady_rate, fact.at
    if newest:
        mining.set_hashrates(newest)


class Best(NamedTuple):
    """`new_best` is a difficulty; `timeframe` is session, weekly or alltime."""

    user: str | int
    new_best: float
    timeframe: str


def parse_best(data: Data) -> Best:
    timeframe = read_line(data, "timeframe", maximum=16)
    if timeframe not in ("session", "weekly", "alltime"):
        raise Malformed("timeframe must be session, weekly or alltime.")
    return Best(read_user(data), read_number(data, "new_best", maximum=MAX_DIFFICULTY), timeframe)


def key_of_best(user_id: int, at: float, best: Best) -> Key:
    return Key((user_id, best.timeframe, best.new_best))


def handle_bests(facts: Sequence[Fact[Best]], effects: Effects) -> None:
    """Only bests of all time are kept. One that is not above the best we know changes nothing."""
    of_all_time = [fact for fact in facts if fact.body.timeframe == "alltime"]
    bests = mining.lock_bests(fact.user_id for fact in of_all_time)
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
        mining.set_bests(raised)


class Block(NamedTuple):
    user: str | int
    height: int
    hash: str
    reward_sats: int


def parse_block(data: Data) -> Block:
    return Block(
        read_user(data),
        read_whole(data, "height"),
        read_line(data, "hash", maximum=66, default="").lower().removeprefix("0x"),
        read_whole(data, "reward_sats", maximum=MAX_ID, default=0),
    )


def key_of_block(user_id: int, at: float, block: Block) -> Key:
    """One collector may know the hash and another may not, so a block's height and finder are recorded with its hash.

    A finder may have two blocks of one height, because one of them may lose the race for the chain. What stands in
    place of a hash that the collector does not know ("unknown", zeros) is the same for all its blocks, so it is no key.
    """
    return Key((user_id, block.height), exactly=(block.hash,) if _HASH.fullmatch(block.hash) else ())


def handle_blocks(facts: Sequence[Fact[Block]], effects: Effects) -> None:
    """A block counts for its finder, and for the cooperative in which the finder is now."""
    finder_ids = sorted({fact.user_id for fact in facts})
    seats = lock_seats(finder_ids)
    finders = User.objects.in_bulk(finder_ids)
    for fact in facts:
        finder, block = finders[fact.user_id], fact.body
        values = {"height": block.height, "hash": block.hash, "reward_sats": block.reward_sats}
        effects.record(finder.pk, "block_found", at=fact.at, **values)
        person = Person(finder.pk, finder.shown_name)
        effects.announce("block_found", origin=fact.origin, finder=person, height=block.height)
        if finder.pk in seats:
            _notify_cooperative(seats[finder.pk], finder, fact, effects)
    add_blocks([seats[fact.user_id].cooperative_id for fact in facts if fact.user_id in seats])
    mining.add_blocks([fact.user_id for fact in facts])


def _notify_cooperative(seat: Seat, finder: User, fact: Fact[Block], effects: Effects) -> None:
    """Notifies the other members, and sends the platform `coop_block_found`."""
    effects.notify(
        "coop_activity",
        [user_id for user_id in seat.members if user_id != finder.pk],
        origin=fact.origin,
        variant="block",
        finder=Person(finder.pk, finder.shown_name),
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
