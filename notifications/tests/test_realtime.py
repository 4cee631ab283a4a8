"""What the services publish, as a subscriber of the platform sees it."""

from datetime import UTC, datetime

import orjson
import pytest
import redis
from django.conf import settings

from notifications import realtime
from notifications.realtime import publish


@pytest.fixture
def listener(valkey):
    """A service of the platform that listens on every channel."""
    with redis.Redis.from_url(settings.REDIS_URL, retry=None) as client, client.pubsub() as pubsub:
        pubsub.psubscribe("ws:*")
        pubsub.get_message(timeout=5)
        yield pubsub


def read(listener, number):
    messages = [listener.get_message(timeout=5) for _ in range(number)]
    return [(message["channel"].decode(), orjson.loads(message["data"])) for message in messages]


def test_reaches_each_users_channel_in_the_platforms_envelope(listener):
    at = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
    publish(
        [
            (7, {"event": "notification", "data": {"id": "1", "seq": 1, "timestamp": at}}),
            (8, {"event": "read", "data": {"ids": "all", "unread": 0}}),
        ]
    )
    assert read(listener, 2) == [
        ("ws:user:7", {"event": "notification", "data": {"id": "1", "seq": 1, "timestamp": "2026-03-01T12:00:00Z"}}),
        ("ws:user:8", {"event": "read", "data": {"ids": "all", "unread": 0}}),
    ]


def test_more_messages_than_a_round_trip_holds_arrive_in_order(listener, monkeypatch):
    monkeypatch.setattr(realtime, "MESSAGES_PER_ROUND_TRIP", 3)
    publish([(user_id, {"event": "e", "data": user_id}) for user_id in range(10)])
    assert [message["data"] for _, message in read(listener, 10)] == list(range(10))


def test_a_dead_redis_is_nobodys_error(valkey):
    valkey.kill()
    publish([(7, {"event": "e", "data": {}})])


def test_what_cannot_be_written_as_json_is_logged_not_raised(listener, caplog):
    publish([(7, {"event": "e", "data": object()})])
    assert "could not be published" in caplog.text
    publish([(7, {"event": "e", "data": 1})])
    assert read(listener, 1) == [("ws:user:7", {"event": "e", "data": 1})]


def test_a_slow_redis_gets_no_more_than_its_time(listener, monkeypatch, caplog):
    monkeypatch.setattr(realtime, "PUBLISH_SECONDS", -1)
    publish([(7, {"event": "e", "data": {}})])
    assert "1 messages are left to the table" in caplog.text
    assert listener.get_message(timeout=0.05) is None
