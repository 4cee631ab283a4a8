"""Events of the platform's other services: badges, levels, streaks, games, matches, lessons, maintenance.

Each has a NamedTuple, a function that parses it (raises Malformed), one that says what the fact is recognised by when
it is told again, and one that handles many at once. The times in keys are those that the producers give.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime
from hashlib import blake2b
from typing import NamedTuple

from bitcoingame.core.weeks import WEEK, utc_day, week_name, week_of
from bitcoingame.events.effects import Effects, Fact
from bitcoingame.events.facts import Key
from bitcoingame.events.fields import Data, Malformed, is_blank, read_ids, read_label, read_line, read_user, read_whole
from profiles import mining
from profiles.mining import NewBadge

RANKS_WORTH_TELLING = 5
MAX_MATCH_USERS = 10_000
_VARIANTS_OF_BADGE = {
    (True, True): "described",
    (True, False): "described_no_xp",
    (False, True): "",
    (False, False): "no_xp",
}
"""The variants of badge_earned, by whether the event describes the badge and whether the badge brings XP."""
NOBODY = ""
"""Stands in place of the user if an event has none."""


class Badge(NamedTuple):
    user: str | int
    slug: str
    name: str
    xp: int
    about: str


def parse_badge(data: Data) -> Badge:
    return Badge(
        read_user(data),
        read_line(data, "badge_slug", maximum=64),
        read_line(data, "badge_name", maximum=128),
        read_whole(data, "xp_reward", maximum=1_000_000_000, default=0),
        _read_about(data),
    )


def _read_about(data: Data) -> str:
    """What the badge is for. It is decoration: one that cannot be shown is left out."""
    try:
        return read_line(data, "description", maximum=500, default="")
    except Malformed:
        return ""


def key_of_badge(user_id: int, at: float, badge: Badge) -> Key:
    return Key((user_id, badge.slug))


def handle_badges(facts: Sequence[Fact[Badge]], effects: Effects) -> None:
    """A user earns a badge once, however many events report it."""
    first: dict[tuple[int, str], Fact[Badge]] = {}
    for fact in facts:
        first.setdefault((fact.user_id, fact.body.slug), fact)
    badges = [NewBadge(fact.user_id, fact.body.slug, fact.body.name, fact.at) for fact in first.values()]
    rewards: Counter[int] = Counter()
    for kept in mining.keep_badges(badges):
        user_id, at, origin, badge = first[kept]
        rewards[user_id] += badge.xp
        values = {"name": badge.name, "slug": badge.slug, "xp": badge.xp, "about": badge.about}
        effects.record(user_id, "badge_earned", at=at, **values)
        _notify_of_badge(user_id, origin, badge, effects)
    if rewards:
        mining.reward_badges(rewards)


def _notify_of_badge(user_id: int, origin: str, badge: Badge, effects: Effects) -> None:
    values: dict[str, str | int] = {"name": badge.name}
    if badge.about:
        values["about"] = badge.about
    if badge.xp:
        values["xp"] = badge.xp
    variant = _VARIANTS_OF_BADGE[bool(badge.about), bool(badge.xp)]
    effects.notify("badge_earned", [user_id], origin=origin, variant=variant, **values)


class Level(NamedTuple):
    user: str | int
    level: int
    title: str


def parse_level(data: Data) -> Level:
    return Level(read_user(data), read_whole(data, "new_level", minimum=1), read_line(data, "title", maximum=64))


def key_of_level(user_id: int, at: float, level: Level) -> Key:
    return Key((user_id, level.level))


def handle_levels(facts: Sequence[Fact[Level]], effects: Effects) -> None:
    """Levels only rise. A lower level that arrives late changes nothing."""
    levels = mining.lock_levels(fact.user_id for fact in facts)
    reached: dict[int, tuple[int, str]] = {}
    for user_id, at, origin, (_, level, title) in facts:
        if level > levels.get(user_id, 1):
            levels[user_id] = level
            reached[user_id] = level, title
            effects.record(user_id, "level_up", at=at, level=level, title=title)
            effects.notify("level_up", [user_id], origin=origin, level=level, title=title)
    if reached:
        mining.set_levels(reached)


class Streak(NamedTuple):
    user: str | int
    weeks: int


def parse_streak(data: Data) -> Streak:
    return Streak(read_user(data), read_whole(data, "streak_weeks", minimum=1, maximum=10_000))


def key_of_streak(user_id: int, at: float, streak: Streak) -> Key:
    return Key((user_id, streak.weeks, str(_week_at(at))))


def _week_at(at: float) -> date:
    return week_of(utc_day(datetime.fromtimestamp(at, UTC)))


def handle_streaks(facts: Sequence[Fact[Streak]], effects: Effects) -> None:
    """The streak the platform reports replaces ours. The user is notified once a week, by this or by Monday's job."""
    newest: dict[int, tuple[int, date]] = {}
    for fact in sorted(facts, key=lambda fact: fact.at):
        week = _week_at(fact.at)
        newest[fact.user_id] = fact.body.weeks, week - WEEK
        effects.notify("streak_extended", [fact.user_id], origin=week_name(week), weeks=fact.body.weeks)
    mining.set_streaks(newest)


def handle_streak_milestones(facts: Sequence[Fact[Streak]], effects: Effects) -> None:
    for fact in facts:
        effects.record(fact.user_id, "streak_milestone", at=fact.at, weeks=fact.body.weeks)


class Game(NamedTuple):
    user: str | int
    game_type: str


def parse_game(data: Data) -> Game:
    return Game(read_user(data), read_line(data, "game_type", maximum=64))


def key_of_game(user_id: int, at: float, game: Game) -> Key:
    """Nobody plays a game twice within one second."""
    return Key((user_id, game.game_type, int(at)))


def handle_games(facts: Sequence[Fact[Game]], effects: Effects) -> None:
    for fact in facts:
        effects.record(fact.user_id, "game_played", at=fact.at, game_type=fact.body.game_type)


class Lottery(NamedTuple):
    user: str | int
    rank: int
    week: str


def parse_lottery(data: Data) -> Lottery:
    return Lottery(read_user(data), read_whole(data, "rank", minimum=1), read_line(data, "week_iso", maximum=16))


def key_of_lottery(user_id: int, at: float, lottery: Lottery) -> Key:
    return Key((user_id, lottery.week.upper()))


def handle_lotteries(facts: Sequence[Fact[Lottery]], effects: Effects) -> None:
    for user_id, at, origin, result in facts:
        effects.record(user_id, "lottery_result", at=at, rank=result.rank, week=result.week)
        effects.notify("lottery_results", [user_id], origin=origin, rank=result.rank, week=result.week)


class Match(NamedTuple):
    """`match_id` is "" if the producer gives none."""

    user_ids: Sequence[int]
    team_a: str
    team_b: str
    score: str
    match_id: str
    user: str = NOBODY


def parse_starting_match(data: Data) -> Match:
    return Match(
        read_ids(data, "user_ids", maximum=MAX_MATCH_USERS),
        read_line(data, "team_a", maximum=64),
        read_line(data, "team_b", maximum=64),
        score="",
        match_id=read_label(data, "match_id", maximum=128),
    )


def parse_match_result(data: Data) -> Match:
    score = f"{read_whole(data, 'score_a')}–{read_whole(data, 'score_b')}"  # noqa: RUF001 - an en dash
    return parse_starting_match(data)._replace(score=score)


def key_of_match(user_id: int, at: float, match: Match) -> Key:
    """A match of many users is told in several events, so the users belong to the key.

    Without a match_id the teams, the score and the second name the match.
    """
    user_ids = sorted(set(match.user_ids))
    exactly = (match.match_id, *user_ids) if match.match_id else ()
    return Key((*_name_without_id(match, at), *user_ids), exactly=exactly)


def _name_without_id(match: Match, at: float) -> tuple[str, str, str, int]:
    return match.team_a, match.team_b, match.score, int(at)


def _origin_of(fact: Fact[Match]) -> str:
    """One for each match, so that a user whom two events about a match name is told once."""
    name = fact.body.match_id or repr(_name_without_id(fact.body, fact.at))
    return f"match:{blake2b(name.encode(), digest_size=16).hexdigest()}"


def handle_starting_matches(facts: Sequence[Fact[Match]], effects: Effects) -> None:
    for fact in facts:
        match = fact.body
        effects.notify(
            "match_starting", match.user_ids, origin=_origin_of(fact), team_a=match.team_a, team_b=match.team_b
        )


def handle_match_results(facts: Sequence[Fact[Match]], effects: Effects) -> None:
    for fact in facts:
        match = fact.body
        effects.notify(
            "match_result",
            match.user_ids,
            origin=_origin_of(fact),
            team_a=match.team_a,
            team_b=match.team_b,
            score=match.score,
        )


class Ranking(NamedTuple):
    user: str | int
    old_rank: int
    new_rank: int
    period: str


def parse_ranking(data: Data) -> Ranking:
    return Ranking(
        read_user(data),
        read_whole(data, "old_rank", minimum=1),
        read_whole(data, "new_rank", minimum=1),
        read_line(data, "period", maximum=32),
    )


def key_of_ranking(user_id: int, at: float, ranking: Ranking) -> Key:
    return Key((user_id, ranking.period, ranking.old_rank, ranking.new_rank, _day_at(at)))


def _day_at(at: float) -> str:
    return str(utc_day(datetime.fromtimestamp(at, UTC)))


def handle_rankings(facts: Sequence[Fact[Ranking]], effects: Effects) -> None:
    for fact in facts:
        moved = fact.body
        if abs(moved.new_rank - moved.old_rank) >= RANKS_WORTH_TELLING:
            effects.notify(
                "leaderboard_change",
                [fact.user_id],
                origin=fact.origin,
                old_rank=moved.old_rank,
                new_rank=moved.new_rank,
                period=moved.period,
            )


class Registration(NamedTuple):
    """`edition` is the World Cup's, "" if the producer does not say which."""

    user: str | int
    country_code: str
    edition: str


def parse_registration(data: Data) -> Registration:
    code = read_line(data, "country_code", maximum=2).upper()
    if not (len(code) == 2 and code.isascii() and code.isalpha()):
        raise Malformed("country_code must be two letters.")
    return Registration(read_user(data), code, read_label(data, "edition", maximum=64))


def key_of_registration(user_id: int, at: float, registration: Registration) -> Key:
    """A user registers once, whatever the country. The key is kept for a year: then comes the next World Cup."""
    edition = registration.edition
    return Key((user_id,), exactly=(user_id, edition) if edition else ())


def handle_registrations(facts: Sequence[Fact[Registration]], effects: Effects) -> None:
    for fact in facts:
        effects.record(fact.user_id, "worldcup_registered", at=fact.at, country_code=fact.body.country_code)


class Lesson(NamedTuple):
    user: str | int
    lesson: str
    title: str


def parse_lesson(data: Data) -> Lesson:
    return Lesson(read_user(data), read_line(data, "lesson", maximum=128), read_line(data, "title", maximum=128))


def key_of_lesson(user_id: int, at: float, lesson: Lesson) -> Key:
    return Key((user_id, lesson.lesson, _day_at(at)))


def handle_lessons(facts: Sequence[Fact[Lesson]], effects: Effects) -> None:
    for fact in facts:
        effects.notify("education_recommendation", [fact.user_id], origin=fact.origin, lesson=fact.body.title)


class Maintenance(NamedTuple):
    description: str
    starts_at: datetime | None
    user: str = NOBODY


def parse_maintenance(data: Data) -> Maintenance:
    starts_at = data.get("starts_at")
    is_absent = is_blank(starts_at) or starts_at == 0
    return Maintenance(read_line(data, "description", maximum=500), None if is_absent else _read_start(starts_at))


def _read_start(value: object) -> datetime:
    try:
        if isinstance(value, str):
            moment = datetime.fromisoformat(value)
            return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        pass
    raise Malformed("starts_at must be a time.")


def key_of_maintenance(user_id: int, at: float, maintenance: Maintenance) -> Key:
    """Without a start, the day on which it was announced tells it from the next with the same words."""
    starts_at = maintenance.starts_at
    return Key((maintenance.description, starts_at.timestamp() if starts_at else _day_at(at)))


def handle_maintenance(facts: Sequence[Fact[Maintenance]], effects: Effects) -> None:
    for fact in facts:
        planned = fact.body
        if planned.starts_at:
            effects.announce(
                "maintenance",
                origin=fact.origin,
                variant="scheduled",
                description=planned.description,
                starts_at=planned.starts_at,
            )
        else:
            effects.announce("maintenance", origin=fact.origin, description=planned.description)


class Onboarding(NamedTuple):
    user: str | int


def parse_onboarding(data: Data) -> Onboarding:
    return Onboarding(read_user(data))


def key_of_onboarding(user_id: int, at: float, onboarding: Onboarding) -> Key:
    return Key((user_id,))


def handle_onboardings(facts: Sequence[Fact[Onboarding]], effects: Effects) -> None:
    """A user is welcomed once ever, here or at the first sign-in."""
    effects.notify("welcome", [fact.user_id for fact in facts], origin="")
