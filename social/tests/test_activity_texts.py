"""The activity feed says of each activity what happened, with its values."""

import re

import pytest

from bitcoingame.tests.platform import entry, happen, platform_event, share
from conftest import client_of
from social.activity import TITLES, record_activity
from social.activity_texts import DESCRIPTIONS, describe_activity
from social.models import UserActivity
from social.tests.test_cooperatives_api import URL

pytestmark = pytest.mark.django_db

FEED = "/api/v1/activity/feed"


def feed(user):
    rows = client_of(user).get(FEED, {"per_page": 100}).json()["activities"]
    return {row["type"]: (row["title"], row["description"]) for row in rows}


def test_every_kind_has_its_sentence(alice, bob):
    user = {"user": alice.btc_address}
    code = client_of(bob).post(URL, {"name": "Hash Pirates"}, format="json").json()["invite_code"]
    client_of(alice).post(f"{URL}/join", {"invite_code": code}, format="json")
    client_of(alice).post(f"{URL}/leave")
    client_of(alice).post(URL, {"name": "Night Shift"}, format="json")
    happen(
        share(alice, worker="bitaxe-1", diff=10_000, sdiff=4_231_847_293),
        entry("mining:block_found", **user, height=900_000, hash="00ab", reward_sats=312_500_000),
        platform_event("badge_earned", **user, badge_slug="b", badge_name="Block Party", xp_reward=500),
        platform_event("level_up", **user, old_level=1, new_level=7, title="Hash Hero"),
        platform_event("streak_milestone", **user, streak_weeks=12),
        platform_event("game_played", **user, game_type="Hash Dice"),
        platform_event("lottery_results", **user, rank=3, week_iso="2026-W47"),
        platform_event("worldcup_registered", **user, country_code="PT"),
    )

    assert feed(alice) == {
        "share_submitted": (
            "Mining share submitted",
            "bitaxe-1 found a share of difficulty 4.23B; the pool asked for 10K.",
        ),
        "badge_earned": ("Earned badge: Block Party", 'You earned the badge "Block Party" and 500 XP.'),
        "level_up": ("Reached level 7: Hash Hero", "You reached level 7: Hash Hero."),
        "game_played": ("Played Hash Dice", "You played a game of Hash Dice."),
        "lottery_result": ("Weekly lottery: ranked #3", "You ranked #3 in the lottery of week 2026-W47."),
        "coop_joined": ("Joined cooperative: Hash Pirates", "You became a member of Hash Pirates."),
        "coop_created": ("Created cooperative: Night Shift", "You founded Night Shift and became its admin."),
        "streak_milestone": ("Reached 12-week mining streak", "You have mined for 12 weeks in a row."),
        "worldcup_registered": ("Registered for World Cup", "You registered to play for PT."),
        "block_found": ("Found Block #900000!", "You found block #900000 and its reward of 3.125 BTC."),
    }
    assert feed(alice).keys() == TITLES.keys() == DESCRIPTIONS.keys()


@pytest.mark.parametrize(
    ("kind", "values", "sentence"),
    [
        ("badge_earned", {"name": "Night Owl", "xp": 0, "about": ""}, 'You earned the badge "Night Owl".'),
        ("badge_earned", {"name": "Night Owl", "xp": 1, "about": "Mine at night"}, "Mine at night. You earned 1 XP."),
        ("badge_earned", {"name": "Night Owl", "xp": 0, "about": "Mine at night!"}, "Mine at night!"),
        ("badge_earned", {"name": "Night Owl", "xp": 2500}, 'You earned the badge "Night Owl" and 2,500 XP.'),
        ("block_found", {"height": 1, "hash": "", "reward_sats": 0}, "You found block #1."),
        ("block_found", {"height": 1, "reward_sats": 1}, "You found block #1 and its reward of 0.00000001 BTC."),
        ("streak_milestone", {"weeks": 1}, "You have mined for 1 week in a row."),
        ("share_submitted", {"difficulty": 1e18, "assigned": 0}, "You found a share of difficulty 1,000,000T."),
        ("level_up", {"level": 3, "title": ""}, "You reached level 3."),
        ("level_up", {"level": 3, "title": None}, "You reached level 3."),
    ],
)
def test_sentences_say_no_more_than_is_known(kind, values, sentence):
    assert describe_activity(kind, values) == sentence


@pytest.mark.parametrize("kind", list(TITLES))
def test_nothing_known_still_makes_a_sentence(kind):
    assert describe_activity(kind, {}).endswith(".")


def test_rows_of_earlier_versions_are_described_when_read(alice):
    record_activity(user_id=alice.pk, kind="game_played", game_type="dice")
    UserActivity.objects.update(description=None)

    assert feed(alice) == {"game_played": ("Played dice", "You played a game of dice.")}


@pytest.mark.parametrize("value", ["5", "five", [5], {"a": 5}, True, 1.5, -1, 1e18])
@pytest.mark.parametrize("kind", list(TITLES))
def test_metadata_of_a_script_never_hides_the_feed(alice, kind, value):
    names = {name for sentence in DESCRIPTIONS[kind] for name in re.findall(r"\{(\w+)", sentence)}
    rows = [{}, [], "text", 7, dict.fromkeys(names, value)]
    UserActivity.objects.bulk_create(
        UserActivity(user=alice, activity_type=kind, title="From a script", metadata=metadata) for metadata in rows
    )

    answer = client_of(alice).get(FEED)

    assert answer.status_code == 200
    assert len(answer.json()["activities"]) == len(rows)
    assert all(row["description"] for row in answer.json()["activities"])


def test_a_value_of_another_type_leaves_its_sentence_out():
    assert describe_activity("block_found", {"height": 5, "reward_sats": "3125"}) == "You found block #5."


def test_a_kind_of_a_script_is_described_by_its_title(alice):
    UserActivity.objects.create(user=alice, activity_type="party", title="Had a party")

    assert feed(alice) == {"party": ("Had a party", "Had a party")}


def test_a_given_description_stays(alice):
    record_activity(user_id=alice.pk, kind="game_played", game_type="dice", description="Three sixes.")

    assert feed(alice) == {"game_played": ("Played dice", "Three sixes.")}
