"""A text names a user only to those who may see the name now: when it is told, mailed or read, and in what is stored.

Alice finds a block or joins. Bob is her fellow member, Charlie an outsider; both want to hear of everything.
"""

import threading
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone
from django_rq import get_queue
from rq import SimpleWorker

from bitcoingame.schedule import TIMETABLE
from bitcoingame.staff.accounts import delete_account, restore_user, suspend_user
from bitcoingame.tests.platform import entry, happen, wait_until
from conftest import client_of, make_cooperative, make_user
from notifications.email.deliveries import send_next_email
from notifications.email.messages import EmailRefused
from notifications.kinds import Person
from notifications.models import Broadcast, EmailDelivery, Notification, NotificationCounter
from notifications.services import create_notification, deliver_batch
from notifications.tests.people import assert_counters_equal_rows, prefer, tell
from notifications.tests.sockets import enter, serve
from profiles.models import NotificationPreferences, User
from social import moderation

pytestmark = pytest.mark.django_db

SETTINGS, ME, LIST = "/api/v1/users/me/settings", "/api/v1/users/me", "/api/v1/notifications"
COOPERATIVES = "/api/v1/cooperatives"
NAMED, ANONYMOUS = "Alice found block #900000.", "A miner found block #900000."
NAMED_TO_FELLOWS = "Alice found block #900000 for Pirates."
ANONYMOUS_TO_FELLOWS = "A member found block #900000 for Pirates."


@pytest.fixture
def mona(db):
    return User.objects.create_staff("mona", "a long enough password", is_superuser=True)


@pytest.fixture(autouse=True)
def everyone_wants_news(alice, bob, charlie):
    NotificationPreferences.objects.update(block_found_any=True, coop_activity=True)


def hide(user, staff):
    patch(user, SETTINGS, {"privacy": {"publicProfile": False}})


def hide_from_rankings(user, staff):
    patch(user, SETTINGS, {"privacy": {"showInCoopRankings": False}})


def suspend(user, staff):
    suspend_user(staff=staff, reason="Spam.", user_id=user.pk)


def delete(user, staff):
    delete_account(staff=staff, reason="On request.", user_id=user.pk)


def rename(user, staff):
    patch(user, ME, {"display_name": "Alicia"})


def clear_name(user, staff):
    patch(user, ME, {"display_name": None})


def hide_by_script(user, staff):
    with connection.cursor() as cursor:
        cursor.execute("UPDATE users SET public_profile = false WHERE id = %s", [user.pk])


def delete_by_script(user, staff):
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM users WHERE id = %s", [user.pk])


HIDING = [hide, hide_from_rankings, hide_by_script]
FROM_OUTSIDERS = [*HIDING, suspend, delete, delete_by_script, rename, clear_name]
each_way = pytest.mark.parametrize("take_back", FROM_OUTSIDERS, ids=lambda way: way.__name__)


def patch(user, path, body):
    assert client_of(user).patch(path, body, format="json").status_code == 200


def find_block(user, **changes):
    data = {"user": user.btc_address, "worker": "x", "height": 900_000, "hash": "00ab", "reward_sats": 1}
    happen(entry("mining:block_found", **data | changes))


def run_the_minute():
    """Runs the jobs that deliver, mail and clear up, as the timetable does each minute."""
    for name in ("resume_broadcasts", "send_due_emails", "withdraw_names"):
        if name in TIMETABLE:
            TIMETABLE[name].work(now=timezone.now(), since=None)


def listed(user):
    """What the user's dashboard shows, oldest first."""
    rows = client_of(user).get(LIST).json()["notifications"]
    return [row["description"] for row in reversed(rows)]


def stored(user):
    return list(Notification.objects.filter(user=user).order_by("seq").values_list("description", flat=True))


def stored_for_others(user):
    """All that is in the tables of notifications, as text, without the user's own rows."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(string_agg(t, ' '), '') FROM (SELECT n::text AS t FROM notifications n WHERE user_id <> %s"
            " UNION ALL SELECT b::text FROM broadcasts b) AS all_rows",
            [user.pk],
        )
        return cursor.fetchone()[0]


def forget_everything():
    Notification.objects.all().delete()
    NotificationCounter.objects.update(unread=0, stored_by_type=[0] * 5, unread_by_type=[0] * 5)


@each_way
def test_a_block_that_is_told_late_names_nobody_who_took_the_name_back(alice, charlie, mona, take_back):
    find_block(alice)
    take_back(alice, mona)
    run_the_minute()
    assert (listed(charlie), stored(charlie)) == ([ANONYMOUS], [ANONYMOUS])
    assert Notification.objects.get(user=charlie).metadata == {"height": 900_000}
    assert "Alice" not in stored_for_others(alice)


@pytest.mark.parametrize("take_back", FROM_OUTSIDERS, ids=lambda way: way.__name__)
def test_somebody_without_a_name_is_not_called_by_the_address_either(charlie, mona, take_back):
    miner = make_user(None)
    start = miner.btc_address[:8]
    find_block(miner)
    run_the_minute()
    assert listed(charlie) == [f"Miner-{start} found block #900000."]
    if take_back is clear_name:
        patch(miner, ME, {"display_name": "Named"})
    else:
        take_back(miner, mona)
    assert listed(charlie) == [ANONYMOUS]
    run_the_minute()
    assert listed(charlie) == [ANONYMOUS]
    assert "Miner-" not in stored_for_others(miner)


@each_way
def test_what_was_told_before_is_anonymous_at_once_and_soon_in_the_tables(alice, charlie, mona, take_back):
    find_block(alice)
    run_the_minute()
    assert (listed(charlie), Broadcast.objects.get().description) == ([NAMED], NAMED)

    take_back(alice, mona)

    assert listed(charlie) == [ANONYMOUS]
    run_the_minute()
    assert (listed(charlie), stored(charlie)) == ([ANONYMOUS], [ANONYMOUS])
    broadcast = Broadcast.objects.get()
    assert (broadcast.description, broadcast.metadata) == (ANONYMOUS, {"height": 900_000})
    assert "Alice" not in stored_for_others(alice)
    assert_counters_equal_rows()


@each_way
@pytest.mark.parametrize("is_retried", [False, True])
def test_an_email_names_nobody_who_took_the_name_back(alice, charlie, mona, take_back, is_retried, mailoutbox):
    prefer(charlie, email_notifications=True, email="c@example.com", email_state="confirmed")
    find_block(alice)
    deliver_batch(Broadcast.objects.get().pk, batch_size=1000)
    if is_retried:
        assert send_next_email(BusyService(), now=timezone.now())
    take_back(alice, mona)
    EmailDelivery.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    run_the_minute()
    (email,) = mailoutbox
    assert email.body.startswith(ANONYMOUS)
    assert "Alice" not in email.message().as_string()


class BusyService:
    def send(self, email):
        assert NAMED in email.body
        raise EmailRefused("421", is_final=False)


def test_an_anonymous_text_stays_so_when_the_user_is_public_again(alice, charlie):
    find_block(alice)
    run_the_minute()
    hide(alice, None)
    patch(alice, SETTINGS, {"privacy": {"publicProfile": True}})
    assert listed(charlie) == [ANONYMOUS]
    run_the_minute()
    assert stored(charlie) == listed(charlie) == [ANONYMOUS]
    find_block(alice, height=900_001, hash="01")
    run_the_minute()
    assert listed(charlie) == [ANONYMOUS, "Alice found block #900001."]


def test_no_name_comes_back_with_a_suspended_user(alice, bob, charlie, mona):
    cooperative = make_cooperative(alice, bob, name="Pirates")
    forget_everything()
    find_block(alice)
    run_the_minute()
    suspend(alice, mona)
    restore_user(staff=mona, reason="A mistake.", user_id=alice.pk)
    client_of(alice).post(f"{COOPERATIVES}/join", {"invite_code": cooperative.invite_code}, format="json")
    assert (listed(bob)[0], listed(charlie)) == (ANONYMOUS_TO_FELLOWS, [ANONYMOUS])
    run_the_minute()
    assert stored(bob)[:2] == [ANONYMOUS_TO_FELLOWS, ANONYMOUS]
    assert stored(charlie) == [ANONYMOUS]


def test_a_batch_that_resumes_half_way_names_nobody_any_more(alice, charlie):
    others = [make_user() for _ in range(9)]
    NotificationPreferences.objects.update(block_found_any=True)
    find_block(alice)
    pk = Broadcast.objects.get().pk
    assert deliver_batch(pk, batch_size=5)
    first, second = [alice, *[user for user in User.objects.order_by("pk") if user != alice][:4]], others[-5:]
    assert {tuple(stored(user)) for user in first} == {(NAMED,)}

    hide(alice, None)
    while deliver_batch(pk, batch_size=5):
        pass

    assert {tuple(stored(user)) for user in second} == {(ANONYMOUS,)}
    assert {tuple(listed(user)) for user in first if user != alice} == {(ANONYMOUS,)}
    run_the_minute()
    assert {tuple(stored(user)) for user in User.objects.exclude(pk=alice.pk)} == {(ANONYMOUS,)}
    assert stored(alice) == [NAMED]
    assert_counters_equal_rows()


class TestFellows:
    @pytest.fixture(autouse=True)
    def pirates(self, alice, bob):
        cooperative = make_cooperative(bob, alice, name="Pirates")
        forget_everything()
        return cooperative

    @pytest.mark.parametrize("hide", HIDING, ids=lambda way: way.__name__)
    @pytest.mark.parametrize("moment", ["before the block", "before delivery", "after delivery"])
    def test_see_each_other_by_name(self, alice, bob, charlie, hide, moment):
        if moment == "before the block":
            hide(alice, None)
        find_block(alice)
        if moment == "before delivery":
            hide(alice, None)
        run_the_minute()
        if moment == "after delivery":
            hide(alice, None)
            run_the_minute()
        assert stored(bob) == listed(bob) == [NAMED_TO_FELLOWS, NAMED]
        assert stored(charlie) == listed(charlie) == [ANONYMOUS]
        assert listed(alice) == [NAMED]
        assert Broadcast.objects.get().description == ANONYMOUS
        assert Broadcast.objects.get().named_description is None

    def leave(self, alice, bob, pirates, mona):
        client_of(alice).post(f"{COOPERATIVES}/leave")

    def lose_seat(self, alice, bob, pirates, mona):
        path = f"{COOPERATIVES}/{pirates.pk}/remove-member"
        client_of(bob).post(path, {"user_id": str(alice.pk)}, format="json")

    def lose_seat_by_staff(self, alice, bob, pirates, mona):
        moderation.remove_member(staff=mona, reason="Spam.", cooperative_id=pirates.pk, user_id=alice.pk)

    def dissolve(self, alice, bob, pirates, mona):
        moderation.dissolve_cooperative(staff=mona, reason="Spam.", cooperative_id=pirates.pk)

    def reader_leaves(self, alice, bob, pirates, mona):
        client_of(bob).post(f"{COOPERATIVES}/leave")

    @pytest.mark.parametrize("part", [leave, lose_seat, lose_seat_by_staff, dissolve, reader_leaves])
    def test_who_left_is_an_outsider(self, alice, bob, pirates, mona, part):
        hide(alice, None)
        find_block(alice)
        run_the_minute()
        assert listed(bob)[:2] == [NAMED_TO_FELLOWS, NAMED]
        part(self, alice, bob, pirates, mona)
        assert listed(bob)[:2] == [ANONYMOUS_TO_FELLOWS, ANONYMOUS]
        run_the_minute()
        assert stored(bob)[:2] == [ANONYMOUS_TO_FELLOWS, ANONYMOUS]
        assert "Alice found" not in " ".join(stored(bob))

    @pytest.mark.parametrize("part", [leave, lose_seat, dissolve, reader_leaves])
    def test_a_public_user_who_left_keeps_the_name(self, alice, bob, pirates, mona, part):
        find_block(alice)
        run_the_minute()
        part(self, alice, bob, pirates, mona)
        run_the_minute()
        assert stored(bob)[:2] == listed(bob)[:2] == [NAMED_TO_FELLOWS, NAMED]

    def test_a_newcomer_is_named_until_going(self, alice, bob, charlie, pirates, mona):
        client_of(charlie).post(f"{COOPERATIVES}/join", {"invite_code": pirates.invite_code}, format="json")
        hide(charlie, None)
        run_the_minute()
        assert listed(bob) == listed(alice) == ["Charlie joined Pirates."]
        client_of(charlie).post(f"{COOPERATIVES}/leave")
        assert listed(bob) == listed(alice) == ["A new member joined Pirates."]
        run_the_minute()
        assert stored(bob) == stored(alice) == ["A new member joined Pirates."]
        assert Notification.objects.filter(user=bob).last().metadata == {"cooperative": "Pirates"}

    def test_a_private_newcomer_is_named_to_the_fellows(self, alice, bob, charlie, pirates):
        hide(charlie, None)
        client_of(charlie).post(f"{COOPERATIVES}/join", {"invite_code": pirates.invite_code}, format="json")
        assert listed(bob) == ["Charlie joined Pirates."]

    @pytest.mark.parametrize("close", [suspend, delete, delete_by_script], ids=lambda way: way.__name__)
    def test_the_suspended_and_the_deleted_are_named_to_nobody(self, alice, bob, mona, close):
        find_block(alice)
        run_the_minute()
        close(alice, mona)
        assert listed(bob) == [ANONYMOUS_TO_FELLOWS, ANONYMOUS]
        run_the_minute()
        assert stored(bob) == [ANONYMOUS_TO_FELLOWS, ANONYMOUS]
        assert "Alice" not in stored_for_others(alice)

    def test_a_former_name_is_gone_and_the_new_one_is_told(self, alice, bob):
        find_block(alice)
        run_the_minute()
        rename(alice, None)
        find_block(alice, height=900_001, hash="01")
        assert listed(bob) == [ANONYMOUS_TO_FELLOWS, ANONYMOUS, "Alicia found block #900001 for Pirates."]
        run_the_minute()
        assert stored(bob)[:2] == [ANONYMOUS_TO_FELLOWS, ANONYMOUS]
        assert listed(bob)[3] == "Alicia found block #900001."
        assert "Alice" not in stored_for_others(alice)


@pytest.mark.django_db(transaction=True)
def test_sockets_get_what_holds_when_they_read(alice, charlie, valkey):
    find_block(alice)
    find_block(alice, height=900_001, hash="01")
    run_the_minute()
    with serve() as server:
        with enter(server, charlie, since=0) as tab:
            assert [tab.read()["data"]["description"] for _ in range(2)] == [NAMED, "Alice found block #900001."]
        hide(alice, None)
        with enter(server, charlie, since=0) as tab:
            assert [tab.read()["data"]["description"] for _ in range(2)] == [
                ANONYMOUS,
                "A miner found block #900001.",
            ]


@pytest.mark.django_db(transaction=True)
def test_each_push_says_what_was_decided_for_its_reader(alice, bob, charlie, mona):
    make_cooperative(bob, alice, name="Pirates")
    hide(alice, None)
    with serve() as server, enter(server, bob) as fellow, enter(server, charlie) as outsider:
        find_block(alice)
        run_the_minute()
        assert [fellow.read()["data"]["description"] for _ in range(2)] == [NAMED_TO_FELLOWS, NAMED]
        assert outsider.read()["data"]["description"] == ANONYMOUS


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("take_back", [hide, hide_from_rankings, rename], ids=lambda way: way.__name__)
def test_a_worker_turns_the_rows_right_after_the_commit(alice, charlie, take_back, valkey):
    queue = get_queue("default")
    find_block(alice)
    run_the_minute()
    queue.empty()
    take_back(alice, None)
    SimpleWorker([queue], connection=queue.connection).work(burst=True)
    assert stored(charlie) == [ANONYMOUS]


@pytest.mark.django_db(transaction=True)
def test_with_redis_dead_the_minutes_job_turns_the_rows(alice, charlie, valkey):
    find_block(alice)
    run_the_minute()
    valkey.kill()
    hide(alice, None)
    run_the_minute()
    assert stored(charlie) == [ANONYMOUS]


def is_waiting():
    """Whether some connection waits for a lock that another one holds."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)")
        return cursor.fetchone()[0]


class TestAChangeBesideATextThatIsBeingStored:
    """The text is decided and not yet committed. Whatever changes meanwhile, and is cleared up, waits for it."""

    pytestmark = pytest.mark.django_db(transaction=True)

    @pytest.fixture
    def pirates(self, alice, bob, charlie):
        return make_cooperative(bob, alice, charlie, name="Pirates")

    def go_private(self, alice, pirates, mona):
        hide(alice, None)

    def suspended(self, alice, pirates, mona):
        suspend(alice, mona)

    def deleted(self, alice, pirates, mona):
        delete(alice, mona)

    def renamed(self, alice, pirates, mona):
        rename(alice, None)

    def remove_finder(self, alice, pirates, mona):
        moderation.remove_member(staff=mona, reason="Spam.", cooperative_id=pirates.pk, user_id=alice.pk)

    def remove_reader(self, alice, pirates, mona):
        reader = pirates.members.get(user__display_name="Charlie").user_id
        moderation.remove_member(staff=mona, reason="Spam.", cooperative_id=pirates.pk, user_id=reader)

    @pytest.mark.parametrize(
        ("change", "is_private"),
        [
            (go_private, False),
            (suspended, False),
            (deleted, False),
            (renamed, False),
            (remove_finder, True),
            (remove_reader, True),
        ],
    )
    def test_the_text_is_turned(self, alice, charlie, pirates, mona, change, is_private):
        outsider = make_user("Dora")
        NotificationPreferences.objects.update(block_found_any=True)
        reader = charlie if is_private else outsider
        if is_private:
            hide(alice, None)
        run_the_minute()
        done = threading.Event()

        def change_and_clear():
            try:
                change(self, alice, pirates, mona)
                run_the_minute()
            finally:
                connection.close()
                done.set()

        with transaction.atomic():
            finder = Person(alice.pk, "Alice")
            create_notification(kind="block_found", recipients=[reader.pk], cause="x", height=900_000, finder=finder)
            thread = threading.Thread(target=change_and_clear)
            thread.start()
            wait_until(lambda: done.is_set() or is_waiting())
        thread.join()
        run_the_minute()
        assert NAMED not in stored(reader)
        assert ANONYMOUS in stored(reader)


@pytest.mark.django_db(transaction=True)
def test_a_user_who_goes_private_while_a_block_is_told_is_in_no_row(at_once, alice, bob, charlie):
    for _ in range(20):
        make_user()
    NotificationPreferences.objects.update(block_found_any=True)

    def deliver():
        while (pk := Broadcast.objects.filter(finished_at=None).values_list("pk", flat=True).first()) is not None:
            deliver_batch(pk, batch_size=3)

    def clear():
        for _ in range(5):
            TIMETABLE["withdraw_names"].work(now=timezone.now(), since=None)

    for number in range(6):
        find_block(alice, height=number, hash=f"{number:04}")
        assert at_once([deliver, lambda: hide(alice, None), clear]) == [None] * 3
        run_the_minute()
        assert not Notification.objects.exclude(user=alice).filter(description__contains="Alice").exists()
        patch(alice, SETTINGS, {"privacy": {"publicProfile": True}})
        run_the_minute()
    assert Notification.objects.exclude(user=alice).count() == 6 * 22
    assert_counters_equal_rows()


@pytest.mark.django_db(transaction=True)
def test_a_fellow_who_leaves_while_a_block_is_told_is_in_no_row(at_once, alice, bob, charlie):
    cooperative = make_cooperative(bob, charlie, alice, name="Pirates")
    hide(alice, None)
    remove = {"user_id": str(alice.pk)}
    parts = [
        lambda: client_of(alice).post(f"{COOPERATIVES}/leave"),
        lambda: client_of(bob).post(f"{COOPERATIVES}/{cooperative.pk}/remove-member", remove, format="json"),
    ]
    for number in range(8):
        clear = [lambda: TIMETABLE["withdraw_names"].work(now=timezone.now(), since=None)] * 2
        find = [lambda number=number: find_block(alice, height=number, hash=f"{number:04}")]
        results = at_once([*find, run_the_minute, parts[number % 2], *clear])
        assert [result for result in results if isinstance(result, Exception)] == []
        run_the_minute()
        assert not Notification.objects.exclude(user=alice).filter(description__contains="Alice").exists()
        code = {"invite_code": cooperative.invite_code}
        assert client_of(alice).post(f"{COOPERATIVES}/join", code, format="json").status_code == 200
        forget_everything()


@pytest.mark.django_db(transaction=True)
def test_rows_turn_in_batches_that_hold_up_nobody_for_longer(alice, bob, charlie, monkeypatch):
    """Alice's name leaves one row after the other; the last reader's counter is held by somebody else meanwhile."""
    monkeypatch.setattr("notifications.withdrawals.BATCH_SIZE", 1)
    find_block(alice)
    run_the_minute()
    hide(alice, None)
    done = threading.Event()

    def work():
        run_the_minute()
        connection.close()
        done.set()

    with transaction.atomic():
        NotificationCounter.objects.select_for_update().get(user=charlie)
        thread = threading.Thread(target=work)
        thread.start()
        wait_until(lambda: stored(bob) == [ANONYMOUS])
        assert stored(charlie) == [NAMED]
        assert client_of(bob).post(f"{LIST}/read-all").status_code == 200
        assert not done.is_set()
    thread.join()
    assert stored(charlie) == [ANONYMOUS]
    assert_counters_equal_rows()


def test_a_job_that_dies_half_way_is_gone_on_with(alice, bob, charlie, monkeypatch):
    from notifications import withdrawals

    monkeypatch.setattr(withdrawals, "BATCH_SIZE", 1)
    find_block(alice)
    run_the_minute()
    hide(alice, None)
    lock, calls = withdrawals.lock_counters, []

    def lock_or_die(user_ids):
        calls.append(user_ids)
        if len(calls) == 3:
            raise MemoryError
        lock(user_ids)

    monkeypatch.setattr(withdrawals, "lock_counters", lock_or_die)
    with pytest.raises(MemoryError):
        run_the_minute()
    assert (stored(bob), stored(charlie)) == ([ANONYMOUS], [NAMED])
    run_the_minute()
    assert (stored(bob), stored(charlie)) == ([ANONYMOUS], [ANONYMOUS])


def test_a_list_costs_as_many_queries_with_names_as_without(alice, charlie, django_assert_num_queries):
    tell(charlie, cause="x")
    with django_assert_num_queries(3):
        client_of(charlie).get(LIST)
    find_block(alice)
    run_the_minute()
    with django_assert_num_queries(3):
        assert listed(charlie) == ["bitaxe-1 is mining again.", NAMED]
