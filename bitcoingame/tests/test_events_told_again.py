"""A fact takes effect once, however often, by whichever way and under whatever ids its producers tell it."""

import random
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from bitcoingame.events import ledger
from bitcoingame.events.catalogue import EVENTS
from bitcoingame.events.envelope import posted
from bitcoingame.events.facts import SHARES_KEPT, ShareKey, claim
from bitcoingame.events.intake import take_in, try_again
from bitcoingame.local.simulator import make_pool
from bitcoingame.models import HandledFact, OutgoingEvent, RecentShares, SetAsideEvent
from bitcoingame.tests.platform import NOON, entry, happen, platform_event, share
from bitcoingame.tests.thrice import BLOCK_EVERY, expected_counts, simulate_minute, stored_counts, tell_thrice
from conftest import make_cooperative, make_user
from notifications.models import Broadcast, Notification
from profiles.models import DailyShares, EarnedBadge, GameState, NotificationPreferences, Worker
from social.models import Cooperative, UserActivity

DAY = 86400
STATES = {"miner_connected", "miner_disconnected", "hashrate_update"}
KEYED = [event for event in EVENTS if event not in STATES]
OF_NO_USER = {"maintenance", "match_starting", "match_result"}
pytestmark = pytest.mark.django_db


def statuses(outcomes):
    return [outcome.status for outcome in outcomes]


def told_data(event, user, other):
    """One fact of each event, with every field that producers are known to send."""
    user_data: dict[str, Any] = {"user": user.btc_address}
    machine = {**user_data, "worker": f"{user.btc_address}.bitaxe-1"}
    match = {"match_id": "m1", "team_a": "Portugal", "team_b": "Japan", "user_ids": [user.pk, other.pk]}
    return {
        "user_onboarded": user_data,
        "block_found": {**machine, "height": 900_000, "hash": "00ab", "reward_sats": 312_500_000},
        "miner_disconnected": machine,
        "miner_connected": machine,
        "hashrate_update": {**machine, "hashrate_1h": "1T"},
        "share_submitted": {**machine, "diff": 16, "sdiff": 2048.5, "accepted": True},
        "share_best_diff": {**user_data, "new_best": 4096.5, "prev_best": 1, "timeframe": "alltime"},
        "badge_earned": {**user_data, "badge_slug": "owl", "badge_name": "Owl", "xp_reward": 50, "description": "d"},
        "level_up": {**user_data, "old_level": 1, "new_level": 2, "title": "Newcomer"},
        "streak_extended": {**user_data, "streak_weeks": 4},
        "streak_milestone": {**user_data, "streak_weeks": 4},
        "game_played": {**user_data, "game_type": "dice"},
        "lottery_results": {**user_data, "rank": 7, "week_iso": "2026-W01"},
        "match_starting": match,
        "match_result": {**match, "score_a": 2, "score_b": 1},
        "leaderboard_change": {**user_data, "old_rank": 10, "new_rank": 1, "period": "weekly"},
        "worldcup_registered": {**user_data, "country_code": "PT", "edition": "2026"},
        "education_recommendation": {**user_data, "lesson": "l-3", "title": "What is a nonce?"},
        "maintenance": {"description": "The pool moves.", "starts_at": "2026-02-01T10:00:00Z"},
    }[event]


def tell(event, data, *, at=NOON, event_id=""):
    return entry("platform:events", event, at=at, event_id=event_id, **data)


def post(event, data, *, at=NOON, event_id):
    return posted({"event": event, "ts": at, "event_id": event_id, "data": data})


def world():
    """All that events bring about and people or the platform can see."""
    return {
        "states": list(GameState.objects.order_by("user_id").values()),
        "days": list(DailyShares.objects.order_by("user_id", "day").values("user_id", "day", "shares")),
        "workers": list(Worker.objects.order_by("id").values("user_id", "name", "is_online", "last_share_at")),
        "badges": list(EarnedBadge.objects.order_by("id").values("user_id", "slug")),
        "feed": list(UserActivity.objects.order_by("id").values("user_id", "title", "created_at")),
        "told": list(Notification.objects.order_by("id").values("user_id", "seq", "description")),
        "announced": list(Broadcast.objects.order_by("id").values("kind", "description")),
        "outgoing": list(OutgoingEvent.objects.order_by("id").values("event", "payload")),
        "cooperatives": list(Cooperative.objects.order_by("id").values("id", "blocks_found")),
    }


@pytest.fixture
def crew(alice, bob):
    """Two members of a cooperative who want to be told of everything."""
    make_cooperative(alice, bob)
    wants = ("block_found_any", "coop_activity", "leaderboard_change", "education_recommendation")
    NotificationPreferences.objects.update(**dict.fromkeys(wants, True))
    return alice, bob


def test_every_event_has_a_key_except_news_of_a_state():
    assert {name for name, event in EVENTS.items() if event.key is None} == STATES


@pytest.mark.parametrize("event", EVENTS)
def test_a_fact_told_again_in_another_batch_changes_nothing(crew, event):
    data = told_data(event, *crew)
    before = world()
    assert statuses(happen(tell(event, data, event_id="e1"))) == ["accepted"]
    once = world()
    assert once != before or event in STATES
    again = "accepted" if event in STATES else "duplicate"
    assert statuses(happen(tell(event, data))) == [again]
    assert statuses(happen(tell(event, data, event_id="e2"))) == [again]
    assert statuses(take_in([post(event, data, event_id="e3")])) == [again]
    assert world() == once


@pytest.mark.parametrize("event", KEYED)
def test_a_fact_told_three_times_in_one_batch_takes_effect_once(crew, event):
    data = told_data(event, *crew)
    outcomes = happen(tell(event, data), tell(event, data, event_id="e1"), tell(event, data, event_id="e2"))
    assert statuses(outcomes) == ["accepted", "duplicate", "duplicate"]
    in_one_batch = world()
    assert statuses(happen(tell(event, data))) == ["duplicate"]
    assert world() == in_one_batch


@pytest.mark.parametrize("event", KEYED)
def test_the_first_telling_may_come_by_post(crew, event):
    data = told_data(event, *crew)
    outcomes = take_in([post(event, data, event_id="e1"), post(event, data, event_id="e2")])
    assert statuses(outcomes) == ["accepted", "duplicate"]
    once = world()
    assert statuses(happen(tell(event, data))) == ["duplicate"]
    assert world() == once


@pytest.mark.parametrize("event", [event for event in KEYED if event not in OF_NO_USER])
def test_the_user_may_be_named_by_id_or_by_address(crew, event):
    data = told_data(event, *crew)
    by_id = {name: value for name, value in data.items() if name != "user"} | {"user_id": crew[0].pk}
    assert statuses(happen(tell(event, data), tell(event, by_id))) == ["accepted", "duplicate"]


@pytest.mark.parametrize("event", KEYED)
def test_a_clock_that_is_fast_does_not_tell_a_fact_twice(crew, event):
    """The producer's clock is ahead of Redis': each time the event arrives, its own time has not come yet."""
    data, ahead = told_data(event, *crew), NOON + 90.25
    first, second = (tell(event, data, at=ahead)._replace(entry=f"{int((NOON + late) * 1000)}-1") for late in (1, 8))
    assert statuses(happen(first, second)) == ["accepted", "duplicate"]


OTHER_FACTS = [
    ("block_found", {"height": 900_001, "hash": "00ac"}),
    ("block_found", {"hash": "00ac"}),
    ("share_submitted", {"sdiff": 2048.25}),
    ("share_submitted", {"worker": "bitaxe-2"}),
    ("share_submitted", {"worker": ""}),
    ("share_best_diff", {"new_best": 5000}),
    ("badge_earned", {"badge_slug": "fox"}),
    ("level_up", {"new_level": 3}),
    ("streak_extended", {"streak_weeks": 5}),
    ("streak_milestone", {"streak_weeks": 12}),
    ("game_played", {"game_type": "race"}),
    ("lottery_results", {"week_iso": "2026-W02"}),
    ("match_starting", {"match_id": "m2"}),
    ("match_result", {"match_id": 2}),
    ("leaderboard_change", {"new_rank": 2}),
    ("leaderboard_change", {"period": "monthly"}),
    ("worldcup_registered", {"edition": "2030"}),
    ("education_recommendation", {"lesson": "l-4"}),
    ("maintenance", {"description": "The pool moves again."}),
    ("maintenance", {"starts_at": "2026-02-02T10:00:00Z"}),
]


@pytest.mark.parametrize(("event", "changes"), OTHER_FACTS)
def test_another_fact_is_not_mistaken_for_the_same(crew, event, changes):
    data = told_data(event, *crew)
    assert statuses(happen(tell(event, data), tell(event, data | changes))) == ["accepted", "accepted"]


@pytest.mark.parametrize(("event", "changes"), OTHER_FACTS[:2] + OTHER_FACTS[2:3] + [("game_played", {})])
def test_the_same_of_another_user_is_another_fact(crew, event, changes):
    alice, bob = crew
    events = [tell(event, told_data(event, alice, bob)), tell(event, told_data(event, bob, alice) | changes)]
    assert statuses(happen(*events)) == ["accepted", "accepted"]


LATER = {
    "share_submitted": 1,
    "game_played": 1,
    "streak_extended": 7 * DAY,
    "streak_milestone": 7 * DAY,
    "leaderboard_change": DAY,
    "education_recommendation": DAY,
}


@pytest.mark.parametrize("event", LATER)
def test_what_can_happen_again_later_is_told_again_then(crew, event):
    data, later = told_data(event, *crew), NOON + LATER[event]
    outcomes = happen(tell(event, data, at=NOON + 0.9), tell(event, data, at=NOON), tell(event, data, at=later))
    assert statuses(outcomes) == ["accepted", "duplicate", "accepted"]


def test_maintenance_without_a_start_is_told_once_a_day():
    data = {"description": "We are late."}
    assert statuses(happen(*(tell("maintenance", data, at=NOON + hours * 3600) for hours in (0, 1, 24)))) == [
        "accepted",
        "duplicate",
        "accepted",
    ]
    assert Broadcast.objects.count() == 2


HASHES = {"none": None, "blank": "", "A": "00ab", "capitals": "00AB", "prefixed": "0x00ab", "unknown": "unknown"}


@pytest.mark.parametrize("order", list(permutations(HASHES, 3)))
@pytest.mark.parametrize("in_one_batch", [True, False])
def test_a_block_is_one_with_its_hash_and_without(crew, order, in_one_batch):
    data = told_data("block_found", *crew)
    events = []
    for name in order:
        given = data | {"hash": HASHES[name]}
        events.append(tell("block_found", given if HASHES[name] is not None else data | {"hash": None}))
    batches = [events] if in_one_batch else [[event] for event in events]
    outcomes = [outcome for batch in batches for outcome in take_in(batch)]
    assert statuses(outcomes) == ["accepted", "duplicate", "duplicate"]
    assert GameState.objects.get(user=crew[0]).blocks_found == 1
    assert Cooperative.objects.get().blocks_found == 1
    assert Broadcast.objects.count() == 1
    assert OutgoingEvent.objects.filter(event="coop_block_found").count() == 1


@pytest.mark.parametrize("in_one_batch", [True, False])
def test_two_blocks_of_one_height_are_two_and_a_report_without_hash_is_neither_s_twin(crew, in_one_batch):
    data = told_data("block_found", *crew)
    events = [tell("block_found", data | {"hash": given}) for given in ("", "00ab", "00ac", "", "00ab", "00ac")]
    batches = [events] if in_one_batch else [[event] for event in events]
    outcomes = [outcome for batch in batches for outcome in take_in(batch)]
    assert statuses(outcomes) == ["accepted", "duplicate", "accepted", "duplicate", "duplicate", "duplicate"]
    assert GameState.objects.get(user=crew[0]).blocks_found == 2


@pytest.mark.parametrize("placeholder", ["unknown", "pending", "null", "None", "n/a", "-", "0", "0x0", "0" * 64])
@pytest.mark.parametrize("in_one_batch", [True, False])
def test_what_stands_in_place_of_a_hash_makes_no_two_blocks_one(crew, placeholder, in_one_batch):
    alice, bob = (told_data("block_found", *people) | {"hash": placeholder} for people in (crew, crew[::-1]))
    events = [tell("block_found", data) for data in (alice, alice | {"height": 900_001}, bob, alice, bob)]
    batches = [events] if in_one_batch else [[event] for event in events]
    outcomes = [outcome for batch in batches for outcome in take_in(batch)]
    assert statuses(outcomes) == ["accepted", "accepted", "accepted", "duplicate", "duplicate"]
    assert [GameState.objects.get(user=user).blocks_found for user in crew] == [2, 1]


def test_a_hash_is_one_block_whatever_else_is_said(crew):
    alice, bob = crew
    first = told_data("block_found", alice, bob)
    outcomes = happen(
        tell("block_found", first), tell("block_found", told_data("block_found", bob, alice) | {"height": 1})
    )
    assert statuses(outcomes) == ["accepted", "duplicate"]
    assert GameState.objects.get(user=bob).blocks_found == 0


@pytest.mark.parametrize("event", ["match_starting", "match_result"])
@pytest.mark.parametrize("match_id", ["m1", 7, ""])
def test_a_match_of_many_users_comes_in_several_events(crew, charlie, event, match_id):
    alice, bob = crew
    data = told_data(event, alice, bob) | {"match_id": match_id}
    lists = [[alice.pk], [bob.pk, alice.pk], [str(alice.pk), bob.pk], [charlie.pk]]
    outcomes = happen(*(tell(event, data | {"user_ids": user_ids}) for user_ids in lists))
    assert statuses(outcomes) == ["accepted", "accepted", "duplicate", "accepted"]
    told = Notification.objects.filter(subtype=event).order_by("user_id").values_list("user_id", flat=True)
    assert list(told) == sorted([alice.pk, bob.pk, charlie.pk])


def test_a_match_without_an_id_is_known_by_its_teams_and_time(crew):
    data = told_data("match_result", *crew) | {"match_id": ""}
    events = [tell("match_result", data), tell("match_result", data), tell("match_result", data, at=NOON + 7200)]
    assert statuses(happen(*events)) == ["accepted", "duplicate", "accepted"]


@pytest.mark.parametrize(
    ("event", "name"),
    [("match_starting", "match_id"), ("match_result", "match_id"), ("worldcup_registered", "edition")],
)
@pytest.mark.parametrize("places", [(0, 1), (1, 0), (0, 1, 0), (1, 0, 1)])
def test_a_producer_that_knows_less_tells_the_same_fact(crew, event, name, places):
    data = told_data(event, *crew)
    tellings = [tell(event, data if place else without(data, name)) for place in places]
    assert statuses(happen(*tellings[:1]) + happen(*tellings[1:])) == ["accepted"] + ["duplicate"] * (len(places) - 1)


# Shares


NAMES_OF_NO_WORKER = ["", None, "unknown", "{address}.UNKNOWN", "default", "{address}"]


@pytest.mark.parametrize("names", list(permutations(NAMES_OF_NO_WORKER, 2)))
def test_a_share_without_a_worker_is_one_share_whatever_its_worker_is_called(alice, names):
    data = told_data("share_submitted", alice, alice)
    said = [name and name.format(address=alice.btc_address) for name in names]
    assert statuses(happen(*(tell("share_submitted", data | {"worker": name}) for name in said))) == [
        "accepted",
        "duplicate",
    ]
    assert GameState.objects.get(user=alice).total_shares == 1


def test_a_share_that_was_not_accepted_does_not_stand_in_the_way_of_one_that_was(alice):
    data = told_data("share_submitted", alice, alice)
    refused = data | {"accepted": False}
    happen(*(tell("share_submitted", given) for given in (refused, refused, data, refused, data)))
    assert GameState.objects.get(user=alice).total_shares == 1
    assert Worker.objects.get().is_online


def test_the_first_of_each_counts_among_many_that_come_in_a_jumble(alice, bob):
    shares = [
        share(user, worker=f"w{number % 3}", sdiff=100 + number % 7, at=NOON + number % 4)
        for number in range(200)
        for user in (alice, bob)
    ]
    twins = [twin._replace(entry=f"{twin.entry}{copy}") for twin in shares for copy in (0, 1)]
    expected = {(number % 3, number % 7, number % 4) for number in range(200)}
    outcomes = happen(*twins[:300]) + happen(*twins[300:], *twins[:50])
    assert statuses(outcomes).count("accepted") == 2 * len(expected) == 168
    assert [state.total_shares for state in GameState.objects.filter(user__in=(alice, bob))] == [84, 84]


def test_shares_are_forgotten_some_minutes_after_they_were_handled(alice):
    data, now = told_data("share_submitted", alice, alice), timezone.now()
    happen(tell("share_submitted", data))
    assert ledger.forget_shares(now=now + SHARES_KEPT - timedelta(seconds=5), batch_size=10) == 0
    assert statuses(happen(tell("share_submitted", data))) == ["duplicate"]
    assert ledger.forget_shares(now=now + SHARES_KEPT + timedelta(seconds=60), batch_size=10) == 1
    assert not RecentShares.objects.exists()
    assert statuses(happen(tell("share_submitted", data))) == ["accepted"]


def test_a_clock_that_stands_still_fills_no_table(monkeypatch):
    monkeypatch.setattr("bitcoingame.events.facts._MAX_BYTES", 80)
    keys = [ShareKey(int(NOON), 1, float(number)) for number in range(30)]
    for start in (0, 10, 20):
        assert claim("share_submitted", keys[start : start + 10], timedelta()) == [True] * 10
    assert len(RecentShares.objects.get().digests) == 80
    assert claim("share_submitted", keys[20:], timedelta()) == [False] * 10


def test_the_keys_of_a_block_are_kept_for_a_year(crew):
    happen(tell("block_found", told_data("block_found", *crew)))
    now = timezone.now()
    assert ledger.purge_handled(now=now + timedelta(days=364), batch_size=10) >= 0
    assert HandledFact.objects.count() == 2
    assert statuses(happen(tell("block_found", told_data("block_found", *crew)))) == ["duplicate"]
    assert ledger.purge_handled(now=now + timedelta(days=366), batch_size=10) == 2 + 1
    assert not HandledFact.objects.exists()


# Together with the effect, whoever delivers it


@pytest.mark.parametrize("event", ["block_found", "share_submitted", "match_result", "badge_earned"])
def test_tellings_at_one_moment_take_effect_once(at_once, event):
    alice, bob = make_user("Alice"), make_user("Bob")
    make_cooperative(alice, bob)
    NotificationPreferences.objects.update(block_found_any=True, coop_activity=True)
    data = told_data(event, alice, bob)
    calls = [lambda number=number: take_in([tell(event, data, event_id=f"s{number}")]) for number in range(3)]
    calls += [lambda number=number: take_in([post(event, data, event_id=f"p{number}")]) for number in range(3)]
    results = at_once(calls)
    assert sorted(statuses([outcome for outcomes in results for outcome in outcomes])) == [
        "accepted",
        *["duplicate"] * 5,
    ]
    once = world()
    assert statuses(happen(tell(event, data))) == ["duplicate"]
    assert world() == once
    state = GameState.objects.get(user=alice)
    assert (state.blocks_found, state.total_shares, state.badges_earned) == (
        event == "block_found",
        event == "share_submitted",
        event == "badge_earned",
    )


def test_a_block_told_with_and_without_its_hash_at_one_moment_counts_once(at_once):
    alice = make_user("Alice")
    data = told_data("block_found", alice, alice)
    for height in range(20):
        tellings = [data | {"height": height, "hash": given} for given in ("", f"{height:04x}", "", f"{height:04x}")]
        at_once([lambda told=told: take_in([tell("block_found", told)]) for told in tellings])
    assert GameState.objects.get(user=alice).blocks_found == 20
    assert Broadcast.objects.count() == 20


def test_batches_with_the_same_shares_in_other_orders_count_each_once(at_once):
    users = [make_user() for _ in range(20)]
    shares = [share(user, at=NOON + number) for number in range(20) for user in users]

    def copies(number):
        turned = shares[number * 97 :] + shares[: number * 97]
        return [one._replace(entry=f"{one.entry}{number}") for one in turned]

    results = at_once([lambda number=number: take_in(copies(number)) for number in range(4)])
    assert sum(statuses(outcomes).count("accepted") for outcomes in results) == 400
    assert list(GameState.objects.values_list("total_shares", flat=True)) == [20] * 20


def test_a_minute_of_which_everything_is_told_three_times_comes_to_its_recount(at_once, monkeypatch):
    """Three processes at once, with entries that have event ids and entries that have none, and by POST."""
    users = [make_user() for _ in range(20)]
    for founder, *fellows in (users[:5], users[5:8], users[8:9]):
        make_cooperative(founder, *fellows)
    UserActivity.objects.all().delete()
    OutgoingEvent.objects.all().delete()
    monkeypatch.setattr("bitcoingame.local.simulator.BLOCK_EVERY", BLOCK_EVERY)
    events = simulate_minute(make_pool(seed=7), shares=1_500, start=NOON)
    arriving = tell_thrice(events, random.Random(7))
    assert len(arriving) == 3 * len(events) > 4_500

    def take_in_every_third(number):
        outcomes = []
        for start in range(number * 250, len(arriving), 750):
            outcomes += happen(*arriving[start : start + 250])
        return outcomes

    results = at_once([lambda number=number: take_in_every_third(number) for number in range(3)])
    assert {outcome.status for outcomes in results for outcome in outcomes} == {"accepted", "duplicate"}
    expected = expected_counts(events)
    assert expected["blocks of the miners"] >= 5
    assert stored_counts() == expected


@pytest.mark.parametrize("event", ["share_submitted", "game_played"])
def test_a_fact_whose_effect_failed_was_not_told(alice, event):
    table = {"share_submitted": "daily_shares", "game_played": "user_activity"}[event]
    data = told_data(event, alice, alice)
    run(f"ALTER TABLE {table} ADD CONSTRAINT not_now CHECK (user_id < 0) NOT VALID")
    assert statuses(happen(tell(event, data))) == ["set_aside"]
    assert not HandledFact.objects.exists()
    assert not RecentShares.objects.exists()
    run(f"ALTER TABLE {table} DROP CONSTRAINT not_now")
    assert statuses(happen(tell(event, data))) == ["accepted"]
    once = world()
    aside = SetAsideEvent.objects.get()
    assert try_again(aside.pk).status == "duplicate"
    assert world() == once


def run(statement):
    with connection.cursor() as cursor:
        cursor.execute(statement)


# Blank is absent


def optional_fields():
    user = make_user_like()
    for event in EVENTS:
        data = told_data(event, user, user)
        for name in data:
            if can_be_read(event, without(data, name)):
                yield event, name


def make_user_like():
    from types import SimpleNamespace

    return SimpleNamespace(btc_address="bc1q0000000000000000000000000000000000000", pk=5)


def without(data, name):
    return {key: value for key, value in data.items() if key != name}


def can_be_read(event, data):
    from bitcoingame.events.fields import Malformed

    try:
        EVENTS[event].parse(data)
    except Malformed:
        return False
    return True


OPTIONAL = sorted(optional_fields())


def test_these_fields_are_optional():
    known = {
        "block_found": {"worker", "hash", "reward_sats"},
        "share_submitted": {"worker", "diff", "accepted"},
        "hashrate_update": {"worker"},
        "miner_connected": {"worker"},
        "miner_disconnected": {"worker"},
        "badge_earned": {"xp_reward", "description"},
        "level_up": {"old_level"},
        "share_best_diff": {"prev_best"},
        "match_starting": {"match_id"},
        "match_result": {"match_id"},
        "maintenance": {"starts_at"},
        "worldcup_registered": {"edition"},
    }
    assert {(event, name) for event, names in known.items() for name in names} <= set(OPTIONAL)


@pytest.mark.parametrize("blank", ["", "  ", "\t", None], ids=repr)
@pytest.mark.parametrize(("event", "name"), OPTIONAL)
def test_a_blank_field_is_an_absent_one(event, name, blank):
    user = make_user_like()
    data = told_data(event, user, user)
    assert EVENTS[event].parse(data | {name: blank}) == EVENTS[event].parse(without(data, name))


@pytest.mark.parametrize("blank", ["", " ", None], ids=repr)
@pytest.mark.parametrize("event", [event for event in EVENTS if event not in OF_NO_USER])
def test_a_blank_id_leaves_the_user_to_the_address_and_the_other_way_round(event, blank):
    user = make_user_like()
    data = told_data(event, user, user)
    assert EVENTS[event].parse(data | {"user_id": blank}) == EVENTS[event].parse(data)
    by_id = without(data, "user") | {"user_id": 5, "worker": "w"}
    assert EVENTS[event].parse(by_id | {"user": blank}) == EVENTS[event].parse(by_id)


@pytest.mark.parametrize("blank", [b"", b" "])
def test_blank_fields_of_an_entry_are_absent(alice, blank):
    event = share(alice)
    blanks = {b"event": blank, b"event_id": blank, b"ts": blank, b"source": blank}
    assert statuses(happen(event._replace(fields=event.fields | blanks))) == ["accepted"]
    flat = {b"user": alice.btc_address.encode(), b"sdiff": b"7", b"diff": blank, b"worker": blank, b"accepted": blank}
    assert statuses(happen(event._replace(entry="1767268800000-7", fields=flat | blanks | {b"data": blank}))) == [
        "accepted"
    ]
    assert GameState.objects.get(user=alice).total_shares == 2
    assert sorted(Worker.objects.values_list("name", flat=True)) == ["bitaxe-1", "default"]


def test_the_block_of_the_real_pool_counts(alice):
    block = {"user": alice.btc_address, "worker": "bitaxe-1", "height": 900_000, "hash": "", "reward_sats": ""}
    assert statuses(happen(entry("mining:block_found", **block))) == ["accepted"]
    assert GameState.objects.get(user=alice).blocks_found == 1
    activity = UserActivity.objects.get()
    assert (activity.title, activity.metadata) == (
        "Found Block #900000!",
        {"height": 900_000, "hash": "", "reward_sats": 0},
    )


@pytest.mark.parametrize("diff", [0, "0", 0.0, "", None, "absent"])
def test_a_share_whose_assigned_difficulty_nobody_knows_counts_and_is_not_notable(alice, diff):
    data = {"user": alice.btc_address, "worker": "w", "sdiff": 1e12} | ({} if diff == "absent" else {"diff": diff})
    assert statuses(happen(entry("mining:share_submitted", **data))) == ["accepted"]
    assert DailyShares.objects.get().best_difficulty == 1e12
    assert not UserActivity.objects.exists()


@pytest.mark.parametrize("name", ["unknown", "Unknown", "{address}.unknown", " UNKNOWN "])
def test_an_unknown_worker_counts_for_its_miner_and_is_no_machine(alice, name):
    machine = {"user": alice.btc_address, "worker": name.format(address=alice.btc_address)}
    outcomes = happen(
        entry("mining:miner_connected", **machine),
        entry("mining:hashrate_update", **machine, hashrate_1h="1T"),
        entry("mining:share_submitted", **machine, diff=1, sdiff=2),
        entry("mining:share_submitted", **machine, diff=1, sdiff=1000),
        entry("mining:miner_disconnected", **machine),
    )
    assert statuses(outcomes) == ["accepted"] * 5
    assert GameState.objects.get(user=alice).total_shares == 2
    assert UserActivity.objects.get().metadata == {"worker": "", "difficulty": 1000, "assigned": 1}
    assert not Worker.objects.exists()
    assert not Notification.objects.exists()


@pytest.mark.parametrize(("one", "other"), [("a", "b"), ("", "a"), ("é", "è"), ("a" * 300, "a" * 301)])
def test_workers_whose_names_begin_alike_are_two(alice, one, other):
    happen(*(share(alice, worker="x" * 64 + ending) for ending in (one, other, one, other)))
    names = list(Worker.objects.order_by("name").values_list("name", flat=True))
    assert len(names) == 2
    assert all(len(name) <= 64 and name.startswith("x" * 55) for name in names)
    assert GameState.objects.get(user=alice).total_shares == 4


def test_a_long_name_is_the_same_machine_in_every_event(alice):
    machine = {"user": alice.btc_address, "worker": f"{alice.btc_address}.{'rig ' * 30}"}
    happen(
        entry("mining:miner_connected", **machine),
        entry("mining:hashrate_update", **machine, hashrate_1h=5),
        entry("mining:share_submitted", **machine, diff=1, sdiff=2),
    )
    worker = Worker.objects.get()
    assert (worker.name, worker.hashrate_1h, worker.is_online) == ("rig " * 13 + "rig~3dc9ca2b", 5, True)


# Late events


def test_late_events_stand_in_the_feed_at_their_time(client, alice):
    from conftest import client_of

    happen(platform_event("game_played", user_id=alice.pk, game_type="third", at=NOON))
    happen(
        platform_event("game_played", user_id=alice.pk, game_type="first", at=NOON - 2 * DAY),
        platform_event("game_played", user_id=alice.pk, game_type="fourth", at=NOON + 60),
        platform_event("game_played", user_id=alice.pk, game_type="second", at=NOON - DAY),
        platform_event("game_played", user_id=alice.pk, game_type="fifth", at=NOON + 60),
    )
    make_cooperative(alice, name="Now")
    pages = [client_of(alice).get(f"/api/v1/activity/feed?per_page=2&page={page}").json() for page in (1, 2, 3)]
    titles = [activity["title"] for page in pages for activity in page["activities"]]
    assert titles == [
        "Created cooperative: Now",
        "Played fifth",
        "Played fourth",
        "Played third",
        "Played second",
        "Played first",
    ]
    assert [page["total"] for page in pages] == [6, 6, 6]
    dates = UserActivity.objects.filter(activity_type="game_played").order_by("id").values_list("created_at", flat=True)
    assert [date.timestamp() - NOON for date in dates] == [0, -2 * DAY, 60, -DAY, 60]


@pytest.mark.parametrize(
    "event",
    [
        "block_found",
        "share_submitted",
        "badge_earned",
        "level_up",
        "streak_milestone",
        "game_played",
        "lottery_results",
        "worldcup_registered",
    ],
)
def test_every_line_an_event_writes_has_the_event_s_time(crew, event):
    UserActivity.objects.all().delete()
    happen(tell(event, told_data(event, *crew)))
    assert UserActivity.objects.get().created_at == datetime.fromtimestamp(NOON, UTC)
    created = Notification.objects.exclude(subtype__startswith="coop_member").values_list("created_at", flat=True)
    assert all(at > datetime.fromtimestamp(NOON, UTC) + timedelta(days=1) for at in created)
