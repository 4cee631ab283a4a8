"""What the activity feed says of each kind of activity: the line below its title (spec section 5)."""

from collections.abc import Mapping, Sequence
from string import Formatter
from typing import Any

from notifications.kinds import fill_text

DESCRIPTIONS: Mapping[str, Sequence[str]] = {
    "share_submitted": (
        "{worker} found a share of difficulty {difficulty:short}; the pool asked for {assigned:short}.",
        "You found a share of difficulty {difficulty:short}.",
        "You found a share far above what the pool asked for.",
    ),
    "badge_earned": (
        "{about:sentence} You earned {xp:,} XP.",
        "{about:sentence}",
        'You earned the badge "{name}" and {xp:,} XP.',
        'You earned the badge "{name}".',
        "You earned a badge.",
    ),
    "level_up": ("You reached level {level}: {title}.", "You reached level {level}.", "You reached a new level."),
    "game_played": ("You played a game of {game_type:spoken}.", "You played a game."),
    "lottery_result": (
        "You ranked #{rank} in the lottery of week {week}.",
        "You ranked #{rank} in the weekly lottery.",
        "You took part in the weekly lottery.",
    ),
    "coop_joined": ("You became a member of {name}.", "You became a member of a cooperative."),
    "coop_created": ("You founded {name} and became its admin.", "You founded a cooperative."),
    "streak_milestone": ("You have mined for {weeks:week} in a row.", "You have mined week after week."),
    "worldcup_registered": ("You registered to play for {country_code}.", "You registered to play."),
    "block_found": (
        "You found block #{height} and its reward of {reward_sats:btc} BTC.",
        "You found block #{height}.",
        "You found a block.",
    ),
}
"""For each kind its sentences, the fullest first. The first whose values are all there, and not 0 or empty, is used.

The last one needs no value.
"""


def describe_activity(kind: str, values: Mapping[str, Any]) -> str:
    """The sentence for an activity with these values. Raises KeyError if the kind is not in the catalogue."""
    known = {name for name, value in values.items() if value}
    fitting = (sentence for sentence in DESCRIPTIONS[kind] if _names_in(sentence) <= known)
    return next(text for sentence in fitting if (text := _fill(sentence, values)))


def _fill(sentence: str, values: Mapping[str, Any]) -> str | None:
    """None if a value is of another type than the sentence takes, because scripts may store any."""
    try:
        return fill_text(sentence, values)
    except (TypeError, ValueError, AttributeError):
        return None


def _names_in(sentence: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(sentence) if name}
