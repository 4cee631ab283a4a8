"""What becomes of notifications reaches all of the user's open sockets, so that their unread counts stay right."""

import time
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from conftest import client_of
from notifications.models import Notification
from notifications.services import PersonalNotification, create_notifications
from notifications.tests.people import tell
from notifications.tests.sockets import Client, enter, serve, url_for
from notifications.websocket import hub

pytestmark = pytest.mark.django_db(transaction=True)

LIST = "/api/v1/notifications"
UNREAD = "/api/v1/notifications/unread-count"


@pytest.fixture(scope="module")
def server(django_db_setup):
    """Looks into the table more often than in production, because most of these tests wait until it has looked."""
    with pytest.MonkeyPatch.context() as patch, serve() as url:
        patch.setattr(hub, "CHECK_SECONDS", 0.2)
        yield url


@pytest.fixture
def silent(monkeypatch):
    """Publishes nothing, as if Redis lost every message."""
    monkeypatch.setattr("notifications.realtime._publish", lambda messages: None)


def fill(user, number):
    items = [PersonalNotification(user.pk, f"fill {place}", {"worker": "bitaxe-1"}) for place in range(number)]
    with transaction.atomic():
        assert create_notifications(kind="worker_online", items=items) == number


def pk_of(user, seq):
    return Notification.objects.get(user=user, seq=seq).pk


def expire(user, *seqs, **delay):
    at = timezone.now() + timedelta(**delay)
    assert Notification.objects.filter(user=user, seq__in=seqs).update(expires_at=at) == len(seqs)


def ask_the_api(user):
    return client_of(user).get(UNREAD).json()["unread_count"]


def wait_for_a_check():
    time.sleep(2 * hub.CHECK_SECONDS)


class TestMarks:
    def test_each_change_has_its_frame_in_every_tab(self, server, alice, bob):
        fill(alice, 3)
        fill(bob, 1)
        one, other = pk_of(alice, 2), pk_of(alice, 3)
        client = client_of(alice)
        with (
            enter(server, alice, since=3) as first,
            enter(server, alice, since=3) as second,
            enter(server, bob, since=1) as bobs,
        ):
            client.post(f"{LIST}/{one}/read")
            client.post(f"{LIST}/{one}/unread")
            client.delete(f"{LIST}/{one}")
            client.post(f"{LIST}/read-all?before={other}")
            client.post(f"{LIST}/read-all")
            for tab in (first, second):
                assert [tab.read() for _ in range(5)] == [
                    {"type": "read", "ids": [str(one)], "unread": 2},
                    {"type": "unread", "ids": [str(one)], "unread": 3},
                    {"type": "dismissed", "ids": [str(one)], "unread": 2},
                    {"type": "read", "ids": [str(pk_of(alice, 1))], "unread": 1},
                    {"type": "read", "ids": "all", "unread": 0},
                ]
                assert tab.is_quiet()
            assert bobs.is_quiet()
        assert (ask_the_api(alice), ask_the_api(bob)) == (0, 1)

    def test_what_changes_nothing_says_nothing(self, server, alice, bob):
        fill(alice, 2)
        fill(bob, 1)
        one, gone, foreign = pk_of(alice, 1), pk_of(alice, 2), pk_of(bob, 1)
        client = client_of(alice)
        client.post(f"{LIST}/{one}/read")
        client.delete(f"{LIST}/{gone}")
        with enter(server, alice, since=2) as tab, enter(server, bob, since=1) as bobs:
            assert client.post(f"{LIST}/{one}/read").status_code == 200
            assert client.delete(f"{LIST}/{gone}").status_code == 204
            assert client.post(f"{LIST}/{gone}/unread").status_code == 404
            assert client.delete(f"{LIST}/{foreign}").status_code == 404
            assert client.post(f"{LIST}/{foreign}/unread").status_code == 404
            assert client.post(f"{LIST}/read-all?before={foreign}").status_code == 404
            assert client.post(f"{LIST}/read-all?type=social").status_code == 200
            assert client.post(f"{LIST}/{one}/unread?type=mining").status_code == 400
            assert tab.is_quiet()
            assert bobs.is_quiet()

    def test_thousands_of_ids_come_in_several_frames_with_one_count(self, server, alice):
        fill(alice, 2500)
        fill_other = tell(alice, kind="welcome", cause="welcome")
        assert fill_other == 1
        with enter(server, alice, since=2501) as tab:
            answer = client_of(alice).post(f"{LIST}/read-all?type=mining")
            assert answer.json() == {"detail": "2500 notifications marked as read."}
            frames = [tab.read() for _ in range(3)]
            assert tab.is_quiet()
        assert [(frame["type"], frame["unread"], len(frame["ids"])) for frame in frames] == [
            ("read", 1, 1000), ("read", 1, 1000), ("read", 1, 500),
        ]  # fmt: skip
        told = {id_ for frame in frames for id_ in frame["ids"]}
        assert told == {str(pk) for pk in Notification.objects.filter(type="mining").values_list("pk", flat=True)}


class TestDismissedRows:
    def test_a_replay_goes_on_behind_them(self, server, alice):
        fill(alice, 5)
        for seq in (2, 3, 5):
            assert client_of(alice).delete(f"{LIST}/{pk_of(alice, seq)}").status_code == 204
        with enter(server, alice, since=1) as tab:
            assert tab.read_seqs(1) == [4]
            assert tab.is_quiet()
            tell(alice, cause="next")
            assert tab.read_seqs(1) == [6]
            assert tab.ask({"action": "resume", "since": 2})["data"]["seq"] == 4
            assert tab.read_seqs(1) == [6]
            assert tab.is_quiet()

    def test_all_of_them_are_nothing_missing(self, server, alice, silent):
        fill(alice, 3)
        for seq in (1, 2, 3):
            client_of(alice).delete(f"{LIST}/{pk_of(alice, seq)}")
        with enter(server, alice, since=0) as tab:
            wait_for_a_check()
            assert tab.is_quiet()
            tell(alice, cause="next")
            assert tab.read_seqs(1) == [4]
        with enter(server, alice, since=3) as tab:
            assert tab.read_seqs(1) == [4]


class TestExpiry:
    def test_an_unread_row_that_expires_lowers_the_count_in_every_tab_once(self, server, alice, bob, silent):
        fill(alice, 3)
        fill(bob, 1)
        with (
            enter(server, alice, since=3) as first,
            enter(server, alice, since=3) as second,
            enter(server, bob, since=1) as bobs,
        ):
            expire(alice, 2, seconds=0.5)
            expected = {"type": "expired", "ids": [str(pk_of(alice, 2))], "unread": 2}
            assert [first.read(), second.read()] == [expected, expected]
            wait_for_a_check()
            assert [first.is_quiet(), second.is_quiet(), bobs.is_quiet()] == [True, True, True]
        assert ask_the_api(alice) == 2

    def test_each_expiry_is_told_with_what_is_left(self, server, alice):
        fill(alice, 4)
        with enter(server, alice, since=4) as tab:
            expire(alice, 1, 3, minutes=-1)
            ids = [str(pk_of(alice, 1)), str(pk_of(alice, 3))]
            assert tab.read() == {"type": "expired", "ids": ids, "unread": 2}
            expire(alice, 4, seconds=0)
            assert tab.read() == {"type": "expired", "ids": [str(pk_of(alice, 4))], "unread": 1}

    def test_what_had_expired_before_hello_is_not_told_again(self, server, alice):
        fill(alice, 3)
        expire(alice, 1, hours=-1)
        with enter(server, alice, since=3) as first:
            wait_for_a_check()
            assert first.is_quiet()
            with enter(server, alice, since=3) as second:
                expire(alice, 2, seconds=0)
                expected = {"type": "expired", "ids": [str(pk_of(alice, 2))], "unread": 1}
                assert [first.read(), second.read()] == [expected, expected]

    def test_what_was_read_or_dismissed_expires_silently(self, server, alice):
        fill(alice, 3)
        read, dismissed = pk_of(alice, 1), pk_of(alice, 2)
        client = client_of(alice)
        client.post(f"{LIST}/{read}/read")
        expire(alice, 1, 2, seconds=1)
        client.delete(f"{LIST}/{dismissed}")
        with enter(server, alice, since=3) as tab:
            time.sleep(1)
            wait_for_a_check()
            assert tab.is_quiet()

    def test_an_expired_row_that_is_read_or_deleted_says_nothing_of_expiry(self, server, alice):
        fill(alice, 2)
        with enter(server, alice, since=2) as tab:
            expire(alice, 1, seconds=0)
            assert tab.read()["type"] == "expired"
            assert client_of(alice).post(f"{LIST}/read-all").json() == {"detail": "1 notification marked as read."}
            assert tab.read() == {"type": "read", "ids": "all", "unread": 0}
            wait_for_a_check()
            assert tab.is_quiet()

    def test_a_tab_whose_hello_is_older_than_the_check_is_told_by_the_next(self, server, alice, monkeypatch):
        """The row expires between a tab's snapshot and its hello, and the check in between tells the other tab."""
        fill(alice, 1)
        original = hub.Hub.welcome
        held = []

        def welcome(self, socket, snapshot):
            if held:
                original(self, socket, snapshot)
            else:
                held.append((self, socket, snapshot))

        with enter(server, alice, since=1) as first:
            monkeypatch.setattr(hub.Hub, "welcome", welcome)
            with Client(url_for(server, alice, since=1)) as second:
                while not held:
                    time.sleep(0.01)
                expire(alice, 1, seconds=0)
                assert first.read()["unread"] == 0
                (its_hub, socket, snapshot) = held[0]
                socket.user.sockets[0]._serving.get_loop().call_soon_threadsafe(original, its_hub, socket, snapshot)
                assert second.read() == {"type": "hello", "seq": 1, "unread": 1}
                assert second.read() == {"type": "expired", "ids": [str(pk_of(alice, 1))], "unread": 0}

    def test_the_count_of_an_expiry_comes_after_the_notifications_it_counts(self, server, alice, silent):
        """Clients add one for each notification they get to the number they were told last."""
        fill(alice, 2)
        with enter(server, alice, since=2) as tab:
            with transaction.atomic():
                expire(alice, 1, seconds=0)
                tell(alice, cause="new")
            assert tab.read_seqs(1) == [3]
            assert tab.read() == {"type": "expired", "ids": [str(pk_of(alice, 1))], "unread": 2}
        assert ask_the_api(alice) == 2
