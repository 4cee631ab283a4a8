"""A minute of simulated mining in which every event is sent three times, and what it must come to.

The pool is the simulator's, with more blocks. Copies come as entries of their own, up to some hundreds of entries
later, each with an event_id of its own or without one; some come by POST.
"""

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import orjson

from bitcoingame.events.envelope import Incoming, posted
from bitcoingame.local import simulator
from bitcoingame.local.simulator import Pool
from bitcoingame.models import OutgoingEvent
from notifications.models import Broadcast
from profiles.models import DailyShares, EarnedBadge, GameState
from social.models import Cooperative, CooperativeMember, UserActivity

COPIES = 3
SECONDS = 60.0
FARTHEST = 300
BLOCK_EVERY = 150
PLATFORM = "platform:events"
COUNTED = ("badge_earned", "game_played", "block_found", "streak_milestone", "worldcup_registered")


class Told(NamedTuple):
    """One event of the minute. `at` is Unix time."""

    stream: str
    event: str
    at: float
    data: dict[str, Any]


def simulate_minute(pool: Pool, *, shares: int, start: float) -> list[Told]:
    """The events that so many shares in the minute from `start` bring about, and some of the games' weekly ones."""
    events = []
    for number in range(shares):
        at = start + SECONDS * number / shares
        events += [Told(stream, event, round(at, 3), data) for stream, event, data in pool.share()]
        if number % (BLOCK_EVERY // 3) == 0:
            events += [Told(PLATFORM, event, round(at, 3), data) for event, data in _of_the_week(pool)]
    return events


def _of_the_week(pool: Pool) -> Iterator[tuple[str, dict[str, Any]]]:
    user = {"user": pool.chance.choice(pool.miners).user}
    yield "lottery_results", {**user, "rank": pool.chance.randint(1, 9), "week_iso": "2026-W01"}
    yield "streak_milestone", {**user, "streak_weeks": pool.chance.choice((4, 12))}
    yield "worldcup_registered", {**user, "country_code": "PT"}


def tell_thrice(events: Sequence[Told], chance: random.Random) -> list[Incoming]:
    """Every event three times, as entries and by POST, in the order in which they arrive."""
    arriving = []
    for number, told in enumerate(events):
        for copy in range(COPIES):
            place = number + (chance.randrange(FARTHEST) if copy else 0)
            arriving.append((place, number, copy, told))
    arriving.sort(key=lambda arrival: arrival[:3])
    return [
        _arrive(order, number, copy, told, chance) for order, (_, number, copy, told) in enumerate(arriving, start=1)
    ]


def _arrive(order: int, number: int, copy: int, told: Told, chance: random.Random) -> Incoming:
    event_id = f"{number}-{copy}"
    if copy and chance.random() < 0.1:
        return posted({"event": told.event, "event_id": event_id, "ts": told.at, "data": told.data})
    data = told.data | {"hash": ""} if told.event == "block_found" and chance.random() < 0.3 else told.data
    fields = {b"event": told.event.encode(), b"ts": f"{told.at:.3f}".encode(), b"data": orjson.dumps(data)}
    if chance.random() < 0.5:
        fields[b"event_id"] = event_id.encode()
    return Incoming(told.stream, f"{int((told.at + FARTHEST) * 1000)}-{order}", fields)


def more_blocks() -> None:
    """At the simulator's rate nobody would see a block in a minute."""
    simulator.BLOCK_EVERY = BLOCK_EVERY  # type: ignore[misc, assignment]


def expected_counts(events: Iterable[Told]) -> dict[str, int]:
    """What the events must come to, counted here from the facts themselves."""
    facts: dict[str, set[Any]] = {}
    for _, event, at, data in events:
        facts.setdefault(event, set()).add(orjson.dumps([_fact_of(event, at, data)]))
    accepted = {fact for fact in facts["share_submitted"] if _first(fact)[-1]}
    finders = Counter(_first(fact)[0] for fact in facts.get("block_found", ()))
    in_cooperatives = set(CooperativeMember.objects.values_list("user__btc_address", flat=True))
    of_cooperatives = sum(blocks for finder, blocks in finders.items() if finder in in_cooperatives)
    notable = sum(sdiff >= 100 * diff for _, _, diff, sdiff, _, _ in map(_first, accepted))
    return {
        "shares of the days": len(accepted),
        "shares in total": len(accepted),
        "blocks of the miners": sum(finders.values()),
        "blocks of the cooperatives": of_cooperatives,
        "coop_block_found sent": of_cooperatives,
        "blocks announced": sum(finders.values()),
        "badges": len(facts.get("badge_earned", ())),
        "lottery_result in the feeds": len(facts["lottery_results"]),
        "share_submitted in the feeds": notable,
        **{f"{kind} in the feeds": len(facts.get(kind, ())) for kind in COUNTED},
    }


def _first(dumped: bytes) -> Any:
    return orjson.loads(dumped)[0]


def _fact_of(event: str, at: float, data: dict[str, Any]) -> list[Any]:
    """What makes the event the fact that it is; written apart from the catalogue's keys."""
    user = data.get("user")
    match event:
        case "share_submitted":
            return [user, data["worker"], data["diff"], data["sdiff"], int(at), data["accepted"]]
        case "block_found":
            return [user, data["hash"]]
        case "badge_earned":
            return [user, data["badge_slug"]]
        case "game_played":
            return [user, data["game_type"], int(at)]
        case "streak_milestone":
            return [user, data["streak_weeks"]]
        case _:
            return [user]


def stored_counts() -> dict[str, int]:
    """What the tables hold, under the names of expected_counts."""
    feed = Counter(UserActivity.objects.values_list("activity_type", flat=True))
    return {
        "shares of the days": sum(DailyShares.objects.values_list("shares", flat=True)),
        "shares in total": sum(GameState.objects.values_list("total_shares", flat=True)),
        "blocks of the miners": sum(GameState.objects.values_list("blocks_found", flat=True)),
        "blocks of the cooperatives": sum(Cooperative.objects.values_list("blocks_found", flat=True)),
        "coop_block_found sent": OutgoingEvent.objects.filter(event="coop_block_found").count(),
        "blocks announced": Broadcast.objects.filter(kind="block_found").count(),
        "badges": EarnedBadge.objects.count(),
        "lottery_result in the feeds": feed["lottery_result"],
        "share_submitted in the feeds": feed["share_submitted"],
        **{f"{kind} in the feeds": feed[kind] for kind in COUNTED},
    }
