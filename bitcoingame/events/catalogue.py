"""All events in one table, each with the function that parses it and the one that handles it.

A new event is a row here, and its functions in mining.py or game.py.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from bitcoingame.events import game, mining
from bitcoingame.events.effects import Effects, Fact
from bitcoingame.events.facts import A_MONTH, A_YEAR, Key, ShareKey
from bitcoingame.events.fields import Data, Malformed


class Event(NamedTuple):
    """`parse` reads one event's data or raises Malformed. `handle` takes many events at once, in few statements.

    `key` gives what a fact is recognised by when it is told again, from its user's id (0 if it has none), the time that
    its producer gives (Unix time) and what `parse` returned. It is None for news of a state: the latest news holds, and
    hearing it again changes nothing. `kept` is how long the key is remembered.
    """

    parse: Callable[[Data], Any]
    handle: Callable[[Sequence[Fact[Any]], Effects], None]
    key: Callable[[int, float, Any], Key | ShareKey | None] | None
    kept: timedelta = A_MONTH


# The events of one transaction are handled in this order.
EVENTS: Mapping[str, Event] = {
    "user_onboarded": Event(game.parse_onboarding, game.handle_onboardings, game.key_of_onboarding, A_YEAR),
    "block_found": Event(mining.parse_block, mining.handle_blocks, mining.key_of_block, A_YEAR),
    "miner_disconnected": Event(mining.parse_disconnected, mining.handle_presence, None),
    "miner_connected": Event(mining.parse_connected, mining.handle_presence, None),
    "hashrate_update": Event(mining.parse_hashrate, mining.handle_hashrates, None),
    "share_submitted": Event(mining.parse_share, mining.handle_shares, mining.key_of_share),
    "share_best_diff": Event(mining.parse_best, mining.handle_bests, mining.key_of_best),
    "badge_earned": Event(game.parse_badge, game.handle_badges, game.key_of_badge, A_YEAR),
    "level_up": Event(game.parse_level, game.handle_levels, game.key_of_level, A_YEAR),
    "streak_extended": Event(game.parse_streak, game.handle_streaks, game.key_of_streak),
    "streak_milestone": Event(game.parse_streak, game.handle_streak_milestones, game.key_of_streak, A_YEAR),
    "game_played": Event(game.parse_game, game.handle_games, game.key_of_game),
    "lottery_results": Event(game.parse_lottery, game.handle_lotteries, game.key_of_lottery, A_YEAR),
    "match_starting": Event(game.parse_starting_match, game.handle_starting_matches, game.key_of_match, A_YEAR),
    "match_result": Event(game.parse_match_result, game.handle_match_results, game.key_of_match, A_YEAR),
    "leaderboard_change": Event(game.parse_ranking, game.handle_rankings, game.key_of_ranking),
    "worldcup_registered": Event(game.parse_registration, game.handle_registrations, game.key_of_registration, A_YEAR),
    "education_recommendation": Event(game.parse_lesson, game.handle_lessons, game.key_of_lesson),
    "maintenance": Event(game.parse_maintenance, game.handle_maintenance, game.key_of_maintenance, A_YEAR),
}

FREQUENT = frozenset({"share_submitted", "miner_connected", "miner_disconnected", "hashrate_update"})
"""Events that come by the thousand. Each leaves a row of its user's worker, so their users may come from memory."""

PLATFORM_STREAM = "platform:events"

# The streams are handled in this order, because a miner connects before it submits. The number keeps the positions of
# a stream's entries apart from those of other streams: never change one, and give a new stream a new number.
STREAMS: Mapping[str, int] = {
    "mining:block_found": 1,
    "mining:miner_disconnected": 2,
    "mining:miner_connected": 3,
    "mining:hashrate_update": 4,
    "mining:share_best_diff": 5,
    "mining:share_submitted": 6,
    PLATFORM_STREAM: 7,
}


def name_of_event(stream: str, event: str | None) -> str:
    """The event's name in EVENTS: the name it gives, or its stream's, without their prefixes. Raises Malformed."""
    if event is not None and event in EVENTS:
        return event
    name = (event or stream).removeprefix("mining:").removeprefix("platform:")
    if name in EVENTS:
        return name
    raise Malformed("There is no event of this name." if event else "event is missing.")
