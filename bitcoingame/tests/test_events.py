"""The effect of each event of the platform."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import connection, connections, transaction

from bitcoingame.events import ledger
from bitcoingame.events.catalogue import EVENTS
from bitcoingame.models import HandledEvent, HandledFact, OutgoingEvent, SetAsideEvent
from bitcoingame.tests.platform import NOON, entry, happen, platform_event, share, wait_until
from conftest import make_cooperative, make_user
from notifications.models import Broadcast, Notification, NotificationCounter
from notifications.reminders import extend_streaks
from profiles.models import DailyShares, EarnedBadge, GameState, NotificationPreferences, Worker
from social.models import UserActivity

DAY = 86400
pytestmark = pytest.mark.django_db


def at(seconds):
    return datetime.fromtimestamp(seconds, UTC)


def statuses(outcomes):
    return [outcome.status for outcome in outcomes]


def state_of(user):
    return GameState.objects.get(user=user)


def told(user):
    return list(Notification.objects.filter(user=user).order_by("seq").values_list("subtype", "description"))


def feed(user):
    return list(UserActivity.objects.filter(user=user).order_by("id").values_list("activity_type", "title"))


def test_shares_count_for_the_worker_the_day_and_the_miner(alice, bob):
    outcomes = happen(
        share(alice, sdiff=2000),
        share(alice, sdiff=5000.5, at=NOON + 1),
        share(alice, worker="bitaxe-2", sdiff=3000, at=NOON + 2),
        share(alice, sdiff=9000, at=NOON + DAY),
        share(bob, sdiff=1500),
    )
    assert statuses(outcomes) == ["accepted"] * 5
    days = DailyShares.objects.order_by("user_id", "day").values_list("user_id", "day", "shares", "best_difficulty")
    assert list(days) == [
        (alice.pk, date(2026, 1, 1), 3, 5000.5),
        (alice.pk, date(2026, 1, 2), 1, 9000),
        (bob.pk, date(2026, 1, 1), 1, 1500),
    ]
    assert (state_of(alice).total_shares, state_of(bob).total_shares) == (4, 1)
    workers = Worker.objects.order_by("user_id", "name").values_list("user_id", "name", "is_online", "last_share_at")
    assert list(workers) == [
        (alice.pk, "bitaxe-1", True, at(NOON + DAY)),
        (alice.pk, "bitaxe-2", True, at(NOON + 2)),
        (bob.pk, "bitaxe-1", True, at(NOON)),
    ]
    assert told(alice) == []
    assert feed(alice) == []


def test_a_refused_share_shows_that_the_worker_lives_and_counts_nowhere(alice):
    happen(share(alice, accepted=False, sdiff=1e9), share(alice, accepted="false"), share(alice, accepted="0"))
    assert Worker.objects.get().last_share_at == at(NOON)
    assert not DailyShares.objects.exists()
    assert state_of(alice).total_shares == 0
    assert feed(alice) == []


@pytest.mark.parametrize("accepted", [True, "true", "1", 1])
def test_accepted_is_said_in_several_ways(alice, accepted):
    happen(share(alice, accepted=accepted, diff="1024", sdiff="2048.5"))
    assert DailyShares.objects.get().best_difficulty == 2048.5


def test_a_share_a_hundred_times_harder_than_assigned_stands_in_the_feed(alice):
    happen(share(alice, diff=1000, sdiff=99_999.9), share(alice, diff=1000, sdiff=100_000))
    activity = UserActivity.objects.get()
    assert (activity.activity_type, activity.title) == ("share_submitted", "Mining share submitted")
    assert activity.metadata == {"worker": "bitaxe-1", "difficulty": 100_000, "assigned": 1000}


def test_flat_fields_mean_the_same_as_json(alice):
    from bitcoingame.tests.platform import raw

    fields = {"user": alice.btc_address, "worker": "bitaxe-1", "diff": "1024", "sdiff": "4096", "accepted": "1"}
    happen(raw("mining:share_submitted", ts=b"1767268800", **{key: fields[key].encode() for key in fields}))
    assert DailyShares.objects.get().best_difficulty == 4096
    assert Worker.objects.get().last_share_at == at(NOON)


def test_the_same_entry_counts_once_in_one_batch_and_in_the_next(alice):
    again = share(alice)
    assert statuses(happen(again, again)) == ["accepted", "duplicate"]
    assert statuses(happen(again)) == ["duplicate"]
    assert state_of(alice).total_shares == 1


def test_the_same_event_id_counts_once_whichever_way_it_comes(alice):
    first = share(alice)
    twin = entry("mining:share_submitted", event_id="e1", user=alice.btc_address, diff=1, sdiff=1)
    other_stream = entry("platform:events", "share_submitted", event_id="e1", user=alice.btc_address, diff=1, sdiff=1)
    assert statuses(happen(first, twin, other_stream)) == ["accepted", "accepted", "duplicate"]
    assert state_of(alice).total_shares == 2


def test_an_unknown_miner_is_ignored(alice):
    assert statuses(happen(share("bc1qnobody"), share(alice))) == ["ignored", "accepted"]
    assert not SetAsideEvent.objects.exists()
    assert Worker.objects.get().user_id == alice.pk


def connect(user, **fields):
    return entry("mining:miner_connected", user=user.btc_address, worker="bitaxe-1", **fields)


def disconnect(user, **fields):
    return entry("mining:miner_disconnected", user=user.btc_address, worker="bitaxe-1", **fields)


def is_online():
    return Worker.objects.get().is_online


def test_a_worker_that_reconnects_is_online_and_nobody_was_told_that_it_was_not(alice):
    happen(connect(alice))
    assert is_online()
    happen(disconnect(alice, at=NOON + 10))
    assert not is_online()
    happen(connect(alice, at=NOON + 20))
    assert is_online()
    assert told(alice) == []


def test_a_share_brings_a_worker_back_as_well(alice):
    happen(connect(alice), disconnect(alice, at=NOON + 2), share(alice, at=NOON + 5))
    assert is_online()
    assert told(alice) == []


@pytest.mark.parametrize("stream", ["mining:miner_connected", "mining:share_submitted"])
def test_a_new_worker_whose_hashrate_came_first_does_not_mine_again(alice, stream):
    worker = {"user": alice.btc_address, "worker": "bitaxe-1"}
    happen(entry("mining:hashrate_update", **worker, hashrate_1h="1T"), entry(stream, **worker, diff=1, sdiff=2))
    assert Worker.objects.get().is_online
    assert told(alice) == []


def test_older_news_of_a_worker_never_replaces_newer(alice):
    happen(connect(alice, at=NOON + 10))
    happen(disconnect(alice, at=NOON + 5))
    assert is_online()
    happen(disconnect(alice, at=NOON + 20))
    happen(share(alice, at=NOON + 15))
    assert not is_online()
    assert Worker.objects.get().last_share_at == at(NOON + 15)
    happen(share(alice, at=NOON + 12))
    assert Worker.objects.get().last_share_at == at(NOON + 15)
    assert told(alice) == []


def hashrate(user, rate, **fields):
    return entry("mining:hashrate_update", user=user.btc_address, worker="bitaxe-1", hashrate_1h=rate, **fields)


@pytest.mark.parametrize(
    ("said", "meant"),
    [(5e11, 5e11), ("19.1M", 19.1e6), ("1.2 TH/s", 1.2e12), ("500", 500), ("3k", 3000), (0, 0), ("2E", 2e18)],
)
def test_hashrates_come_as_numbers_or_with_a_suffix(alice, said, meant):
    happen(share(alice), hashrate(alice, said))
    assert Worker.objects.get().hashrate_1h == pytest.approx(meant)


def test_an_older_hashrate_never_replaces_a_newer(alice):
    happen(hashrate(alice, 10, at=NOON + 1), hashrate(alice, 20, at=NOON + 3), hashrate(alice, 30, at=NOON + 2))
    happen(hashrate(alice, 40, at=NOON))
    assert Worker.objects.get().hashrate_1h == 20


def test_a_hashrate_of_all_workers_together_changes_no_worker(alice):
    happen(entry("mining:hashrate_update", user=alice.btc_address, hashrate_1h="1T"))
    assert not Worker.objects.exists()


def best(user, new_best, *, timeframe="alltime", **fields):
    data = {"user": user.btc_address, "new_best": new_best, "prev_best": 1, "timeframe": timeframe}
    return entry("mining:share_best_diff", **data, **fields)


def test_a_best_of_all_time_is_kept_and_told(alice):
    happen(best(alice, 1500), best(alice, 900), best(alice, 2_500_000))
    assert state_of(alice).best_difficulty == 2_500_000
    assert told(alice) == [
        ("personal_best", "Your best difficulty is now 1,500."),
        ("personal_best", "Your best difficulty is now 2,500,000, up from 1,500."),
    ]


def test_a_best_of_a_session_or_a_week_changes_nothing(alice):
    happen(best(alice, 1500, timeframe="session"), best(alice, 1500, timeframe="weekly"))
    assert state_of(alice).best_difficulty == 0
    assert told(alice) == []


def block(user, **fields):
    data = {"user": user.btc_address, "height": 900_000, "hash": "00ab", "reward_sats": 312_500_000}
    return entry("mining:block_found", **data | fields)


def want_everything(*users):
    NotificationPreferences.objects.filter(user__in=users).update(
        block_found_any=True, coop_activity=True, leaderboard_change=True, education_recommendation=True
    )


@pytest.fixture
def cooperative(alice, bob):
    cooperative = make_cooperative(alice, bob, name="Night Shift")
    OutgoingEvent.objects.all().delete()
    UserActivity.objects.all().delete()
    Notification.objects.all().delete()
    want_everything(alice, bob)
    return cooperative


def test_a_block_counts_for_the_finder_and_the_cooperative_and_is_told(alice, bob, charlie, cooperative):
    happen(block(bob))
    assert state_of(bob).blocks_found == 1
    assert feed(bob) == [("block_found", "Found Block #900000!")]
    cooperative.refresh_from_db()
    assert cooperative.blocks_found == 1
    assert told(alice) == [("coop_activity", "Bob found block #900000 for Night Shift.")]
    assert told(bob) == []
    assert told(charlie) == []
    outgoing = OutgoingEvent.objects.get()
    assert outgoing.event == "coop_block_found"
    assert outgoing.payload == {
        "cooperative_id": str(cooperative.pk),
        "user_id": str(bob.pk),
        "user": bob.btc_address,
        "height": 900_000,
        "hash": "00ab",
        "members": [{"user_id": str(user.pk), "btc_address": user.btc_address} for user in (alice, bob)],
    }


def test_two_blocks_in_one_batch_count_twice(alice, bob, cooperative):
    happen(block(bob), block(alice, hash="00ac"), block(bob, height=900_001, hash="00ad"))
    cooperative.refresh_from_db()
    assert (cooperative.blocks_found, state_of(bob).blocks_found, state_of(alice).blocks_found) == (3, 2, 1)


def test_a_block_of_somebody_without_a_cooperative_counts_for_the_finder_alone(charlie):
    happen(block(charlie))
    assert state_of(charlie).blocks_found == 1
    assert not OutgoingEvent.objects.exists()


def test_everyone_is_told_of_a_block_and_a_hidden_finder_is_not_named(alice, bob):
    bob.public_profile = False
    bob.save()
    happen(block(alice), block(bob, hash="00ac"))
    said = list(Broadcast.objects.order_by("id").values_list("description", flat=True))
    assert said == ["Alice found block #900000.", "A miner found block #900000."]


def test_a_suspended_finder_is_not_named_either(alice):
    alice.is_active = False
    alice.save()
    happen(block(alice))
    broadcast = Broadcast.objects.get()
    assert (broadcast.description, broadcast.metadata) == ("A miner found block #900000.", {"height": 900_000})


def test_a_badge_is_earned_once(alice):
    badge = {"user_id": alice.pk, "badge_slug": "first_share", "badge_name": "First Share", "xp_reward": 50}
    happen(
        platform_event("badge_earned", **badge),
        platform_event("badge_earned", **badge),
        platform_event("badge_earned", **badge | {"badge_slug": "night", "badge_name": "Night Owl", "xp_reward": 25}),
    )
    happen(platform_event("badge_earned", **badge))
    assert list(EarnedBadge.objects.order_by("id").values_list("slug", "earned_at")) == [
        ("first_share", at(NOON)),
        ("night", at(NOON)),
    ]
    assert (state_of(alice).badges_earned, state_of(alice).xp) == (2, 75)
    assert feed(alice) == [("badge_earned", "Earned badge: First Share"), ("badge_earned", "Earned badge: Night Owl")]
    assert told(alice) == [
        ("badge_earned", 'You earned the badge "First Share" and 50 XP.'),
        ("badge_earned", 'You earned the badge "Night Owl" and 25 XP.'),
    ]


@pytest.mark.parametrize(
    ("description", "xp", "text"),
    [
        ("You found your first share!", 50, "You found your first share! You earned 50 XP."),
        ("Submit a share", 1, "Submit a share. You earned 1 XP."),
        ("Submit a share.", 0, "Submit a share."),
        ("Submit a share.", None, "Submit a share."),
        (None, 0, 'You earned the badge "First Share".'),
        ("", 2_500, 'You earned the badge "First Share" and 2,500 XP.'),
        ("  ", 0, 'You earned the badge "First Share".'),
        (7, 5, 'You earned the badge "First Share" and 5 XP.'),
        ({"en": "A"}, 5, 'You earned the badge "First Share" and 5 XP.'),
    ],
)
def test_a_badge_says_what_it_is_for(alice, description, xp, text):
    badge = {"badge_slug": "first_share", "badge_name": "First Share", "xp_reward": xp, "description": description}
    happen(platform_event("badge_earned", user_id=alice.pk, **badge))

    assert told(alice) == [("badge_earned", text)]
    assert UserActivity.objects.get(user=alice).description == text
    assert (state_of(alice).badges_earned, state_of(alice).xp) == (1, xp or 0)


def test_a_level_rises_and_never_falls(alice):
    happen(platform_event("level_up", user=alice.btc_address, old_level=1, new_level=3, title="Hash Apprentice"))
    happen(platform_event("level_up", user=alice.btc_address, old_level=1, new_level=2, title="Newcomer"))
    assert (state_of(alice).level, state_of(alice).level_title) == (3, "Hash Apprentice")
    assert feed(alice) == [("level_up", "Reached level 3: Hash Apprentice")]
    assert told(alice) == [("level_up", "You reached level 3: Hash Apprentice.")]


def test_a_streak_goes_on_and_is_told_once_a_week(alice):
    happen(
        platform_event("streak_extended", user_id=str(alice.pk), streak_weeks=4),
        platform_event("streak_extended", user_id=str(alice.pk), streak_weeks=4),
        platform_event("streak_milestone", user_id=str(alice.pk), streak_weeks=4),
    )
    assert (state_of(alice).current_streak, state_of(alice).streak_week) == (4, date(2025, 12, 22))
    assert told(alice) == [("streak_extended", "Your mining streak is now 4 weeks long.")]
    assert feed(alice) == [("streak_milestone", "Reached 4-week mining streak")]


def test_games_lotteries_and_registrations(alice):
    happen(
        platform_event("game_played", user_id=alice.pk, game_type="hash-roulette"),
        platform_event("lottery_results", user_id=alice.pk, rank=7, week_iso="2026-W01"),
        platform_event("worldcup_registered", user_id=alice.pk, country_code="pt"),
    )
    assert feed(alice) == [
        ("game_played", "Played hash-roulette"),
        ("lottery_result", "Weekly lottery: ranked #7"),
        ("worldcup_registered", "Registered for World Cup"),
    ]
    assert told(alice) == [("lottery_results", "You ranked #7 in the lottery of week 2026-W01.")]


def test_a_match_is_told_to_those_it_names(alice, bob, charlie):
    match = {"match_id": "m1", "team_a": "Portugal", "team_b": "Japan", "score_a": 2, "score_b": 1}
    ids = [alice.pk, str(bob.pk), 999_999_999]
    happen(
        platform_event("match_starting", **match, user_ids=ids), platform_event("match_result", **match, user_ids=ids)
    )
    for user in (alice, bob):
        assert told(user) == [
            ("match_starting", "Portugal against Japan is starting."),
            ("match_result", "Portugal against Japan ended 2–1."),
        ]
    assert told(charlie) == []


def somebody_waits_for_a_lock():
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)")
        return cursor.fetchone()[0]


@pytest.mark.django_db(transaction=True)
def test_recipients_are_locked_in_order_however_many_matches_there_are(alice, bob, monkeypatch):
    """Without one order, two transactions that notify the same users would wait for each other."""
    monkeypatch.setattr("bitcoingame.events.effects.MAX_RECIPIENTS", 1)
    teams = {"team_a": "Portugal", "team_b": "Japan"}
    first, second = sorted((alice, bob), key=lambda user: user.pk)

    def tell():
        try:
            happen(*(platform_event("match_starting", **teams, user_ids=[user.pk]) for user in (second, first)))
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as executor:
        with transaction.atomic():
            NotificationCounter.objects.select_for_update(no_key=True).get(pk=first.pk)
            telling = executor.submit(tell)
            wait_until(somebody_waits_for_a_lock)
            NotificationCounter.objects.select_for_update(no_key=True, nowait=True).get(pk=second.pk)
        telling.result()
    assert told(alice) == told(bob) == [("match_starting", "Portugal against Japan is starting.")]


@pytest.mark.parametrize(("new_rank", "is_told"), [(15, True), (5, True), (6, False), (14, False)])
def test_a_rank_is_told_when_it_moved_by_five(alice, new_rank, is_told):
    want_everything(alice)
    happen(platform_event("leaderboard_change", user_id=alice.pk, old_rank=10, new_rank=new_rank, period="weekly"))
    assert [kind for kind, _ in told(alice)] == ["leaderboard_change"] * is_told


def test_a_lesson_is_told_to_those_who_want_lessons(alice, bob):
    want_everything(alice)
    for user in (alice, bob):
        happen(platform_event("education_recommendation", user_id=user.pk, lesson="l-3", title="What is a nonce?"))
    assert told(alice) == [("education_recommendation", "A lesson for you: What is a nonce?")]
    assert told(bob) == []


def test_maintenance_is_announced_to_everyone():
    happen(
        platform_event("maintenance", description="The pool moves.", starts_at="2026-02-01T10:00:00Z"),
        platform_event("maintenance", description="We are late."),
    )
    said = list(Broadcast.objects.order_by("id").values_list("description", flat=True))
    assert said == ["The pool moves. It starts on 1 February 2026 at 10:00 UTC.", "We are late."]


def test_welcome_is_said_once_in_a_life(alice):
    happen(platform_event("user_onboarded", user_id=alice.pk))
    happen(platform_event("user_onboarded", user_id=alice.pk))
    assert [kind for kind, _ in told(alice)] == ["welcome"]


def test_a_user_deleted_a_moment_ago_is_ignored_and_the_others_count(alice):
    gone = make_user()
    happen(share(gone))
    gone.delete()
    assert statuses(happen(share(gone), share(alice))) == ["ignored", "accepted"]
    assert state_of(alice).total_shares == 1


def test_an_account_opened_anew_with_the_same_address_is_found(alice):
    address = alice.btc_address
    happen(share(alice), best(alice, 5))
    alice.delete()
    again = make_user(btc_address=address)
    happen(best(again, 7))
    assert state_of(again).best_difficulty == 7
    happen(share(again))
    assert state_of(again).total_shares == 1


def test_records_of_handled_events_are_deleted_when_old(alice):
    happen(share(alice), platform_event("game_played", user_id=alice.pk, game_type="dice"))
    happen(platform_event("no_such_event"))
    from django.utils import timezone

    now = timezone.now()
    assert ledger.purge_handled(now=now, batch_size=10) == 0
    assert ledger.purge_handled(now=now + ledger.KEPT, batch_size=1) == 3
    assert not HandledEvent.objects.exists()
    assert not HandledFact.objects.exists()
    assert SetAsideEvent.objects.exists()
    assert ledger.purge_handled(now=now + ledger.SET_ASIDE_KEPT, batch_size=10) == 2
    assert SetAsideEvent.objects.exists(), "it waits for staff, however long"
    SetAsideEvent.objects.update(state="handled", handled_at=now - timedelta(seconds=1))
    assert ledger.purge_handled(now=now + ledger.SET_ASIDE_KEPT, batch_size=10) == 1
    assert not SetAsideEvent.objects.exists()


def test_every_event_of_the_table_is_in_these_stories():
    import inspect
    import sys

    source = inspect.getsource(sys.modules[__name__])
    assert [event for event in EVENTS if event not in source and event != "share_submitted"] == []


def test_the_monday_job_neither_counts_nor_tells_again_what_the_platform_told(alice):
    monday = datetime(2026, 1, 5, 0, 1, tzinfo=UTC)
    happen(share(alice), platform_event("streak_extended", user_id=alice.pk, streak_weeks=9, at=monday.timestamp()))
    extend_streaks(now=monday + timedelta(minutes=4))
    assert state_of(alice).current_streak == 9
    assert told(alice) == [("streak_extended", "Your mining streak is now 9 weeks long.")]
    happen(platform_event("streak_extended", user_id=alice.pk, streak_weeks=3, at=NOON - 30 * DAY))
    assert state_of(alice).current_streak == 9
