"""An event with something wrong stops no other event, is not lost, and does not count twice."""

import time
from hashlib import blake2b

import orjson
import pytest
from django.db import connection

from bitcoingame.core.errors import NotFound
from bitcoingame.events import intake
from bitcoingame.events.catalogue import EVENTS, STREAMS
from bitcoingame.events.intake import try_again
from bitcoingame.models import HandledEvent, SetAsideEvent
from bitcoingame.tests.platform import NOON, entry, happen, platform_event, raw, share
from profiles.models import DailyShares, GameState, Worker

SHARES = "mining:share_submitted"
GOOD = {"user": "bc1qnobody", "worker": "w", "diff": 1, "sdiff": 2, "accepted": True}

pytestmark = pytest.mark.django_db


def shares_of(user):
    return GameState.objects.get(user=user).total_shares


def statuses(outcomes):
    return [outcome.status for outcome in outcomes]


POISON = {
    "broken JSON": (raw(SHARES, data=b'{"user": '), "data is not valid JSON."),
    "no object": (raw(SHARES, data=b"[1]"), "data must be an object."),
    "NaN in JSON": (raw(SHARES, data=b'{"diff": NaN}'), "data is not valid JSON."),
    "too deep": (raw(SHARES, data=b"[" * 5000 + b"]" * 5000), "data is not valid JSON."),
    "too large": (raw(SHARES, data=b'"' + b"x" * 300_000 + b'"'), "data is larger than 262144 bytes."),
    "flat and too large": (raw(SHARES, user=b"x" * 300_000), "The entry is larger than 262144 bytes."),
    "broken UTF-8 in JSON": (raw(SHARES, data=b'{"user": "\xff"}'), "data is not valid JSON."),
    "broken UTF-8, flat": (raw(SHARES, user=b"\xff"), "The entry is not UTF-8."),
    "NaN, flat": (raw(SHARES, user=b"u", diff=b"nan", sdiff=b"1"), "diff must be a number from 0 to 1e+18."),
    "infinite": (entry(SHARES, **GOOD | {"sdiff": "inf"}), "sdiff must be a number from 0 to 1e+18."),
    "negative": (entry(SHARES, **GOOD | {"sdiff": -1}), "sdiff must be a number from 0 to 1e+18."),
    "huge": (entry(SHARES, **GOOD | {"sdiff": 1e300}), "sdiff must be a number from 0 to 1e+18."),
    "a huge integer": (entry(SHARES, **GOOD | {"diff": 2**63}), "diff must be a number from 0 to 1e+18."),
    "text for a number": (entry(SHARES, **GOOD | {"diff": "much"}), "diff must be a number."),
    "underscores": (entry(SHARES, **GOOD | {"diff": "1_000"}), "diff must be a number."),
    "true for a number": (entry(SHARES, **GOOD | {"diff": True}), "diff must be a number."),
    "a list for a number": (entry(SHARES, **GOOD | {"diff": [1]}), "diff must be a number."),
    "no number": (entry(SHARES, user="u", worker="w", diff=1), "sdiff is missing."),
    "no user": (entry(SHARES, worker="w", diff=1, sdiff=1), "user is missing."),
    "a number for the user": (entry(SHARES, **GOOD | {"user": 5}), "user must be an address."),
    "NUL in the user": (entry(SHARES, **GOOD | {"user": "bc1\x00"}), "user must be an address."),
    "NUL in the worker": (
        entry(SHARES, **GOOD | {"worker": "a\x00b"}),
        "worker holds characters that a name may not have.",
    ),
    "a number for the worker": (entry(SHARES, **GOOD | {"worker": 1}), "worker must be text."),
    "accepted is neither": (entry(SHARES, **GOOD | {"accepted": "maybe"}), "accepted must be true or false."),
    "time before Bitcoin": (entry(SHARES, at=5, **GOOD), "ts must be a time since 2009."),
    "no time": (raw(SHARES, ts=b"yesterday", data=orjson.dumps(GOOD)), "ts must be a time."),
    "time is NaN": (raw(SHARES, ts=b"nan", data=orjson.dumps(GOOD)), "ts must be a time since 2009."),
    "unknown": (entry(SHARES, "share_imagined", **GOOD), "There is no event of this name."),
    "event_id too long": (
        entry(SHARES, event_id="x" * 97, **GOOD),
        "event_id must have at most 96 printable characters.",
    ),
}


@pytest.mark.parametrize("kind", POISON)
def test_a_poisonous_entry_is_set_aside_and_its_neighbours_count(alice, kind):
    poison, reason = POISON[kind]
    outcomes = happen(share(alice), poison, share(alice))
    assert statuses(outcomes) == ["accepted", "set_aside", "accepted"]
    assert shares_of(alice) == 2
    aside = SetAsideEvent.objects.get()
    assert (aside.stream, aside.entry, aside.reason, aside.tries) == (SHARES, poison.entry, reason, 1)
    assert statuses(happen(poison)) == ["duplicate"]
    assert SetAsideEvent.objects.count() == 1


def test_every_sort_of_poison_in_one_batch(alice):
    entries = [share(alice), *(poison for poison, _ in POISON.values()), share(alice)]
    assert statuses(happen(*entries)) == ["accepted", *["set_aside"] * len(POISON), "accepted"]
    assert shares_of(alice) == 2
    reasons = set(SetAsideEvent.objects.values_list("reason", flat=True))
    assert reasons == {reason for _, reason in POISON.values()}


@pytest.mark.parametrize("event", EVENTS)
def test_an_event_without_any_of_its_fields_is_set_aside(event):
    assert statuses(happen(platform_event(event))) == ["set_aside"]
    assert "missing" in SetAsideEvent.objects.get().reason


@pytest.mark.parametrize(
    ("event", "data", "reason"),
    [
        ("badge_earned", {"badge_slug": "s", "badge_name": "x" * 129}, "badge_name: This may have at most 128"),
        ("badge_earned", {"badge_slug": "s", "badge_name": "a\u202eb"}, "badge_name: This may not contain control"),
        ("badge_earned", {"badge_slug": 7, "badge_name": "n"}, "badge_slug must be text."),
        ("badge_earned", {"badge_slug": "s", "badge_name": "n", "xp_reward": 1.5}, "xp_reward must be a whole number."),
        ("level_up", {"new_level": 10**12, "title": "t"}, "new_level must be a whole number from 1 to 2147483647."),
        ("match_result", {"score_a": 1, "score_b": 2, "user_ids": 5}, "user_ids must be a list."),
        ("match_result", {"score_a": 1, "score_b": 2, "user_ids": ["x"]}, "user_ids must be a whole number."),
        ("match_starting", {"user_ids": list(range(1, 10_002))}, "user_ids may have at most 10000 entries."),
        ("worldcup_registered", {"country_code": "p1"}, "country_code must be two letters."),
        ("maintenance", {"description": "d", "starts_at": "soon"}, "starts_at must be a time."),
        ("maintenance", {"description": "d", "starts_at": 1e300}, "starts_at must be a time."),
        ("share_best_diff", {"timeframe": "daily", "new_best": 1}, "timeframe must be session, weekly or alltime."),
        ("hashrate_update", {"worker": "w", "hashrate_1h": "19.1Q"}, "hashrate_1h must be a number."),
        ("user_onboarded", {"user_id": "0x1"}, "user_id must be a whole number."),
    ],
)
def test_wrong_values_are_named(alice, event, data, reason):
    happen(platform_event(event, **{"user": alice.btc_address} | data))
    assert SetAsideEvent.objects.get().reason.startswith(reason)


def test_every_stream_names_its_own_event(alice):
    flat = {"user": alice.btc_address, "worker": "w", "diff": "1", "sdiff": "2"}
    outcomes = happen(raw(SHARES, **{name: value.encode() for name, value in flat.items()}))
    assert statuses(outcomes) == ["accepted"]
    assert statuses(happen(raw("platform:events", user=b"u"))) == ["set_aside"]
    assert all(stream in SHARES or STREAMS[stream] for stream in STREAMS)


def test_an_event_from_the_future_is_one_of_now(alice):
    future = time.time() + 10 * 365 * 86400
    happen(share(alice, at=future))
    worker = Worker.objects.get()
    assert worker.last_share_at.timestamp() <= time.time()
    assert DailyShares.objects.get().day == worker.last_share_at.date()


@pytest.mark.parametrize("ts", [b"1767268800", b"1767268800000", b"2026-01-01T12:00:00Z", b"2026-01-01T12:00:00"])
def test_times_come_in_several_ways(alice, ts):
    happen(raw(SHARES, ts=ts, data=orjson.dumps(GOOD | {"user": alice.btc_address})))
    assert Worker.objects.get().last_share_at.timestamp() == NOON


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("{address}.bitaxe-1", "bitaxe-1"),
        ("bitaxe-1", "bitaxe-1"),
        ("{address}", "default"),
        ("", "default"),
        ("{address}.", "default"),
        ("{ADDRESS}.rig", "rig"),
        ("rig-{address}", "rig-"),
        ("bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq.rig", "rig"),
        ("x" * 64, "x" * 64),
        ("x" * 80, "x" * 55 + "~" + blake2b(b"x" * 80, digest_size=4).hexdigest()),
        ("Küche 🔥", "Küche 🔥"),
    ],
)
def test_a_workers_name_never_shows_an_address(alice, said, shown):
    worker = said.format(address=alice.btc_address, ADDRESS=alice.btc_address.upper())
    happen(entry(SHARES, **GOOD | {"user": alice.btc_address, "worker": worker}))
    assert Worker.objects.get().name == shown


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("{address}", "default"),
        ("{address}_rig", "_rig"),
        ("rig/{address}", "rig/"),
        ("{ADDRESS}-rig", "-rig"),
        ("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "default"),
        ("3f2a9c1b7d4e5f6a8b9c1d2e3f4a5b6c", "3f2a9c1b7d4e5f6a8b9c1d2e3f4a5b6c"),
    ],
)
def test_nor_does_it_where_the_event_gives_the_users_id_alone(alice, said, shown):
    worker = said.format(address=alice.btc_address, ADDRESS=alice.btc_address.upper())
    happen(platform_event("share_submitted", user_id=alice.pk, worker=worker, diff=1, sdiff=2))
    assert Worker.objects.get().name == shown


def test_an_address_in_capitals_is_the_same_address(alice):
    happen(entry(SHARES, **GOOD | {"user": alice.btc_address.upper()}))
    assert shares_of(alice) == 1


def test_what_the_database_refuses_is_set_aside_alone_after_some_tries(alice, bob):
    """A fault in a handler would be treated the same."""
    refuse = "ALTER TABLE earned_badges ADD CONSTRAINT no_owls CHECK (slug <> 'owl')"
    with connection.cursor() as cursor:
        cursor.execute(refuse)
    badges = [
        platform_event("badge_earned", event_id=slug, user_id=alice.pk, badge_slug=slug, badge_name=slug)
        for slug in ("fox", "owl", "cat")
    ]
    outcomes = happen(*badges, platform_event("game_played", user_id=bob.pk, game_type="dice"))
    assert statuses(outcomes) == ["accepted", "set_aside", "accepted", "accepted"]
    assert GameState.objects.get(user=alice).badges_earned == 2
    aside = SetAsideEvent.objects.get()
    assert aside.event == "badge_earned"
    assert aside.reason.startswith("It could not be handled: IntegrityError: ")
    assert alice.btc_address not in aside.reason

    assert try_again(aside.pk).status == "set_aside"
    aside.refresh_from_db()
    assert (aside.state, aside.tries) == ("waiting", 2)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE earned_badges DROP CONSTRAINT no_owls")
    assert try_again(aside.pk).status == "accepted"
    assert try_again(aside.pk).status == "duplicate"
    aside.refresh_from_db()
    assert (aside.state, aside.tries, aside.handled_at is not None) == ("handled", 3, True)
    assert GameState.objects.get(user=alice).badges_earned == 3


def test_a_set_aside_event_keeps_what_broke_it_and_may_be_tried_again(alice):
    happen(raw(SHARES, data=b"\xff\x00", user=b"caf\xc3\xa9"))
    aside = SetAsideEvent.objects.get()
    assert aside.payload == r'{"data": "\udcff\u0000", "user": "caf\u00e9"}'
    assert try_again(aside.pk) == ("set_aside", "data is not valid JSON.")


def test_one_that_was_too_large_was_not_kept(alice):
    happen(raw(SHARES, data=b"x" * 600_000))
    aside = SetAsideEvent.objects.get()
    assert aside.payload == ""
    assert try_again(aside.pk).status == "set_aside"


def test_trying_again_does_not_repeat_what_was_sent_again_meanwhile(alice):
    game = {"event_id": "g1", "game_type": "dice"}
    happen(platform_event("game_played", user_id=0, **game))
    assert not HandledEvent.objects.exists()
    happen(platform_event("game_played", user_id=alice.pk, **game))
    aside = SetAsideEvent.objects.get()
    aside.payload = aside.payload.replace('\\"user_id\\":0', f'\\"user_id\\":{alice.pk}')
    aside.save()
    assert try_again(aside.pk).status == "duplicate"


def test_trying_again_what_is_not_there():
    with pytest.raises(NotFound):
        try_again(1)


def test_staff_read_one_line(alice):
    assert intake.first_line(ValueError("one\x00\nDETAIL: two")) == "one"
