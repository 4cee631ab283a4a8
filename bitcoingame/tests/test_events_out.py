"""Our own events reach the stream social:events if, and only if, their cause committed."""

import orjson
import pytest
from django.db import connection, transaction
from redis.exceptions import RedisError

from bitcoingame.core.outbox import enqueue_outgoing
from bitcoingame.events import relay
from bitcoingame.events.consumer import Consumer
from bitcoingame.events.relay import STREAM, relay_outgoing
from bitcoingame.models import OutgoingEvent
from bitcoingame.tests.platform import redis_client, wait_until
from bitcoingame.tests.test_events_consumer import running
from conftest import make_cooperative
from social.errors import NameTaken
from social.services import create_cooperative

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def redis(valkey):
    valkey.empty()
    client = redis_client()
    yield client
    client.close()


def sent(redis):
    return [fields for _, fields in redis.xrange(STREAM)]


def test_a_founding_is_told_in_the_envelope_of_the_platform(redis, alice):
    cooperative = make_cooperative(alice, name="Night Shift")
    assert relay_outgoing(redis) == 1
    row = OutgoingEvent.objects.get()
    (fields,) = sent(redis)
    assert fields == {
        b"event": b"coop_created",
        b"event_id": str(row.event_id).encode(),
        b"ts": str(row.created_at.timestamp()).encode(),
        b"source": b"social",
        b"data": fields[b"data"],
    }
    assert orjson.loads(fields[b"data"]) == {
        "cooperative_id": str(cooperative.pk),
        "name": "Night Shift",
        "user_id": str(alice.pk),
        "user": alice.btc_address,
    }
    assert row.sent_at is not None
    assert relay_outgoing(redis) == 0
    assert redis.xlen(STREAM) == 1


def test_what_did_not_happen_is_not_told(redis, alice, bob):
    make_cooperative(alice, name="Night Shift")
    with pytest.raises(NameTaken):
        create_cooperative(user=bob, name="night shift")
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        create_cooperative(user=bob, name="Day Shift")
        1 / 0  # noqa: B018
    relay_outgoing(redis)
    assert redis.xlen(STREAM) == 1


def test_the_order_is_kept_over_many_rounds(redis, monkeypatch):
    monkeypatch.setattr(relay, "MAX_PER_ROUND", 3)
    for number in range(8):
        enqueue_outgoing(event="coop_created", payload={"number": number})
    assert [relay_outgoing(redis) for _ in range(4)] == [3, 3, 2, 0]
    assert [orjson.loads(fields[b"data"])["number"] for fields in sent(redis)] == list(range(8))


def test_what_redis_missed_arrives_when_it_is_back(redis, valkey, alice):
    valkey.kill()
    make_cooperative(alice)
    with pytest.raises(RedisError):
        relay_outgoing(redis)
    assert OutgoingEvent.objects.get().sent_at is None
    valkey.start()
    assert relay_outgoing(redis) == 1
    assert redis.xlen(STREAM) == 1


def test_several_relays_at_once_send_each_event_once(valkey, at_once):
    valkey.empty()
    for number in range(50):
        enqueue_outgoing(event="coop_created", payload={"number": number})

    def relay_once():
        client = redis_client()
        try:
            return relay_outgoing(client)
        finally:
            client.close()

    assert sum(at_once([relay_once] * 4)) == 50
    client = redis_client()
    assert [orjson.loads(fields[b"data"])["number"] for fields in sent(client)] == list(range(50))
    client.close()


def test_a_lock_outlives_nothing(redis):
    relay_outgoing(redis)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")
        assert cursor.fetchone() == (0,)


def test_the_stream_is_trimmed(redis, settings):
    settings.SOCIAL_EVENTS_MAXLEN = 1000
    for _ in range(3):
        OutgoingEvent.objects.bulk_create(OutgoingEvent(event="coop_created", payload={}) for _ in range(500))
        relay_outgoing(redis)
    assert 1000 <= redis.xlen(STREAM) < 1200


def test_the_consumer_relays_what_waits(redis, alice):
    with running(Consumer()):
        make_cooperative(alice)
        wait_until(lambda: redis.xlen(STREAM) == 1)
