"""Pages of superusers: events that were set aside, and the queue."""

import json

import pytest
from django.contrib.messages import get_messages
from django.test import Client

from bitcoingame.events.envelope import POSTED
from bitcoingame.models import SetAsideEvent
from profiles.models import AuditEntry, User

pytestmark = pytest.mark.django_db

EVENTS = "/admin/bitcoingame/setasideevent/"


@pytest.fixture
def desk(db):
    client = Client()
    client.force_login(User.objects.create_superuser("ada"), backend="django.contrib.auth.backends.ModelBackend")
    return client


def said(response):
    return [str(message) for message in get_messages(response.wsgi_request)]


def test_an_event_that_fails_again_stays_and_says_why(desk):
    event = SetAsideEvent.objects.create(stream="platform:events", entry="1-1", event="x", reason="?", payload="{}")

    response = desk.post(f"{EVENTS}act/try-again/?ids={event.pk}", {"reason": "Fixed the producer."})

    event.refresh_from_db()
    assert (event.state, event.tries) == ("waiting", 2)
    assert len(said(response)) == 1
    assert said(response)[0].startswith("x 1-1: It failed again.")
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.target_name, entry.details) == ("retry_event", "x 1-1", {"outcome": "set_aside"})
    assert "Tried a set-aside event again" in desk.get(f"{EVENTS}{event.pk}/change/").content.decode()


def test_an_event_that_can_be_handled_now_is(desk, alice):
    data = {"user_id": str(alice.pk), "game_type": "chess"}
    payload = json.dumps({"event": "game_played", "event_id": "e1", "data": data})
    event = SetAsideEvent.objects.create(stream=POSTED, entry="x", event="game_played", reason="?", payload=payload)

    response = desk.post(f"{EVENTS}act/try-again/?ids={event.pk}", {"reason": "The game is known now."})

    event.refresh_from_db()
    assert said(response) == ["Handled: game_played x."]
    assert event.state == "handled"
    assert alice.activities.get().title == "Played chess"


def test_the_queue_shows_a_message_for_a_job_that_is_gone(desk):
    response = desk.get("/admin/django_rq/dashboard/queues/0/none/delete/")

    assert response["Location"] == "/admin/"
    assert said(response) == ["There is no such job or worker any more."]


def test_the_queue_shows_a_message_when_redis_is_down(desk, settings, monkeypatch):
    nowhere = {"default": {"URL": "unix:///nowhere/valkey.sock"}}
    settings.RQ_QUEUES = nowhere

    response = desk.get("/admin/django_rq/dashboard/")

    assert response["Location"] == "/admin/"
    assert said(response) == ["Redis does not answer; the queue cannot be shown."]
