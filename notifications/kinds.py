"""The closed catalogue: every kind of notification there is, and how its texts are written (spec section 4)."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from string import Formatter
from typing import Any, NamedTuple

from bitcoingame.core.text import is_forbidden
from notifications.errors import BadValue, MissingValue, UnknownKind, UnknownValue

MAX_TITLE = 256
MAX_VALUE = 1000
MAX_NUMBER = 2**63


PEOPLE = frozenset({"finder", "member"})
"""The values that are a Person. No title and no other value names a user."""


class Person(NamedTuple):
    """A user whom a text names, and the name it says (User.shown_name)."""

    id: int
    name: str


class Kind(NamedTuple):
    """One kind. Its texts name their values in braces. `descriptions` is one text, or one text per variant.

    `anonymous` gives for each variant that names a Person the variant that says the same to those who may not see the
    name. It needs the same values without the Person.

    `preference` is the switch in NotificationPreferences that turns the kind off; a kind without one is always wanted.
    `lasts` is how long a notification of the kind is shown. None means that it does not expire.
    `details` are values that may be kept in the metadata although no text names them.
    """

    type: str
    title: str
    descriptions: str | Mapping[str, str]
    action_url: str
    action_label: str
    preference: str | None = None
    is_mailed: bool = False
    lasts: timedelta | None = None
    details: frozenset[str] = frozenset()
    anonymous: Mapping[str, str] = {}


CATALOGUE: Mapping[str, Kind] = {
    "personal_best": Kind(
        "mining",
        "New Best Difficulty!",
        {
            "": "Your best difficulty is now {difficulty:digits}, up from {previous:digits}.",
            "first": "Your best difficulty is now {difficulty:digits}.",
        },
        "/mining/difficulty",
        "View difficulty",
        preference="personal_best",
        is_mailed=True,
    ),
    "worker_online": Kind("mining", "Worker Online", "{worker} is mining again.", "/mining/workers", "View workers"),
    "worker_offline": Kind(
        "mining",
        "Worker Offline",
        {
            "": "{worker} has been offline for {minutes:minute}.",
            "flapping": "{worker} has gone silent {times} times in the last 24 hours.",
        },
        "/mining/workers",
        "View workers",
        is_mailed=True,
        details=frozenset({"worker_id", "silent_since"}),
    ),
    "streak_warning": Kind(
        "mining",
        "Streak Expiring Soon",
        "Your streak of {weeks:week} ends at 00:00 UTC unless you submit a share before.",
        "/profile/streaks",
        "View streak",
        lasts=timedelta(hours=6),
    ),
    "badge_earned": Kind(
        "gamification",
        'Badge Earned: "{name}"',
        {
            "": 'You earned the badge "{name}" and {xp:,} XP.',
            "no_xp": 'You earned the badge "{name}".',
            "described": "{about:sentence} You earned {xp:,} XP.",
            "described_no_xp": "{about:sentence}",
        },
        "/profile/badges",
        "View badges",
        preference="badge_earned",
    ),
    "level_up": Kind(
        "gamification",
        "Level Up!",
        {"": "You reached level {level}: {title}.", "untitled": "You reached level {level}."},
        "/profile/level",
        "View level",
    ),
    "streak_extended": Kind(
        "gamification",
        "Streak Extended!",
        "Your mining streak is now {weeks:week} long.",
        "/profile/streaks",
        "View streak",
    ),
    "education_recommendation": Kind(
        "gamification",
        "Recommended Lesson",
        "A lesson for you: {lesson}",
        "/learn",
        "Start learning",
        preference="education_recommendation",
    ),
    "match_starting": Kind(
        "competition",
        "World Cup Match Starting",
        "{team_a} against {team_b} is starting.",
        "/world-cup",
        "View match",
        preference="world_cup_match",
        lasts=timedelta(days=1),
    ),
    "match_result": Kind(
        "competition",
        "Match Complete: {score}",
        "{team_a} against {team_b} ended {score}.",
        "/world-cup",
        "View match",
        preference="world_cup_match",
        is_mailed=True,
    ),
    "lottery_results": Kind(
        "competition",
        "Weekly Lottery Results",
        "You ranked #{rank} in the lottery of week {week}.",
        "/games",
        "View results",
        preference="lottery_results",
        is_mailed=True,
    ),
    "leaderboard_change": Kind(
        "competition",
        "Leaderboard Update",
        "You moved from #{old_rank} to #{new_rank} on the {period:spoken} leaderboard.",
        "/leaderboard",
        "View leaderboard",
        preference="leaderboard_change",
    ),
    "block_found": Kind(
        "social",
        "Block Found!",
        {"": "{finder} found block #{height}.", "anonymous": "A miner found block #{height}."},
        "/mining/blocks",
        "View blocks",
        preference="block_found_any",
        is_mailed=True,
        anonymous={"": "anonymous"},
    ),
    "coop_activity": Kind(
        "social",
        "Cooperative Update",
        {
            "rank": "{cooperative} entered this week's top {rank}.",
            "first_place": "{cooperative} is in first place this week.",
            "streak": "{cooperative} has mined for {weeks:week} in a row.",
            "block": "{finder} found block #{height} for {cooperative}.",
            "block_anonymous": "A member found block #{height} for {cooperative}.",
            "renamed": "{old_name} has been renamed by our staff and is now called {cooperative}.",
            "new_code": "{cooperative} has a new invite code; the old one no longer works.",
        },
        "/coop",
        "View cooperative",
        preference="coop_activity",
        anonymous={"block": "block_anonymous"},
    ),
    "coop_member_joined": Kind(
        "social",
        "New Member Joined",
        {"": "{member} joined {cooperative}.", "anonymous": "A new member joined {cooperative}."},
        "/coop",
        "View cooperative",
        preference="coop_activity",
        anonymous={"": "anonymous"},
    ),
    "coop_removed": Kind(
        "social",
        "Removed from Cooperative",
        "You were removed from {cooperative}.",
        "/coop",
        "Find a cooperative",
    ),
    # What others do to one's own seat or cooperative. It has no switch, because the cooperative's other news are off
    # by default, and nobody would learn that they are now its admin.
    "coop_seat_changed": Kind(
        "social",
        "Your Cooperative Has Changed",
        {
            "became_admin": "You are now the admin of {cooperative}.",
            "no_longer_admin": "{cooperative} has been handed over: you are now a member of it.",
            "dissolved": "{cooperative} has been dissolved by our staff, and your seat with it.",
            "suspended": "{cooperative} has been suspended by our staff. You keep your seat and may leave.",
            "restored": "{cooperative} is active again.",
        },
        "/coop",
        "View cooperative",
    ),
    "maintenance": Kind(
        "system",
        "Scheduled Maintenance",
        {"": "{description}", "scheduled": "{description:sentence} It starts on {starts_at:%-d %B %Y at %H:%M} UTC."},
        "/dashboard",
        "Go to dashboard",
        is_mailed=True,
    ),
    "welcome": Kind(
        "system",
        "Welcome to The Bitcoin Game!",
        "Point your miner at the pool, watch your first shares arrive and join a cooperative.",
        "/dashboard",
        "Go to dashboard",
    ),
}


class Text(NamedTuple):
    """The texts of one notification, and the values in them, ready for JSON: times are ISO 8601 in UTC.

    If the description names a `person`, `anonymous` is the description without the name. `values` never hold the name.
    """

    title: str
    description: str
    values: dict[str, Any]
    person: Person | None = None
    anonymous: str | None = None


def find_kind(kind: str) -> Kind:
    """The catalogue's entry. Raises UnknownKind."""
    try:
        return CATALOGUE[kind]
    except (KeyError, TypeError):
        raise UnknownKind(f"There is no kind of notification called {kind!r}.") from None


def write_text(kind: str, variant: str, values: Mapping[str, Any]) -> Text:
    """Fills the kind's texts with the values: lines of plain text, numbers, datetimes with a zone, or a Person.

    Raises UnknownKind, MissingValue, UnknownValue or BadValue.
    """
    title, description, named = _templates(kind, variant)
    if missing := named - values.keys():
        raise MissingValue(f"{kind} needs {', '.join(sorted(missing))}.")
    if unknown := values.keys() - named - find_kind(kind).details:
        raise UnknownValue(f"{kind} does not speak of {', '.join(sorted(unknown))}.")
    clean = {name: _checked(name, value) for name, value in values.items()}
    person, others = _set_apart(clean)
    anonymous = write_text(kind, _anonymous_variant(kind, variant), others).description if person else None
    text = Text(fill_text(title, clean), fill_text(description, clean), _for_json(others), person, anonymous)
    if len(text.title) > MAX_TITLE:
        raise BadValue(f"The title of this {kind} would be longer than {MAX_TITLE} characters.")
    return text


def fill_text(template: str, values: Mapping[str, Any]) -> str:
    """Fills a template with values, in the formats that _Writer describes."""
    return _WRITER.vformat(template, (), values)


@cache
def _templates(kind: str, variant: str) -> tuple[str, str, frozenset[str]]:
    found = find_kind(kind)
    descriptions = found.descriptions if isinstance(found.descriptions, Mapping) else {"": found.descriptions}
    if variant not in descriptions:
        raise UnknownKind(f"{kind} has no variant {variant!r}; it has {', '.join(map(repr, descriptions))}.")
    named = {name for _, name, _, _ in Formatter().parse(found.title + descriptions[variant]) if name}
    return found.title, descriptions[variant], frozenset(named)


def _set_apart(values: Mapping[str, Any]) -> tuple[Person | None, dict[str, Any]]:
    """The person among the values, if there is one, and the other values."""
    others = {name: value for name, value in values.items() if name not in PEOPLE}
    return next((values[name] for name in values if name in PEOPLE), None), others


def _anonymous_variant(kind: str, variant: str) -> str:
    try:
        return find_kind(kind).anonymous[variant]
    except KeyError:
        raise UnknownKind(f"{kind} has no anonymous variant of {variant!r}.") from None


def _checked(name: str, value: Any) -> Any:
    if name in PEOPLE:
        return _checked_person(name, value)
    match value:
        case str() if 0 < len(value) <= MAX_VALUE and not value.isspace() and not any(map(is_forbidden, value)):
            return value
        case int() | float() if not isinstance(value, bool) and abs(value) < MAX_NUMBER:
            return value
        case datetime() if value.tzinfo is not None:
            return value.astimezone(UTC)
    raise BadValue(
        f"{name} must be one line of plain text of 1 to {MAX_VALUE} characters, a number, or a time with its zone."
    )


def _checked_person(name: str, value: Any) -> Person:
    match value:
        case Person(id=int(), name=str() as called):
            _checked(f"the name of the {name}", called)
            return value
    raise BadValue(f"{name} must be a Person.")


def _for_json(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in values.items()}


class _Writer(Formatter):
    """Knows these formats besides Python's own.

    `{x:short}` is shorten(x), `{x:digits}` is in_full(x), `{x:btc}` writes satoshis as bitcoins, `{x:sentence}` ends
    the text with a full stop if it has no end, `{x:spoken}` parts the words of a token, and `{x:week}` writes the
    number with its noun: 1 week, 5 weeks. A Person is written as the name.
    """

    def format_field(self, value: Any, format_spec: str) -> str:
        if isinstance(value, Person):
            return value.name
        match format_spec:
            case "short":
                return shorten(value)
            case "digits":
                return in_full(value)
            case "btc":
                return in_bitcoins(value)
            case "sentence":
                return end_sentence(value)
            case "spoken":
                return speak(value)
        if format_spec.isalpha():
            return f"{value:,} {format_spec}" + ("" if value == 1 else "s")
        return str(super().format_field(value, format_spec))


_WRITER = _Writer()


def shorten(number: float) -> str:
    """Three significant digits in the dashboard's units: 1_240_000_000 is 1.24B. Beyond 999T the digits go on."""
    for unit in ("", "K", "M", "B"):
        if abs(float(f"{number:.3g}")) < 1000:
            return f"{number:.3g}{unit}"
        number /= 1000
    rounded = float(f"{number:.3g}")
    return (f"{number:.3g}" if rounded < 1000 else f"{rounded:,.0f}") + "T"


def in_full(number: float) -> str:
    """All digits before the point, as the dashboard draws a difficulty: 4,231,847,293. Small numbers keep decimals."""
    if abs(number) >= 1000:
        return f"{number:,.0f}"
    return f"{number:,.2f}".rstrip("0").rstrip(".") if abs(number) >= 1 or not number else f"{number:.3g}"


def in_bitcoins(satoshis: int) -> str:
    """312_500_000 satoshis are 3.125."""
    return f"{satoshis // 10**8:,}.{satoshis % 10**8:08}".rstrip("0").rstrip(".")


def end_sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?", "…", "。", "！", "？")) else f"{text}."  # noqa: RUF001


_SPOKEN = {"alltime": "all-time", "all_time": "all-time"}


def speak(token: str) -> str:
    """world_cup is world cup, and alltime is all-time."""
    return _SPOKEN.get(token, token.replace("_", " "))
