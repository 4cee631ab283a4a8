"""The clean-up deletes old rows that are read or expired. The counters equal the rows, whatever runs at once."""

import random
import threading
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from conftest import client_of, make_user
from notifications.errors import NotificationNotFound
from notifications.marking import dismiss, mark_all_read, mark_read, mark_unread
from notifications.models import DeletedNotification, Notification
from notifications.retention import delete_old_notifications
from notifications.selectors import count_unread
from notifications.services import PersonalNotification, create_notifications
from notifications.tests.people import assert_counters_equal_rows, counter, seqs, tell

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
DAY = timedelta(days=1)
OPERATIONS = (
    "one", "some", "batch", "read", "read", "read", "unread", "unread", "dismiss", "read all", "read some", "expire",
    "expire soon", "age", "age", "age", "clean up",
)  # fmt: skip
CHANGES = {"read": mark_read, "unread": mark_unread, "dismiss": dismiss}


def age(user, seq, days, **fields):
    changed = Notification.objects.filter(user=user, seq=seq).update(created_at=NOW - days * DAY, **fields)
    assert changed == 1


@pytest.mark.django_db
def test_only_read_or_expired_ones_older_than_90_days_go(alice):
    for number in range(7):
        tell(alice, cause=str(number))
    mark_read(user_id=alice.pk, notification_id=Notification.objects.get(seq=1).pk)
    mark_read(user_id=alice.pk, notification_id=Notification.objects.get(seq=2).pk)
    age(alice, 1, 91)
    age(alice, 2, 89)
    age(alice, 3, 91)
    age(alice, 4, 91, expires_at=NOW - DAY)
    age(alice, 5, 91, expires_at=NOW + DAY)
    age(alice, 6, 89, expires_at=NOW - DAY)
    assert delete_old_notifications(now=NOW) == 2
    assert seqs(alice) == [2, 3, 5, 6, 7]
    assert counter(alice) == (7, 4)
    assert_counters_equal_rows()
    assert delete_old_notifications(now=NOW) == 0


@pytest.mark.django_db
@pytest.mark.parametrize("batch_size", [1, 3, 4, 100])
def test_batches_of_any_size_delete_the_same(batch_size):
    users = [make_user() for _ in range(4)]
    for number in range(3):
        tell(*users, cause=f"old:{number}")
    Notification.objects.update(created_at=NOW - 91 * DAY)
    for user in users[:3]:
        mark_all_read(user_id=user.pk)
    tell(*users, cause="new")
    assert delete_old_notifications(now=NOW, batch_size=batch_size) == 9
    assert [seqs(user) for user in users] == [[4], [4], [4], [1, 2, 3, 4]]
    assert_counters_equal_rows()


@pytest.mark.django_db
def test_numbers_go_on_after_everything_was_deleted(alice):
    tell(alice, cause="a")
    mark_all_read(user_id=alice.pk)
    Notification.objects.update(created_at=NOW - 365 * DAY)
    assert delete_old_notifications(now=NOW) == 1
    assert client_of(alice).get("/api/v1/notifications").json()["total"] == 0
    tell(alice, cause="b")
    assert seqs(alice) == [2]


@pytest.mark.django_db(transaction=True)
def test_counters_equal_rows_after_thousands_of_random_operations(at_once):
    users = [make_user() for _ in range(5)]
    now = timezone.now()

    def act(dice: random.Random) -> None:
        user = dice.choice(users)
        own = Notification.objects.filter(user=user)
        match dice.choice(OPERATIONS):
            case "one":
                tell(user, kind="welcome", cause=f"{dice.randrange(300)}")
            case "some":
                tell(*dice.sample(users, 4), kind="coop_removed", cause=f"{dice.randrange(300)}", cooperative="Pirates")
            case "batch":
                items = [
                    PersonalNotification(dice.choice(users).pk, f"{dice.randrange(300)}", {"worker": f"axe-{number}"})
                    for number in range(6)
                ]
                with transaction.atomic():
                    create_notifications(kind="worker_online", items=items)
            case "read" | "unread" | "dismiss" as change:
                some = list(own.values_list("pk", flat=True)[:50])
                if some:
                    with suppress(NotificationNotFound):  # deleted or expired meanwhile
                        CHANGES[change](user_id=user.pk, notification_id=dice.choice(some))
            case "read all":
                if dice.random() < 0.2:
                    mark_all_read(user_id=user.pk)
            case "read some":
                latest = own.order_by("-seq").values_list("pk", flat=True).first()
                before = dice.choice([None, (latest or 0) - dice.randrange(20)])
                with suppress(NotificationNotFound):  # another user's
                    mark_all_read(user_id=user.pk, type_=dice.choice([None, "mining", "system"]), before=before)
            case "expire":
                own.filter(seq=dice.randrange(1, 300)).update(expires_at=now)
            case "expire soon":
                soon = now + timedelta(seconds=dice.randrange(10))
                own.filter(seq=dice.randrange(1, 300)).update(expires_at=soon)
            case "age":
                own.filter(seq=dice.randrange(1, 300)).update(created_at=now - 100 * DAY)
            case "clean up":
                delete_old_notifications(now=now, batch_size=7)

    def play(seed: int) -> None:
        dice = random.Random(seed)
        for _ in range(500):
            act(dice)

    assert at_once([lambda seed=seed: play(seed) for seed in range(4)]) == [None] * 4
    assert_counters_equal_rows()
    assert Notification.objects.exists()
    assert DeletedNotification.objects.exists()
    assert not set(Notification.objects.values_list("user_id", "cause")) & set(
        DeletedNotification.objects.values_list("user_id", "cause")
    )
    live = Notification.objects.exclude(expires_at__lte=timezone.now())
    for user in users:
        assert count_unread(user_id=user.pk) == live.filter(user=user, read=False).count()


@pytest.mark.django_db(transaction=True)
def test_a_batch_of_the_clean_up_holds_only_its_own_users_up(at_once, alice, bob):
    tell(alice, cause="old")
    mark_all_read(user_id=alice.pk)
    Notification.objects.update(created_at=NOW - 91 * DAY)
    with transaction.atomic():
        assert delete_old_notifications(now=NOW) == 1
        assert at_once([lambda: tell(bob, cause="meanwhile")]) == [1]
    assert connection.get_autocommit()
    assert (seqs(alice), seqs(bob)) == ([], [1])


@pytest.mark.django_db(transaction=True)
def test_a_row_marked_unread_before_the_clean_up_has_its_lock_stays(at_once, alice):
    tell(alice, cause="old")
    mark_all_read(user_id=alice.pk)
    Notification.objects.update(created_at=NOW - 91 * DAY)
    is_marked, may_commit = threading.Event(), threading.Event()

    def mark():
        with transaction.atomic():
            mark_unread(user_id=alice.pk, notification_id=Notification.objects.get().pk)
            is_marked.set()
            assert may_commit.wait(30)

    def clean_up():
        assert is_marked.wait(30)
        return delete_old_notifications(now=NOW)

    def release():
        assert is_marked.wait(30)
        with connection.cursor() as cursor:
            while not cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted") or cursor.fetchone() == (0,):
                pass
        may_commit.set()

    assert at_once([mark, clean_up, release]) == [None, 0, None]
    assert (seqs(alice), counter(alice)) == ([1], (1, 1))
    assert_counters_equal_rows()


@pytest.mark.django_db(transaction=True)
def test_one_notification_dismissed_marked_and_cleaned_up_at_once_is_counted_once(at_once, alice):
    for number in range(20):
        tell(alice, cause=f"{number}")
        pk = Notification.objects.latest("pk").pk
        Notification.objects.filter(pk=pk).update(created_at=NOW - 91 * DAY)
        change = {"user_id": alice.pk, "notification_id": pk}
        answers = at_once(
            [
                lambda change=change: dismiss(**change),
                lambda change=change: mark_read(**change),
                lambda change=change: mark_unread(**change),
                lambda: mark_all_read(user_id=alice.pk),
                lambda change=change: dismiss(**change),
                lambda: delete_old_notifications(now=NOW),
                lambda number=number: tell(alice, cause=f"{number}"),
            ]
        )
        assert all(answer is None or isinstance(answer, int | NotificationNotFound) for answer in answers), answers
        assert answers[6] == 0
        assert (seqs(alice), counter(alice)) == ([], (number + 1, 0))
        assert_counters_equal_rows()
    assert DeletedNotification.objects.count() == 20
