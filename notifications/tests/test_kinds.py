"""The catalogue equals the product's list (SPECIFIED), and its texts say what happened."""

import re
from datetime import UTC, datetime, timedelta, timezone
from string import Formatter

import pytest

from notifications.errors import BadValue, MissingValue, NotificationMistake, UnknownKind, UnknownValue
from notifications.kinds import CATALOGUE, PEOPLE, Person, in_bitcoins, in_full, shorten, write_text
from notifications.models import TYPES
from notifications.preferences import default_preferences, should_deliver
from profiles.models import NotificationPreferences

# The product's list: type, subtype, title, preference, e-mail, page.
SPECIFIED = """
mining       personal_best             New Best Difficulty!         personal_best             mail /mining/difficulty
mining       worker_online             Worker Online                -                         -    /mining/workers
mining       worker_offline            Worker Offline               -                         mail /mining/workers
mining       streak_warning            Streak Expiring Soon         -                         -    /profile/streaks
gamification badge_earned              Badge Earned: "{name}"       badge_earned              -    /profile/badges
gamification level_up                  Level Up!                    -                         -    /profile/level
gamification streak_extended           Streak Extended!             -                         -    /profile/streaks
gamification education_recommendation  Recommended Lesson           education_recommendation  -    /learn
competition  match_starting            World Cup Match Starting     world_cup_match           -    /world-cup
competition  match_result              Match Complete: {score}      world_cup_match           mail /world-cup
competition  lottery_results           Weekly Lottery Results       lottery_results           mail /games
competition  leaderboard_change        Leaderboard Update           leaderboard_change        -    /leaderboard
social       block_found               Block Found!                 block_found_any           mail /mining/blocks
social       coop_activity             Cooperative Update           coop_activity             -    /coop
social       coop_member_joined        New Member Joined            coop_activity             -    /coop
social       coop_removed              Removed from Cooperative     -                         -    /coop
social       coop_seat_changed         Your Cooperative Has Changed -                         -    /coop
system       maintenance               Scheduled Maintenance        -                         mail /dashboard
system       welcome                   Welcome to The Bitcoin Game! -                         -    /dashboard
"""

SAMPLES = [
    (
        "personal_best",
        "",
        {"difficulty": 4_231_847_293.0, "previous": 830e6},
        "Your best difficulty is now 4,231,847,293, up from 830,000,000.",
    ),
    ("personal_best", "first", {"difficulty": 999}, "Your best difficulty is now 999."),
    ("worker_online", "", {"worker": "bitaxe-1"}, "bitaxe-1 is mining again."),
    ("worker_offline", "", {"worker": "bitaxe-1", "minutes": 30}, "bitaxe-1 has been offline for 30 minutes."),
    (
        "worker_offline",
        "flapping",
        {"worker": "bitaxe-1", "times": 4},
        "bitaxe-1 has gone silent 4 times in the last 24 hours.",
    ),
    (
        "streak_warning",
        "",
        {"weeks": 1},
        "Your streak of 1 week ends at 00:00 UTC unless you submit a share before.",
    ),
    ("badge_earned", "", {"name": "Block Party", "xp": 5000}, 'You earned the badge "Block Party" and 5,000 XP.'),
    ("badge_earned", "no_xp", {"name": "Block Party"}, 'You earned the badge "Block Party".'),
    (
        "badge_earned",
        "described",
        {"name": "Block Party", "about": "You found your first block!", "xp": 1},
        "You found your first block! You earned 1 XP.",
    ),
    (
        "badge_earned",
        "described_no_xp",
        {"name": "Night Owl", "about": "Mine from dusk till dawn"},
        "Mine from dusk till dawn.",
    ),
    ("level_up", "", {"level": 7, "title": "Hash Hero"}, "You reached level 7: Hash Hero."),
    ("level_up", "untitled", {"level": 7}, "You reached level 7."),
    ("streak_extended", "", {"weeks": 12}, "Your mining streak is now 12 weeks long."),
    ("education_recommendation", "", {"lesson": "What is a nonce?"}, "A lesson for you: What is a nonce?"),
    ("match_starting", "", {"team_a": "Brazil", "team_b": "Ghana"}, "Brazil against Ghana is starting."),
    (
        "match_result",
        "",
        {"team_a": "Brazil", "team_b": "Ghana", "score": "2-1"},
        "Brazil against Ghana ended 2-1.",
    ),
    ("lottery_results", "", {"rank": 3, "week": "2026-W47"}, "You ranked #3 in the lottery of week 2026-W47."),
    (
        "leaderboard_change",
        "",
        {"old_rank": 17, "new_rank": 9, "period": "weekly"},
        "You moved from #17 to #9 on the weekly leaderboard.",
    ),
    ("block_found", "", {"finder": Person(7, "Alice"), "height": 900123}, "Alice found block #900123."),
    ("block_found", "anonymous", {"height": 900123}, "A miner found block #900123."),
    ("coop_activity", "rank", {"cooperative": "Hash Pirates", "rank": 10}, "Hash Pirates entered this week's top 10."),
    (
        "coop_activity",
        "first_place",
        {"cooperative": "Hash Pirates"},
        "Hash Pirates is in first place this week.",
    ),
    (
        "coop_activity",
        "streak",
        {"cooperative": "Hash Pirates", "weeks": 4},
        "Hash Pirates has mined for 4 weeks in a row.",
    ),
    (
        "coop_activity",
        "block",
        {"finder": Person(8, "Bob"), "height": 900123, "cooperative": "Hash Pirates"},
        "Bob found block #900123 for Hash Pirates.",
    ),
    (
        "coop_activity",
        "block_anonymous",
        {"height": 900123, "cooperative": "Hash Pirates"},
        "A member found block #900123 for Hash Pirates.",
    ),
    ("coop_seat_changed", "became_admin", {"cooperative": "Hash Pirates"}, "You are now the admin of Hash Pirates."),
    (
        "coop_seat_changed",
        "no_longer_admin",
        {"cooperative": "Hash Pirates"},
        "Hash Pirates has been handed over: you are now a member of it.",
    ),
    (
        "coop_seat_changed",
        "suspended",
        {"cooperative": "Hash Pirates"},
        "Hash Pirates has been suspended by our staff. You keep your seat and may leave.",
    ),
    ("coop_seat_changed", "restored", {"cooperative": "Hash Pirates"}, "Hash Pirates is active again."),
    (
        "coop_activity",
        "renamed",
        {"cooperative": "Sailors", "old_name": "Hash Pirates"},
        "Hash Pirates has been renamed by our staff and is now called Sailors.",
    ),
    (
        "coop_activity",
        "new_code",
        {"cooperative": "Hash Pirates"},
        "Hash Pirates has a new invite code; the old one no longer works.",
    ),
    ("coop_member_joined", "", {"member": Person(8, "Bob"), "cooperative": "Hash Pirates"}, "Bob joined Hash Pirates."),
    ("coop_member_joined", "anonymous", {"cooperative": "Hash Pirates"}, "A new member joined Hash Pirates."),
    ("coop_removed", "", {"cooperative": "Hash Pirates"}, "You were removed from Hash Pirates."),
    (
        "coop_seat_changed",
        "dissolved",
        {"cooperative": "Hash Pirates"},
        "Hash Pirates has been dissolved by our staff, and your seat with it.",
    ),
    ("maintenance", "", {"description": "The pool restarts."}, "The pool restarts."),
    (
        "maintenance",
        "scheduled",
        {
            "description": "The pool restarts.",
            "starts_at": datetime(2026, 12, 1, 20, 30, tzinfo=timezone(timedelta(hours=2))),
        },
        "The pool restarts. It starts on 1 December 2026 at 18:30 UTC.",
    ),
    (
        "welcome",
        "",
        {},
        "Point your miner at the pool, watch your first shares arrive and join a cooperative.",
    ),
]


def test_the_catalogue_is_the_specified_one():
    rows = [
        (kind.type, subtype, kind.title, kind.preference or "-", "mail" if kind.is_mailed else "-", kind.action_url)
        for subtype, kind in CATALOGUE.items()
    ]
    assert [" ".join(row) for row in rows] == [" ".join(line.split()) for line in SPECIFIED.strip().splitlines()]


def test_every_kind_is_well_formed():
    assert {kind.type for kind in CATALOGUE.values()} == set(TYPES)
    columns = {field.name for field in NotificationPreferences._meta.concrete_fields}
    for subtype, kind in CATALOGUE.items():
        assert kind.preference is None or kind.preference in columns, subtype
        assert 0 < len(kind.action_label) <= 64, subtype


def test_every_text_of_every_kind_has_a_sample():
    texts = {
        (subtype, variant)
        for subtype, kind in CATALOGUE.items()
        for variant in ([""] if isinstance(kind.descriptions, str) else kind.descriptions)
    }
    assert {(kind, variant) for kind, variant, _, _ in SAMPLES} == texts


@pytest.mark.parametrize(("kind", "variant", "values", "description"), SAMPLES)
def test_texts_say_what_happened_with_the_real_values(kind, variant, values, description):
    assert write_text(kind, variant, values).description == description


# The values that name no user. A new value belongs here or in PEOPLE.
THINGS = {
    *("difficulty", "previous", "worker", "minutes", "weeks", "name", "xp", "level", "title", "lesson", "description"),
    *("team_a", "team_b", "score", "rank", "week", "old_rank", "new_rank", "period", "height", "cooperative"),
    *("old_name", "starts_at", "about", "times", "worker_id", "silent_since"),
}


def values_in(template):
    return {name for _, name, _, _ in Formatter().parse(template) if name}


def variants():
    for subtype, kind in CATALOGUE.items():
        texts = {"": kind.descriptions} if isinstance(kind.descriptions, str) else kind.descriptions
        for variant, template in texts.items():
            yield subtype, kind, variant, values_in(template), texts


def test_each_value_is_known_to_name_a_user_or_not_to():
    assert (
        set().union(*(named for _, _, _, named, _ in variants()))
        | {name for kind in CATALOGUE.values() for name in values_in(kind.title) | kind.details}
        == PEOPLE | THINGS
    )
    assert not PEOPLE & THINGS


def test_a_text_that_names_a_user_has_an_anonymous_variant_of_the_same_values():
    for subtype, kind, variant, named, texts in variants():
        people = named & PEOPLE
        assert len(people) <= 1, subtype
        assert (variant in kind.anonymous) is bool(people), subtype
        if people:
            assert values_in(texts[kind.anonymous[variant]]) == named - people, subtype


def test_no_title_names_a_user():
    assert [subtype for subtype, kind in CATALOGUE.items() if values_in(kind.title) & PEOPLE] == []


def test_a_name_is_kept_apart_from_the_values():
    text = write_text("coop_activity", "block", {"finder": Person(8, "Bob"), "height": 1, "cooperative": "Pirates"})
    assert text == (
        "Cooperative Update",
        "Bob found block #1 for Pirates.",
        {"height": 1, "cooperative": "Pirates"},
        Person(8, "Bob"),
        "A member found block #1 for Pirates.",
    )


def test_a_naming_text_without_an_anonymous_variant_cannot_be_written(monkeypatch):
    kind = CATALOGUE["block_found"]._replace(anonymous={})
    monkeypatch.setitem(CATALOGUE, "block_found", kind)
    with pytest.raises(UnknownKind):
        write_text("block_found", "", {"finder": Person(8, "Bob"), "height": 1})


def test_titles_carry_their_values():
    assert write_text("badge_earned", "", {"name": "Block Party", "xp": 1}).title == 'Badge Earned: "Block Party"'
    match = {"team_a": "Brazil", "team_b": "Ghana", "score": "2-1"}
    assert write_text("match_result", "", match).title == "Match Complete: 2-1"


def test_values_are_kept_ready_for_json():
    starts_at = datetime(2026, 12, 1, 18, 30, tzinfo=UTC)
    text = write_text("maintenance", "scheduled", {"description": "Soon.", "starts_at": starts_at})
    assert text.values == {"description": "Soon.", "starts_at": "2026-12-01T18:30:00+00:00"}


@pytest.mark.parametrize(
    ("kind", "variant", "values", "mistake"),
    [
        ("party", "", {}, UnknownKind),
        (None, "", {}, UnknownKind),
        ("Welcome", "", {}, UnknownKind),
        ("welcome", "again", {}, UnknownKind),
        ("coop_activity", "", {"cooperative": "Hash Pirates"}, UnknownKind),
        ("worker_offline", "", {"worker": "bitaxe-1"}, MissingValue),
        ("worker_online", "", {"worker": "bitaxe-1", "minutes": 3}, UnknownValue),
        ("worker_online", "", {"worker": ""}, BadValue),
        ("worker_online", "", {"worker": " "}, BadValue),
        ("worker_online", "", {"worker": "a\nb"}, BadValue),
        ("worker_online", "", {"worker": "a\x00b"}, BadValue),
        ("worker_online", "", {"worker": "a\u2028b"}, BadValue),
        ("worker_online", "", {"worker": "\ud800"}, BadValue),
        ("worker_online", "", {"worker": "a" * 1001}, BadValue),
        ("worker_online", "", {"worker": None}, BadValue),
        ("worker_online", "", {"worker": ["a"]}, BadValue),
        ("worker_online", "", {"worker": True}, BadValue),
        ("worker_online", "", {"worker": Person(7, "Alice")}, BadValue),
        ("block_found", "", {"finder": "Alice", "height": 1}, BadValue),
        ("block_found", "", {"finder": (7, "Alice"), "height": 1}, BadValue),
        ("block_found", "", {"finder": Person(7, ""), "height": 1}, BadValue),
        ("block_found", "", {"finder": Person(None, "Alice"), "height": 1}, BadValue),
        ("level_up", "untitled", {"level": float("nan")}, BadValue),
        ("level_up", "untitled", {"level": float("inf")}, BadValue),
        ("level_up", "untitled", {"level": 10**400}, BadValue),
        ("maintenance", "scheduled", {"description": "a", "starts_at": datetime(2026, 1, 1)}, BadValue),
        ("badge_earned", "", {"name": "a" * 250, "xp": 1}, BadValue),
    ],
)
def test_mistakes_are_errors_at_the_call(kind, variant, values, mistake):
    with pytest.raises(mistake) as raised:
        write_text(kind, variant, values)
    assert isinstance(raised.value, NotificationMistake)
    assert isinstance(raised.value, ValueError)


def test_braces_in_values_stay_braces():
    assert write_text("worker_online", "", {"worker": "{0.__class__}"}).description == "{0.__class__} is mining again."


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"), (1, "1"), (0.5, "0.5"), (999.4, "999"), (999.6, "1K"), (19_100_000, "19.1M"), (999_999, "1M"),
        (4_231_847_293, "4.23B"), (1_240_000_000_000, "1.24T"), (999.6e12, "1,000T"), (5e15, "5,000T"),
        (2.5e18, "2,500,000T"),
    ],
)  # fmt: skip
def test_numbers_are_shortened(number, text):
    assert shorten(number) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"), (0.00123, "0.00123"), (0.5, "0.5"), (1, "1"), (5.25, "5.25"), (100.0, "100"), (999.999, "1,000"),
        (1000.4, "1,000"), (4_231_847_293, "4,231,847,293"), (1e18, "1,000,000,000,000,000,000"),
    ],
)  # fmt: skip
def test_numbers_in_full(number, text):
    assert in_full(number) == text


@pytest.mark.parametrize(
    ("satoshis", "text"),
    [(1, "0.00000001"), (312_500_000, "3.125"), (5_000_000_000, "50"), (2**53, "90,071,992.54740992")],
)
def test_satoshis_are_written_as_bitcoins(satoshis, text):
    assert in_bitcoins(satoshis) == text


@pytest.mark.parametrize(
    ("description", "sentence"), [("We move", "We move."), ("We move.", "We move."), ("We move!", "We move!")]
)
def test_a_sentence_ends_before_the_next_begins(description, sentence):
    starts_at = datetime(2026, 12, 1, 18, 30, tzinfo=UTC)
    text = write_text("maintenance", "scheduled", {"description": description, "starts_at": starts_at}).description
    assert text == f"{sentence} It starts on 1 December 2026 at 18:30 UTC."


@pytest.mark.parametrize(
    ("period", "spoken"),
    [("weekly", "weekly"), ("alltime", "all-time"), ("all_time", "all-time"), ("world_cup", "world cup")],
)
def test_tokens_are_spoken_as_words(period, spoken):
    values = {"old_rank": 17, "new_rank": 1, "period": period}
    text = write_text("leaderboard_change", "", values).description
    assert text == f"You moved from #17 to #1 on the {spoken} leaderboard."


@pytest.mark.parametrize(("kind", "variant", "values", "description"), SAMPLES)
def test_nouns_follow_their_number(kind, variant, values, description):
    """No text says "1 weeks" or "0 XP"; large numbers are grouped."""
    for number in (1, 2, 1_000_000):
        counted = {name: number if name in ("weeks", "minutes", "xp") else value for name, value in values.items()}
        text = write_text(kind, variant, counted).description
        assert not re.search(r"\b1 (weeks|minutes)|[2-9] (week|minute)\b|\b0 XP|1000000", text), text


def test_default_preferences():
    assert default_preferences() == {
        "personalBest": True,
        "badgeEarned": True,
        "educationRecommendation": False,
        "worldCupMatch": True,
        "lotteryResults": True,
        "leaderboardChange": False,
        "blockFoundAny": False,
        "coopActivity": False,
        "inApp": True,
        "browserPush": False,
        "emailNotifications": False,
        "email": None,
    }


def test_should_deliver_obeys_the_kinds_switch():
    for subtype, kind in CATALOGUE.items():
        by_default = kind.preference not in (
            "education_recommendation",
            "leaderboard_change",
            "block_found_any",
            "coop_activity",
        )
        assert should_deliver(default_preferences(), kind.type, subtype) is by_default
        assert should_deliver({}, kind.type, subtype) is by_default
    assert should_deliver({"coopActivity": True}, "social", "coop_member_joined")
    assert not should_deliver({"worldCupMatch": False}, "competition", "match_starting")


def test_nothing_is_delivered_with_in_app_off():
    assert not any(should_deliver({"inApp": False}, kind.type, subtype) for subtype, kind in CATALOGUE.items())


@pytest.mark.parametrize(("type_", "subtype"), [("mining", "party"), ("social", "welcome"), ("news", "welcome")])
def test_should_deliver_knows_only_the_catalogue(type_, subtype):
    with pytest.raises(UnknownKind):
        should_deliver(default_preferences(), type_, subtype)
