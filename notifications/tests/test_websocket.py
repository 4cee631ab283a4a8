"""The WebSocket as its clients meet it, served by a real uvicorn."""

import asyncio
import threading
from datetime import timedelta
from uuid import uuid4

import orjson
import pytest
from django.utils import timezone
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin, Subprotocol

from bitcoingame.core.redis import request_redis
from bitcoingame.health import readyz
from conftest import access_token, client_of
from notifications.marking import mark_all_read, mark_read
from notifications.models import Notification, NotificationCounter
from notifications.realtime import publish
from notifications.tests.people import tell
from notifications.tests.sockets import PATIENCE, Client, enter, serve, url_for
from notifications.websocket import hub
from notifications.websocket.tables import Tables
from profiles.models import User
from profiles.sign_in import tokens

pytestmark = pytest.mark.django_db(transaction=True)

NO_TOKENS = ["", "?token=", "?token=nonsense", "?token=a.b.c", "?token=%ff", "?" + "&".join("abcdefghijklmn")]
NO_JSON = ["", "nonsense", "{", '{"action": "ping"', "[" * 2000, '{"a":' * 700, "NaN", b'{"action": "ping"}', b"\xff"]


@pytest.fixture(scope="module")
def server(django_db_setup):
    with serve() as url:
        yield url


@pytest.fixture
def silent(monkeypatch):
    """Publishes nothing, as if Redis lost every message."""
    monkeypatch.setattr("notifications.realtime._publish", lambda messages: None)


def tell_often(user, number):
    for cause in range(number):
        tell(user, cause=f"{uuid4()} {cause}")


def publish_raw(user, message):
    request_redis().run(lambda client: client.publish(f"ws:user:{user.pk}", message))


def held_back(read_snapshots, asked, answer):
    """As read_snapshots, but sets `asked` first and then waits for `answer`."""

    async def read(tables, user_ids):
        found = await read_snapshots(tables, user_ids)
        asked.set()
        await asyncio.to_thread(answer.wait, PATIENCE)
        return found

    return read


class TestConnecting:
    def test_says_hello_with_the_last_seq_and_the_unread_count(self, server, alice):
        tell_often(alice, 3)
        Notification.objects.filter(user=alice, seq=3).update(expires_at=timezone.now() - timedelta(seconds=1))
        with Client(url_for(server, alice)) as tab:
            assert tab.read() == {"type": "hello", "seq": 3, "unread": 2}

    def test_the_token_may_come_as_a_subprotocol(self, server, alice):
        subprotocol = Subprotocol(f"bearer.{access_token(alice)}")
        with Client(server, subprotocols=[Subprotocol("other"), subprotocol]) as tab:
            assert tab.connection.subprotocol == subprotocol
            assert tab.read() == {"type": "hello", "seq": 0, "unread": 0}

    @pytest.mark.parametrize("query", NO_TOKENS)
    def test_without_a_good_token_one_is_told_to_sign_in(self, server, query):
        with Client(server + query) as tab:
            assert tab.read_close_code() == 4001

    def test_a_suspended_or_deleted_user_is_told_to_sign_in(self, server, alice, bob):
        urls = [url_for(server, alice), url_for(server, bob)]
        User.objects.filter(pk=alice.pk).update(is_active=False)
        bob.delete()
        for url in urls:
            with Client(url) as tab:
                assert tab.read_close_code() == 4001

    def test_a_user_the_platform_has_just_introduced_is_welcome(self, server, alice, settings, monkeypatch):
        url = url_for(server, alice)
        alice.delete()
        monkeypatch.setattr("profiles.sign_in.token_users.can_sign", lambda: False)
        with Client(url) as tab:
            assert tab.read() == {"type": "hello", "seq": 1, "unread": 1}
        assert User.objects.count() == 1

    def test_other_paths_are_refused(self, server, alice):
        with pytest.raises(InvalidStatus) as refusal:
            Client(url_for(server, alice).replace("/ws?", "/ws/other?"))
        assert refusal.value.response.status_code == 403

    @pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost:51730"])
    def test_pages_of_other_origins_are_refused(self, server, alice, origin):
        with pytest.raises(InvalidStatus) as refusal:
            Client(url_for(server, alice), origin=Origin(origin))
        assert refusal.value.response.status_code == 403

    def test_the_dashboard_is_welcome(self, server, alice, settings):
        with Client(url_for(server, alice), origin=Origin(settings.DASHBOARD_ORIGINS[0])) as tab:
            assert tab.read()["type"] == "hello"

    def test_a_sixth_socket_is_one_too_many_until_another_leaves(self, server, alice, bob):
        tabs = [enter(server, alice) for _ in range(5)]
        with Client(url_for(server, alice)) as sixth:
            assert sixth.read_close_code() == 4008
        with enter(server, bob):
            pass
        tell(alice, cause="all five still listen")
        for tab in tabs:
            assert tab.read_seqs(1) == [1]
        tabs.pop().connection.close()
        with enter(server, alice) as another:
            assert another.is_quiet()
        for tab in tabs:
            tab.connection.close()

    def test_no_log_line_holds_a_token(self, server, alice, caplog):
        token = access_token(alice)
        with Client(f"{server}?token={token}") as tab:
            tab.read()
        with Client(server, subprotocols=[Subprotocol(f"bearer.{token}")]) as tab:
            tab.read()
        assert '"WebSocket /ws" [accepted]' in caplog.text
        assert token not in caplog.text
        assert token.split(".")[1] not in caplog.text


class TestPushing:
    def test_a_notification_arrives_as_the_dashboard_expects_it(self, server, alice):
        with enter(server, alice) as tab:
            tell(alice, cause="1")
            row = Notification.objects.get()
            assert tab.read() == {
                "channel": "notifications",
                "event": "notification",
                "data": {
                    "id": str(row.pk),
                    "type": "mining",
                    "subtype": "worker_online",
                    "title": "Worker Online",
                    "description": row.description,
                    "timestamp": row.created_at.isoformat().replace("+00:00", "Z"),
                    "read": False,
                    "actionUrl": "/mining/workers",
                    "actionLabel": row.action_label,
                    "seq": 1,
                },
            }
            assert tab.is_quiet()

    def test_the_table_tells_the_same_as_the_push(self, server, alice, silent):
        with enter(server, alice) as tab, enter(server, alice) as other:
            tell(alice, cause="1")
            row = Notification.objects.get()
            frame = tab.read()
            assert frame["data"]["id"] == str(row.pk)
            assert frame["data"]["timestamp"] == row.created_at.isoformat().replace("+00:00", "Z")
            assert other.read() == frame
            assert tab.is_quiet()

    def test_nobody_hears_of_another_users(self, server, alice, bob):
        with enter(server, alice) as hers, enter(server, bob) as his:
            tell(alice, cause="1")
            assert hers.read_seqs(1) == [1]
            assert his.is_quiet()

    def test_a_lost_message_is_found_before_the_next_goes_out(self, server, alice, monkeypatch):
        with enter(server, alice) as tab:
            with monkeypatch.context() as patched:
                patched.setattr("notifications.realtime._publish", lambda messages: None)
                tell_often(alice, 2)
            tell_often(alice, 1)
            assert tab.read_seqs(3) == [1, 2, 3]
            assert tab.is_quiet()

    def test_a_message_told_twice_arrives_once(self, server, alice):
        with enter(server, alice) as tab:
            tell(alice, cause="1")
            frame = tab.read()
            for _ in range(3):
                publish([(alice.pk, {"event": "notification", "data": frame["data"]})])
            tell(alice, cause="2")
            assert tab.read_seqs(1) == [2]
            assert tab.is_quiet()

    def test_expired_and_deleted_notifications_are_passed_over(self, server, alice, silent):
        with enter(server, alice, since=0) as tab:
            tell_often(alice, 5)
            Notification.objects.filter(seq=2).delete()
            Notification.objects.filter(seq__in=[3, 5]).update(expires_at=timezone.now() - timedelta(days=1))
            seqs = tab.read_seqs(1)
            while seqs[-1] < 4:
                seqs += tab.read_seqs(1)
            assert {1, 4} <= set(seqs)
            assert seqs == sorted(set(seqs))
            expired = Notification.objects.filter(seq__in=[3, 5]).order_by("pk").values_list("pk", flat=True)
            frame = tab.read()
            assert (frame["type"], frame["ids"]) == ("expired", [str(pk) for pk in expired])
            assert tab.is_quiet()

    def test_what_services_publish_without_seq_is_passed_on(self, server, alice):
        with enter(server, alice, since=0) as tab:
            publish([(alice.pk, {"event": "personal_best", "data": {"diff": 1.5}})])
            publish([(alice.pk, {"event": "notification", "data": {"title": "theirs"}})])
            publish([(alice.pk, {"event": "read", "data": {"ids": "all", "unread": 0}})])
            assert tab.read() == {"channel": "notifications", "event": "personal_best", "data": {"diff": 1.5}}
            assert tab.read() == {"channel": "notifications", "event": "notification", "data": {"title": "theirs"}}
            assert tab.read() == {"type": "read", "ids": "all", "unread": 0}

    def test_what_is_no_notification_arrives_from_hello_on(self, server, alice, monkeypatch):
        """Also while the server waits for a resume: without a "read" the unread count of hello would stay wrong."""
        monkeypatch.setattr("notifications.websocket.consumers.RESUME_SECONDS", 60)
        tell_often(alice, 1)
        with enter(server, alice) as tab:
            mark_all_read(user_id=alice.pk)
            assert tab.read() == {"type": "read", "ids": "all", "unread": 0}

    def test_another_channel_needs_a_subscription(self, server, alice):
        message = {"channel": "mining", "event": "share", "data": 1}
        with enter(server, alice, since=0) as tab, enter(server, alice, since=0) as other:
            assert tab.ask({"action": "subscribe", "channel": "mining"}) == {"type": "subscribed", "channel": "mining"}
            publish([(alice.pk, message)])
            assert tab.read() == message
            tab.ask({"action": "unsubscribe", "channel": "mining"})
            publish([(alice.pk, message), (alice.pk, {"event": "end", "data": 0})])
            assert tab.read()["event"] == "end"
            assert other.read()["event"] == "end"

    def test_nothing_anyone_publishes_disturbs_the_bridge(self, server, alice):
        with enter(server, alice, since=0) as tab:
            for message in (
                b"",
                b"nonsense",
                b"\xff\xfe",
                b"[]",
                b"7",
                b"{}",
                b"null",
                b'{"event": 5, "data": {}}',
                b'{"event": "no data"}',
                b'{"event": "e", "data": 1, "channel": "other"}',
                b'{"event": "e", "data": 1, "channel": ["mining"]}',
                b"[" * 100_000,
                orjson.dumps({"event": "huge", "data": "x" * 100_000}),
                orjson.dumps({"event": "enormous", "data": "x" * 5_000_000}),
            ):
                publish_raw(alice, message)
            tell(alice, cause="1")
            assert tab.read_seqs(1) == [1]
            assert tab.is_quiet()

    def test_a_seq_nobody_stored_is_put_right(self, server, alice):
        """As after a database was restored, or if a service numbers notifications itself."""
        with enter(server, alice, since=0) as tab:
            publish([(alice.pk, {"event": "notification", "data": {"seq": 1}})])
            publish([(alice.pk, {"event": "notification", "data": {"seq": 2**62}})])
            assert tab.read_seqs(1) == [1]
            assert tab.read() == {"type": "reset", "seq": 0, "unread": 0}
            tell(alice, cause="1")
            assert tab.read()["data"]["title"] == "Worker Online"


class TestResuming:
    @pytest.mark.parametrize("how", ["query", "action"])
    def test_replays_what_came_after_and_goes_on(self, server, alice, how):
        tell_often(alice, 5)
        with enter(server, alice, **({"since": 2} if how == "query" else {})) as tab:
            if how == "action":
                tab.say({"action": "resume", "since": 2})
            tell_often(alice, 2)
            assert tab.read_seqs(5) == [3, 4, 5, 6, 7]
            assert tab.is_quiet()

    def test_resuming_at_the_end_replays_nothing(self, server, alice):
        tell_often(alice, 2)
        with enter(server, alice, since=2) as tab:
            assert tab.is_quiet()
            tell_often(alice, 1)
            assert tab.read_seqs(1) == [3]

    def test_what_comes_between_hello_and_resume_is_not_sent_ahead(self, server, alice, monkeypatch):
        monkeypatch.setattr("notifications.websocket.consumers.RESUME_SECONDS", 60)
        tell_often(alice, 2)
        with enter(server, alice) as tab:
            tell_often(alice, 2)
            tab.say({"action": "resume", "since": 1})
            assert tab.read_seqs(3) == [2, 3, 4]
            assert tab.is_quiet()

    def test_what_comes_while_the_start_is_looked_up_is_part_of_the_replay(self, server, alice, monkeypatch):
        tell_often(alice, 3)
        with enter(server, alice, since=3) as tab:
            asked, answer = threading.Event(), threading.Event()
            monkeypatch.setattr(Tables, "read_snapshots", held_back(Tables.read_snapshots, asked, answer))
            tab.say({"action": "resume", "since": 1})
            assert asked.wait(PATIENCE)
            tell_often(alice, 1)
            publish([(alice.pk, {"event": "personal_best", "data": None})])
            assert tab.read()["event"] == "personal_best"
            answer.set()
            assert tab.read_seqs(3) == [2, 3, 4]
            assert tab.is_quiet()

    def test_five_hundred_missed_are_replayed_and_one_more_are_reset(self, server, alice):
        NotificationCounter.objects.filter(user=alice).update(last_seq=501, unread=501)
        Notification.objects.bulk_create(
            Notification(user=alice, seq=seq, type="system", subtype="welcome", title="t" * 256)
            for seq in range(1, 502)
        )
        with enter(server, alice, since=1) as tab:
            assert tab.read_seqs(500) == list(range(2, 502))
            assert tab.is_quiet()
            assert tab.ask({"action": "resume", "since": 0}) == {"type": "reset", "seq": 501, "unread": 501}
            assert tab.is_quiet()
        with enter(server, alice, since=0) as tab:
            assert tab.read() == {"type": "reset", "seq": 501, "unread": 501}
            assert tab.is_quiet()

    def test_a_seq_from_the_future_is_reset(self, server, alice):
        tell_often(alice, 1)
        with enter(server, alice, since=2) as tab:
            assert tab.read() == {"type": "reset", "seq": 1, "unread": 1}
            tell_often(alice, 1)
            assert tab.read_seqs(1) == [2]

    @pytest.mark.parametrize("since", [None, -1, 1.5, "3", [], True])
    def test_what_is_no_seq_is_an_error(self, server, alice, since):
        with enter(server, alice) as tab:
            assert tab.ask({"action": "resume", "since": since}) == {"type": "error", "message": "Invalid since"}
            assert tab.is_quiet()

    @pytest.mark.parametrize("since", ["x", "-1", "9" * 30, "²"])
    def test_what_is_no_seq_in_the_address_is_an_error_after_hello(self, server, alice, since):
        with enter(server, alice, since=since) as tab:
            assert tab.read() == {"type": "error", "message": "Invalid since"}
            tell_often(alice, 1)
            assert tab.read_seqs(1) == [1]


def tell_of_a_seq_nobody_stored(user):
    publish([(user.pk, {"event": "notification", "data": {"seq": 6}})])


def read_one(user):
    mark_read(user_id=user.pk, notification_id=Notification.objects.get(user=user, seq=1).pk)


def read_what_has_expired(user):
    mark_read(user_id=user.pk, notification_id=Notification.objects.get(user=user, seq=2).pk)


class TestUnreadCounts:
    """Each frame that tells how many are unread says what GET /notifications/unread-count answers."""

    @pytest.fixture(autouse=True)
    def _one_of_four_unread_has_expired(self, alice):
        tell_often(alice, 5)
        Notification.objects.filter(user=alice, seq=2).update(expires_at=timezone.now() - timedelta(seconds=1))
        mark_read(user_id=alice.pk, notification_id=Notification.objects.get(user=alice, seq=5).pk)

    def ask_the_api(self, user):
        return client_of(user).get("/api/v1/notifications/unread-count").json()["unread_count"]

    def test_hello(self, server, alice):
        with Client(url_for(server, alice)) as tab:
            assert tab.read() == {"type": "hello", "seq": 5, "unread": 3}
        assert self.ask_the_api(alice) == 3

    @pytest.mark.parametrize("how", ["query", "action"])
    def test_the_reset_of_a_seq_from_the_future(self, server, alice, how):
        with enter(server, alice, **({"since": 6} if how == "query" else {})) as tab:
            if how == "action":
                tab.say({"action": "resume", "since": 6})
            assert tab.read() == {"type": "reset", "seq": 5, "unread": 3}
        assert self.ask_the_api(alice) == 3

    def test_the_reset_of_a_user_who_missed_too_many(self, server, alice):
        NotificationCounter.objects.filter(user=alice).update(last_seq=506)
        with enter(server, alice, since=5) as tab:
            assert tab.read() == {"type": "reset", "seq": 506, "unread": 3}
        assert self.ask_the_api(alice) == 3

    def test_the_reset_of_a_user_who_was_sent_more_than_there_is(self, server, alice):
        with enter(server, alice, since=5) as tab:
            tell_of_a_seq_nobody_stored(alice)
            assert tab.read_seqs(1) == [6]
            assert tab.read() == {"type": "reset", "seq": 5, "unread": 3}
        assert self.ask_the_api(alice) == 3

    @pytest.mark.parametrize(
        ("mark", "left"),
        [(read_one, 2), (read_what_has_expired, 3), (lambda user: mark_all_read(user_id=user.pk), 0)],
    )
    def test_what_has_been_read(self, server, alice, mark, left):
        with enter(server, alice, since=5) as tab:
            mark(alice)
            frame = tab.read()
            assert (frame["type"], frame["unread"], "channel" in frame) == ("read", left, False)
        assert self.ask_the_api(alice) == left


class TestAsking:
    def test_ping_and_subscriptions(self, server, alice):
        with enter(server, alice) as tab:
            assert tab.ask({"action": "ping"}) == {"type": "pong"}
            for channel in ("mining", "dashboard", "gamification", "competition", "notifications"):
                assert tab.ask({"action": "subscribe", "channel": channel}) == {
                    "type": "subscribed",
                    "channel": channel,
                }
            assert tab.ask({"action": "unsubscribe", "channel": "mining"}) == {
                "type": "unsubscribed",
                "channel": "mining",
            }

    @pytest.mark.parametrize("channel", [None, "other", "", 5, ["mining"], {"mining": 1}])
    def test_unknown_channels_are_an_error(self, server, alice, channel):
        with enter(server, alice) as tab:
            assert tab.ask({"action": "subscribe", "channel": channel}) == {
                "type": "error",
                "message": "Unknown channel",
            }

    @pytest.mark.parametrize(
        "text",
        ["", "nonsense", "{", '{"action": "ping"', "[" * 2000, '{"a":' * 700, "NaN", b'{"action": "ping"}', b"\xff"],
    )
    def test_what_is_no_json_is_an_error(self, server, alice, text):
        with enter(server, alice) as tab:
            assert tab.ask(text) == {"type": "error", "message": "Invalid JSON"}
            assert tab.is_quiet()

    @pytest.mark.parametrize(
        "request_", [[], [1, 2], 7, "ping", None, True, {}, {"action": "fly"}, {"action": ["ping"]}, {"action": None}]
    )
    def test_what_is_no_action_is_an_error(self, server, alice, request_):
        with enter(server, alice) as tab:
            assert tab.ask(orjson.dumps(request_).decode()) == {"type": "error", "message": "Unknown action"}
            assert tab.is_quiet()

    @pytest.mark.parametrize(("size", "code"), [(4097, 4400), (60_000, 4400), (1_000_000, 1009)])
    def test_large_frames_close_the_socket_and_no_other(self, server, alice, size, code):
        with enter(server, alice) as tab, enter(server, alice) as other:
            tab.say("x" * size)
            assert tab.read_close_code() == code
            assert other.is_quiet()

    def test_a_flood_closes_the_socket_and_no_other(self, server, alice):
        with enter(server, alice) as tab, enter(server, alice) as other:
            for _ in range(21):
                tab.say({"action": "ping"})
            assert tab.read_close_code() == 4400
            assert other.is_quiet()


class TestClosing:
    def test_a_token_that_runs_out_ends_its_socket(self, server, alice, monkeypatch):
        monkeypatch.setattr(tokens, "LEEWAY_SECONDS", 3600)
        token = tokens.issue_pair(
            user_id=alice.pk,
            btc_address=alice.btc_address,
            family=uuid4(),
            refresh_jti=uuid4(),
            now=timezone.now() - timedelta(hours=0.75),
        ).access_token
        with enter(server, alice) as fresh, Client(f"{server}?token={token}") as tab:
            assert tab.read_close_code() == 4001
            assert fresh.is_quiet()

    @pytest.mark.parametrize("how", ["suspended", "deleted"])
    def test_a_user_who_may_not_sign_in_any_more_loses_the_socket_without_a_message(self, server, alice, bob, how):
        with enter(server, alice) as tab, enter(server, bob) as his:
            if how == "suspended":
                User.objects.filter(pk=alice.pk).update(is_active=False)
            else:
                alice.delete()
            assert tab.read_close_code() == 4001
            assert his.is_quiet()

    def test_a_server_that_ends_asks_its_clients_to_come_back(self, alice):
        heard = []
        with serve() as url:
            tab = enter(url, alice)
            listening = threading.Thread(target=lambda: heard.append(tab.read_close_code()))
            listening.start()
        listening.join()
        tab.connection.close()
        assert heard == [4010]


class TestHealth:
    def test_readiness_tells_of_the_sockets(self, server, alice):
        with enter(server, alice, since=0) as tab:
            tell(alice, cause="1")
            tab.read()
            response = readyz()
        (of_the_hub,) = orjson.loads(response.content)["websocket"]
        assert (response.status_code, of_the_hub["ready"]) == (200, True)
        assert (of_the_hub["sockets"], of_the_hub["users"]) == (1, 1)
        assert of_the_hub["messages"] >= 1

    def test_a_check_that_has_stopped_is_not_ready(self, server, alice, monkeypatch):
        monkeypatch.setattr(hub, "STALLED_SECONDS", -1)
        response = readyz()
        assert (response.status_code, orjson.loads(response.content)["code"]) == (503, "websocket_stalled")
