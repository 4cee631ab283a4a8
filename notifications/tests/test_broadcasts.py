"""Broadcasts: announced in the transaction of the cause, delivered in batches that resume and repeat nothing."""

from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone
from django_rq import get_queue
from rq import SimpleWorker

from conftest import make_user
from notifications.errors import MissingValue, NotificationMistake
from notifications.jobs import deliver_broadcast, resume_broadcasts
from notifications.models import Broadcast, Notification
from notifications.services import announce_to_everyone, deliver_batch
from notifications.tests.people import assert_counters_equal_rows, counter, prefer, seqs
from profiles.models import User

pytestmark = pytest.mark.django_db


def announce(cause="maintenance:1", description="The pool restarts.") -> bool:
    with transaction.atomic():
        return announce_to_everyone(kind="maintenance", cause=cause, description=description)


def told() -> list[int]:
    return list(Notification.objects.order_by("user_id").values_list("user_id", flat=True))


def test_everyone_of_today_is_told_once(alice, bob):
    dora = make_user("Dora", is_active=False)
    prefer(bob, in_app=False)
    assert announce()
    broadcast = Broadcast.objects.get()
    late = make_user("Late")
    User.objects.filter(pk=late.pk).update(created_at=timezone.now() + timedelta(seconds=1))
    deliver_broadcast(broadcast.pk)
    deliver_broadcast(broadcast.pk)
    assert told() == [alice.pk]
    row = Notification.objects.get()
    assert (row.title, row.description, row.seq) == ("Scheduled Maintenance", "The pool restarts.", 1)
    assert (row.cause, row.metadata) == ("maintenance:1", {"description": "The pool restarts."})
    broadcast.refresh_from_db()
    assert (broadcast.users_total, broadcast.users_done, broadcast.notified) == (3, 3, 1)
    assert broadcast.reached_user_id == dora.pk
    assert broadcast.finished_at is not None
    assert str(broadcast) == "Scheduled Maintenance (3 of 3 users)"


def test_a_new_user_with_a_low_id_is_out(alice):
    """The platform gives the ids, so they do not say who came first."""
    make_user("Oldest", id=alice.pk + 1000)
    announce()
    newcomer = make_user("Newcomer", id=alice.pk + 500)
    User.objects.filter(pk=newcomer.pk).update(created_at=timezone.now() + timedelta(seconds=1))
    resume_broadcasts()
    assert told() == [alice.pk, alice.pk + 1000]


def test_only_those_who_want_the_kind_are_told(alice, bob, charlie):
    prefer(bob, block_found_any=True)
    with transaction.atomic():
        assert announce_to_everyone(kind="block_found", cause="block:1", variant="anonymous", height=900123)
    resume_broadcasts()
    assert told() == [bob.pk]
    assert Broadcast.objects.get().notified == 1


def test_a_repeated_cause_is_announced_once(alice):
    assert announce()
    assert not announce(description="Something else.")
    resume_broadcasts()
    assert not announce()
    resume_broadcasts()
    assert Notification.objects.get().description == "The pool restarts."


def test_a_rolled_back_announcement_tells_nobody(alice):
    with transaction.atomic():
        announce()
        transaction.set_rollback(True)
    resume_broadcasts()
    assert not Notification.objects.exists()


def test_mistakes_are_errors_at_the_call(alice):
    with pytest.raises(MissingValue), transaction.atomic():
        announce_to_everyone(kind="maintenance", cause="x")
    assert not Broadcast.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_outside_a_transaction_nothing_is_announced(alice):
    with pytest.raises(NotificationMistake, match="inside the transaction"):
        announce_to_everyone(kind="maintenance", cause="x", description="The pool restarts.")
    assert not Broadcast.objects.exists()


def test_one_that_cannot_be_delivered_holds_up_no_other(alice):
    announce("maintenance:1")
    Broadcast.objects.update(kind="dropped_from_the_catalogue")
    announce("maintenance:2")

    with pytest.raises(NotificationMistake):
        resume_broadcasts()

    assert list(Notification.objects.values_list("user_id", "cause")) == [(alice.pk, "maintenance:2")]
    assert list(Broadcast.objects.filter(finished_at=None).values_list("cause", flat=True)) == ["maintenance:1"]


def test_delivery_resumes_where_it_died_and_repeats_nothing():
    users = [make_user() for _ in range(25)]
    announce()
    broadcast = Broadcast.objects.get()
    assert deliver_batch(broadcast.pk, batch_size=10)
    with transaction.atomic():
        assert deliver_batch(broadcast.pk, batch_size=10)
        transaction.set_rollback(True)
    broadcast.refresh_from_db()
    assert (broadcast.users_done, broadcast.notified, broadcast.finished_at) == (10, 10, None)
    assert told() == [user.pk for user in users[:10]]
    resume_broadcasts()
    assert told() == [user.pk for user in users]
    assert all(counter(user) == (1, 1) for user in users)
    assert_counters_equal_rows()


def test_the_last_batch_may_be_full_or_empty():
    for _ in range(4):
        make_user()
    announce()
    broadcast = Broadcast.objects.get()
    assert [deliver_batch(broadcast.pk, batch_size=2) for _ in range(4)] == [True, True, False, False]
    broadcast.refresh_from_db()
    assert (broadcast.users_done, broadcast.notified) == (4, 4)


@pytest.mark.django_db(transaction=True)
def test_workers_at_the_same_broadcast_do_not_double(at_once):
    users = [make_user() for _ in range(60)]
    announce("maintenance:1")
    announce("maintenance:2")

    def work() -> None:
        while Broadcast.objects.filter(finished_at__isnull=True).exists():
            for pk in Broadcast.objects.values_list("pk", flat=True):
                deliver_batch(pk, batch_size=7)

    assert at_once([work] * 4) == [None] * 4
    assert all(seqs(user) == [1, 2] for user in users)
    assert list(Broadcast.objects.values_list("users_done", "notified")) == [(60, 60), (60, 60)]
    assert_counters_equal_rows()


@pytest.mark.django_db(transaction=True)
def test_the_worker_delivers_after_the_commit(alice, overheard, valkey):
    get_queue("default").empty()
    announce()
    assert told() == []
    SimpleWorker([get_queue("default")], connection=get_queue("default").connection).work(burst=True)
    assert told() == [alice.pk] + [user.pk for user in User.objects.exclude(pk=alice.pk).order_by("pk")]
    assert len(overheard()) == 3


@pytest.mark.django_db(transaction=True)
def test_with_redis_dead_the_sweep_delivers(alice, valkey):
    valkey.kill()
    assert announce()
    resume_broadcasts()
    assert told() == [alice.pk]
