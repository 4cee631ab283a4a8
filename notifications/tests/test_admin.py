"""Staff announce maintenance in the admin: they write it, check it and send it once."""

import pytest
from django.contrib.messages import get_messages
from django.test import Client
from django.utils import timezone

from conftest import make_user
from notifications.announcements import announce_maintenance, count_recipients
from notifications.errors import AnnouncedAlready, StartsInThePast
from notifications.models import Broadcast, Notification
from notifications.services import deliver_batch
from profiles.errors import ReasonMissing
from profiles.models import AuditEntry, NotificationPreferences, User

pytestmark = pytest.mark.django_db

ADD = "/admin/notifications/broadcast/add/"
FORM = {
    "description": "The pool will be down for ten minutes.",
    "starts_at": "2100-01-02T03:04",
    "reason": "New disks.",
    "token": "5f3c2f8e-0000-4000-8000-000000000001",
}
TEXT = "The pool will be down for ten minutes. It starts on 2 January 2100 at 03:04 UTC."


@pytest.fixture
def ada(db):
    return User.objects.create_superuser("ada")


@pytest.fixture
def desk(ada):
    client = Client()
    client.force_login(ada, backend="django.contrib.auth.backends.ModelBackend")
    return client


def said(response):
    return [str(message) for message in get_messages(response.wsgi_request)]


def test_the_preview_shows_the_text_and_how_many_read_it(desk, alice, bob):
    NotificationPreferences.objects.filter(user=bob).update(in_app=False)
    User.objects.filter(pk=make_user().pk).update(is_active=False)

    page = desk.post(ADD, {**FORM, "preview": "1"})

    assert page.context["preview"].description == TEXT
    assert page.context["recipients"] == 1
    assert not Broadcast.objects.exists()


def test_sent_twice_is_sent_once(desk, alice, bob):
    first = desk.post(ADD, {**FORM, "send": "1"})
    second = desk.post(ADD, {**FORM, "send": "1"})

    broadcast = Broadcast.objects.get()
    assert broadcast.description == TEXT
    assert first["Location"] == second["Location"] == f"/admin/notifications/broadcast/{broadcast.pk}/change/"
    assert said(first) == ["The announcement is on its way."]
    assert said(second)[-1] == "This announcement has been sent already."
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.staff_name, entry.reason) == ("announce_maintenance", "ada", "New disks.")
    assert entry.details == {"description": TEXT}


def test_progress_is_shown_and_staff_accounts_are_no_recipients(desk, alice, bob):
    desk.post(ADD, {**FORM, "send": "1"})
    broadcast = Broadcast.objects.get()
    url = f"/admin/notifications/broadcast/{broadcast.pk}/change/"

    deliver_batch(broadcast.pk, batch_size=1)
    assert "1 of 2 users, 1 told" in desk.get(url).content.decode()
    deliver_batch(broadcast.pk, batch_size=2)

    page = desk.get(url).content.decode()
    assert "2 of 2 users, 2 told" in page
    assert "location.reload" not in page
    assert set(Notification.objects.values_list("user_id", flat=True)) == {alice.pk, bob.pk}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("description", ""),
        ("description", "x" * 401),
        ("description", "two\u0000"),
        ("starts_at", "2001-01-01T00:00"),
        ("starts_at", "tomorrow"),
        ("reason", " "),
        ("token", "7"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_sent(desk, field, value):
    page = desk.post(ADD, {**FORM, field: value, "send": "1"})

    assert page.status_code == 200
    assert page.context["form"].errors[field]
    assert not Broadcast.objects.exists()
    assert not AuditEntry.objects.exists()


def test_editing_keeps_what_was_written(desk):
    page = desk.post(ADD, {**FORM, "edit": "1"})

    assert "preview" not in page.context
    assert FORM["description"] in page.content.decode()


def test_the_service_refuses_what_the_form_would(ada, alice):
    now = timezone.now()
    alike = {"staff": ada, "description": "Soon.", "cause": "maintenance:1", "now": now}
    with pytest.raises(StartsInThePast):
        announce_maintenance(**alike, reason="Disks.", starts_at=now)
    with pytest.raises(ReasonMissing):
        announce_maintenance(**alike, reason=" ", starts_at=None)
    assert not Broadcast.objects.exists()
    announce_maintenance(**alike, reason="Disks.", starts_at=None)
    with pytest.raises(AnnouncedAlready):
        announce_maintenance(**alike, reason="Disks.", starts_at=None)
    assert (Broadcast.objects.count(), AuditEntry.objects.count(), count_recipients()) == (1, 1, 1)


def test_notifications_are_found_by_their_user(desk, alice, bob):
    for user in (alice, bob):
        Notification.objects.create(user=user, seq=1, type="system", subtype="welcome", title="Welcome")

    found = desk.get("/admin/notifications/notification/", {"q": "alice"})

    assert [row.user_id for row in found.context["cl"].result_list] == [alice.pk]
    assert desk.get("/admin/notifications/notification/", {"type": "system"}).context["cl"].result_count == 2
    row = Notification.objects.get(user=alice)
    assert "Welcome" in desk.get(f"/admin/notifications/notification/{row.pk}/change/").content.decode()
