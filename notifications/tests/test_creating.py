"""Creating notifications: recipients, rows, numbers and pushes."""

import random
import threading
import time

import pytest
from django.db import connection, transaction

from conftest import make_user
from notifications.errors import BadValue, MissingValue, NotificationMistake, TooManyRecipients, UnknownKind
from notifications.kinds import Person
from notifications.models import Notification, NotificationCounter
from notifications.services import PersonalNotification, create_notification, create_notifications
from notifications.tests.people import assert_counters_equal_rows, counter, prefer, seqs, tell

OFFLINE = {"kind": "worker_offline", "worker": "bitaxe-1", "minutes": 30}


@pytest.mark.django_db
def test_a_notification_is_stored_with_all_its_kind_says(alice):
    assert tell(alice, cause="block:1", **OFFLINE) == 1
    row = Notification.objects.get(user=alice)
    assert (row.type, row.subtype, row.title) == ("mining", "worker_offline", "Worker Offline")
    assert row.description == "bitaxe-1 has been offline for 30 minutes."
    assert (row.action_url, row.action_label) == ("/mining/workers", "View workers")
    assert (row.seq, row.read, row.cause, row.expires_at) == (1, False, "block:1", None)
    assert row.metadata == {"worker": "bitaxe-1", "minutes": 30}
    assert counter(alice) == (1, 1)


@pytest.mark.django_db
def test_a_kind_that_does_not_last_expires(alice):
    tell(alice, kind="streak_warning", cause="week:1", weeks=3)
    row = Notification.objects.get(user=alice)
    assert (row.expires_at - row.created_at).total_seconds() == pytest.approx(6 * 3600, abs=1)


@pytest.mark.django_db
def test_each_recipient_has_numbers_of_their_own(alice, bob, charlie):
    assert tell(alice, bob, cause="a") == 2
    assert tell(bob, cause="b") == 1
    assert tell(bob, alice, bob, cause="c") == 2
    assert (seqs(alice), seqs(bob), seqs(charlie)) == ([1, 2], [1, 2, 3], [])
    assert (counter(alice), counter(bob), counter(charlie)) == ((2, 2), (3, 3), (0, 0))
    assert_counters_equal_rows()


@pytest.mark.django_db
def test_users_who_do_not_want_the_kind_are_not_told(alice, bob, charlie):
    dora = make_user("Dora", is_active=False)
    prefer(alice, coop_activity=True)
    prefer(bob, coop_activity=True, in_app=False)
    prefer(dora, coop_activity=True)
    eve = make_user("Eve")
    joined = {"kind": "coop_member_joined", "member": Person(eve.pk, "Eve"), "cooperative": "Hash Pirates"}
    assert tell(alice, bob, charlie, dora, cause="join:1", **joined) == 1
    assert [seqs(user) for user in (alice, bob, charlie, dora)] == [[1], [], [], []]
    assert [counter(user) for user in (alice, bob, charlie, dora)] == [(1, 1), (0, 0), (0, 0), (0, 0)]


@pytest.mark.django_db
def test_a_kind_without_preference_is_always_wanted_but_for_in_app(alice, bob):
    everything = ["personal_best", "badge_earned", "world_cup_match", "lottery_results", "coop_activity"]
    prefer(alice, **dict.fromkeys(everything, False))
    prefer(bob, in_app=False)
    assert tell(alice, bob, cause="x") == 1
    assert (seqs(alice), seqs(bob)) == ([1], [])


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("preference", "kind", "variant", "values"),
    [
        ("personal_best", "personal_best", "first", {"difficulty": 5}),
        ("badge_earned", "badge_earned", "", {"name": "Block Party", "xp": 5}),
        ("education_recommendation", "education_recommendation", "", {"lesson": "Nonces"}),
        ("world_cup_match", "match_starting", "", {"team_a": "Brazil", "team_b": "Ghana"}),
        ("lottery_results", "lottery_results", "", {"rank": 3, "week": "2026-W47"}),
        ("leaderboard_change", "leaderboard_change", "", {"old_rank": 9, "new_rank": 2, "period": "weekly"}),
        ("block_found_any", "block_found", "anonymous", {"height": 900123}),
        ("coop_activity", "coop_activity", "new_code", {"cooperative": "Hash Pirates"}),
    ],
)
def test_each_switch_turns_its_kind_on_and_off(alice, bob, preference, kind, variant, values):
    prefer(alice, **{preference: True})
    prefer(bob, **{preference: False})
    assert tell(alice, bob, kind=kind, variant=variant, cause="x", **values) == 1
    assert (seqs(alice), seqs(bob)) == ([1], [])


@pytest.mark.django_db
def test_a_repeated_cause_notifies_once_and_bumps_nothing(alice, bob):
    assert tell(alice, cause="event:7") == 1
    assert tell(alice, bob, cause="event:7") == 1
    assert tell(alice, bob, cause="event:7") == 0
    assert tell(alice, cause="event:8") == 1
    assert (seqs(alice), seqs(bob)) == ([1, 2], [1])
    assert (counter(alice), counter(bob)) == ((2, 2), (1, 1))


@pytest.mark.django_db
def test_a_batch_gives_each_user_their_own_values_in_the_order_given(alice, bob):
    items = [
        PersonalNotification(bob.pk, "offline:1", {"worker": "nerdaxe", "minutes": 31}),
        PersonalNotification(alice.pk, "offline:1", {"worker": "bitaxe-1", "minutes": 30}),
        PersonalNotification(bob.pk, "offline:2", {"worker": "bitaxe-9", "minutes": 45}),
        PersonalNotification(bob.pk, "offline:1", {"worker": "again", "minutes": 1}),
    ]
    with transaction.atomic():
        assert create_notifications(kind="worker_offline", items=items) == 3
    with transaction.atomic():
        assert create_notifications(kind="worker_offline", items=items) == 0
    rows = Notification.objects.order_by("user_id", "seq").values_list("user_id", "seq", "description")
    assert list(rows) == [
        (alice.pk, 1, "bitaxe-1 has been offline for 30 minutes."),
        (bob.pk, 1, "nerdaxe has been offline for 31 minutes."),
        (bob.pk, 2, "bitaxe-9 has been offline for 45 minutes."),
    ]
    assert (counter(alice), counter(bob)) == ((1, 1), (2, 2))


@pytest.mark.django_db
def test_a_batch_may_mix_variants(alice):
    items = [
        PersonalNotification(alice.pk, "level:7", {"level": 7, "title": "Hash Hero"}),
        PersonalNotification(alice.pk, "level:8", {"level": 8}, variant="untitled"),
    ]
    with transaction.atomic():
        assert create_notifications(kind="level_up", items=items) == 2
    descriptions = Notification.objects.order_by("seq").values_list("description", flat=True)
    assert list(descriptions) == ["You reached level 7: Hash Hero.", "You reached level 8."]


@pytest.mark.django_db
def test_nobody_and_unknown_users_are_nobody(alice):
    assert tell(cause="x") == 0
    with transaction.atomic():
        assert create_notifications(kind="welcome", items=[]) == 0
        assert create_notification(kind="welcome", recipients=[10**15], cause="x") == 0
    assert not Notification.objects.exists()


@pytest.mark.django_db
def test_creation_is_one_statement_for_one_and_for_twenty(alice, django_assert_num_queries):
    team = [make_user() for _ in range(20)]
    for recipients in ([alice], team):
        with transaction.atomic(), django_assert_num_queries(1):
            create_notification(kind="welcome", recipients=[user.pk for user in recipients], cause="x")
    with transaction.atomic(), django_assert_num_queries(1):
        items = [PersonalNotification(user.pk, "y", {"worker": f"axe-{user.pk}"}) for user in team]
        assert create_notifications(kind="worker_online", items=items) == 20


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("arguments", "mistake"),
    [
        ({"kind": "party", "cause": "x"}, UnknownKind),
        ({"kind": "welcome", "cause": "x", "variant": "again"}, UnknownKind),
        ({"kind": "worker_online", "cause": "x"}, MissingValue),
        ({"kind": "welcome", "cause": ""}, BadValue),
        ({"kind": "welcome", "cause": "x" * 129}, BadValue),
        ({"kind": "welcome", "cause": "x", "recipients": range(10_001)}, TooManyRecipients),
    ],
)
def test_mistakes_are_errors_at_the_call_and_store_nothing(alice, arguments, mistake):
    with pytest.raises(mistake), transaction.atomic():
        create_notification(**{"recipients": [alice.pk], **arguments})
    assert (seqs(alice), counter(alice)) == ([], (0, 0))


@pytest.mark.django_db(transaction=True)
def test_outside_a_transaction_nothing_is_created(alice):
    with pytest.raises(NotificationMistake, match="inside the transaction"):
        create_notification(kind="welcome", recipients=[alice.pk], cause="x")
    assert not Notification.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_what_is_rolled_back_was_never_told(overheard, alice):
    with transaction.atomic():
        create_notification(kind="welcome", recipients=[alice.pk], cause="x")
        transaction.set_rollback(True)
    assert (seqs(alice), counter(alice)) == ([], (0, 0))
    assert overheard() == {}


@pytest.mark.django_db(transaction=True)
def test_each_recipient_is_told_after_the_commit(overheard, alice, bob):
    with transaction.atomic():
        create_notification(recipients=[alice.pk, bob.pk], cause="x", **OFFLINE)
        assert overheard() == {}
    heard = overheard()
    for user in (alice, bob):
        row = Notification.objects.get(user=user)
        assert heard[user.pk] == [
            {
                "event": "notification",
                "data": {
                    "id": str(row.pk),
                    "type": "mining",
                    "subtype": "worker_offline",
                    "title": "Worker Offline",
                    "description": "bitaxe-1 has been offline for 30 minutes.",
                    "timestamp": row.created_at.isoformat().replace("+00:00", "Z"),
                    "read": False,
                    "actionUrl": "/mining/workers",
                    "actionLabel": "View workers",
                    "seq": 1,
                },
            }
        ]


@pytest.mark.django_db(transaction=True)
def test_a_repeated_cause_is_not_pushed_again(overheard, alice):
    tell(alice, cause="x")
    assert len(overheard()[alice.pk]) == 1
    tell(alice, cause="x")
    assert overheard() == {}


@pytest.mark.django_db(transaction=True)
def test_one_cause_told_by_many_at_once_notifies_once(at_once, alice, bob):
    told = at_once([lambda: tell(alice, bob, cause="event:1")] * 8)
    assert sorted(told) == [0] * 7 + [2]
    assert (seqs(alice), counter(alice), seqs(bob), counter(bob)) == ([1], (1, 1), [1], (1, 1))


@pytest.mark.django_db(transaction=True)
def test_the_race_of_one_cause_with_different_recipients_skips_no_number(at_once, alice, bob, charlie):
    circle = [(alice, bob), (bob, charlie), (charlie, alice)]
    calls = [
        lambda pair=pair, round_=round_: tell(*pair, cause=f"event:{round_}") for round_ in range(4) for pair in circle
    ]
    told = at_once(calls)
    assert sum(told) == 12
    for user in (alice, bob, charlie):
        assert (seqs(user), counter(user)) == ([1, 2, 3, 4], (4, 4))


@pytest.mark.django_db(transaction=True)
def test_recipients_in_any_order_do_not_deadlock(at_once):
    team = [make_user() for _ in range(20)]

    def shuffled(number: int) -> int:
        order = random.Random(number).sample(team, len(team))
        return sum(tell(*order, cause=f"{number}:{turn}") for turn in range(5))

    assert at_once([lambda number=number: shuffled(number) for number in range(8)]) == [100] * 8
    assert all(seqs(user) == list(range(1, 41)) for user in team)
    assert_counters_equal_rows()


@pytest.mark.django_db(transaction=True)
def test_a_reader_by_seq_loses_nothing_from_writers_that_commit_late(at_once, alice, bob):
    """Ids and timestamps commit out of order; seq does not, because its counter is locked until the commit."""
    writers, each = 8, 25
    done = threading.Event()

    def write(number: int) -> None:
        delays = random.Random(number)
        for turn in range(each):
            with transaction.atomic():
                create_notification(kind="welcome", recipients=[alice.pk, bob.pk], cause=f"{number}:{turn}")
                time.sleep(delays.random() * 0.004)

    def read(user_id: int) -> list[int]:
        seen: list[int] = []
        is_last = False
        while not is_last:
            is_last = done.is_set()
            rows = Notification.objects.filter(user_id=user_id, seq__gt=seen[-1] if seen else 0).order_by("seq")
            seen += rows.values_list("seq", flat=True)
        return seen

    def write_all() -> None:
        threads = [threading.Thread(target=closing(write), args=(number,)) for number in range(writers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        done.set()

    results = at_once([write_all, lambda: read(alice.pk), lambda: read(bob.pk)])
    assert results == [None, list(range(1, writers * each + 1)), list(range(1, writers * each + 1))]
    assert NotificationCounter.objects.get(user=alice).last_seq == writers * each


def closing(work):
    def run(*arguments):
        try:
            work(*arguments)
        finally:
            connection.close()

    return run
