"""What the tests of notifications share."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pytest
from django.conf import settings
from redis import Redis

from profiles.models import User


@pytest.fixture
def overheard(alice: User, bob: User, charlie: User) -> Iterator[Callable[[], dict[int, list[Any]]]]:
    """Returns what was published for Alice, Bob and Charlie since the last call: {user id: frames}."""
    redis = Redis.from_url(settings.REDIS_URL)
    pubsub = redis.pubsub()
    channels = {f"ws:user:{user.pk}".encode(): user.pk for user in (alice, bob, charlie)}
    pubsub.subscribe("end", *channels)
    for _ in range(4):
        assert pubsub.get_message(timeout=5)["type"] == "subscribe"

    def listen() -> dict[int, list[Any]]:
        redis.publish("end", "")
        heard = defaultdict(list)
        while (message := pubsub.get_message(timeout=5))["channel"] != b"end":
            heard[channels[message["channel"]]].append(orjson.loads(message["data"]))
        return dict(heard)

    yield listen
    pubsub.close()
    redis.close()
