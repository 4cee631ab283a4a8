"""Nobody who waits for an answer waits for Redis."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.conf import settings
from redis.exceptions import ResponseError

from bitcoingame.core import redis as module
from bitcoingame.core.redis import ImpatientRedis, RedisUnavailable, request_redis


@pytest.fixture
def client(valkey):
    return ImpatientRedis(settings.REDIS_URL)


@pytest.fixture
def _short_rest(monkeypatch):
    monkeypatch.setattr(module, "REST_SECONDS", 0.01)


def ping(client):
    return client.ping()


def wait_for_the_rest_to_end(client):
    while client.is_resting:
        threading.Event().wait(0.005)


def test_answers_while_redis_is_well(client):
    assert client.run(ping) is True
    assert (client.failed, client.skipped, client.is_resting) == (0, 0, False)


def test_one_client_for_each_process():
    assert request_redis() is request_redis()


@pytest.mark.parametrize("url", ["redis://127.0.0.1:1/0", "rediss://127.0.0.1:1/0", "unix:///nowhere/valkey.sock"])
def test_every_kind_of_address_that_nobody_answers_is_unavailable(url):
    client = ImpatientRedis(url)
    with pytest.raises(RedisUnavailable):
        client.run(ping)
    assert client.is_resting


def test_a_hanging_redis_costs_one_timeout_and_then_nothing(client, valkey, monkeypatch):
    monkeypatch.setattr(module, "REST_SECONDS", 60)
    valkey.freeze()
    with pytest.raises(RedisUnavailable):
        client.run(ping)
    with pytest.raises(RedisUnavailable):
        client.run(lambda redis: pytest.fail("Redis is left alone"))
    assert (client.failed, client.skipped) == (1, 1)


@pytest.mark.usefixtures("_short_rest")
def test_a_killed_redis_is_used_again_when_it_is_back(client, valkey):
    client.run(ping)
    valkey.kill()
    with pytest.raises(RedisUnavailable):
        client.run(ping)
    valkey.start()
    wait_for_the_rest_to_end(client)
    assert client.run(ping) is True
    assert client.run(ping) is True


@pytest.mark.usefixtures("_short_rest")
def test_after_the_rest_one_caller_tries_and_the_others_go_on(client, valkey):
    valkey.kill()
    with pytest.raises(RedisUnavailable):
        client.run(ping)
    valkey.start()
    wait_for_the_rest_to_end(client)
    trying, others_are_done = threading.Event(), threading.Event()

    def try_slowly(redis):
        trying.set()
        others_are_done.wait(10)
        return redis.ping()

    with ThreadPoolExecutor() as pool:
        trial = pool.submit(client.run, try_slowly)
        trying.wait(10)
        for _ in range(3):
            with pytest.raises(RedisUnavailable):
                client.run(ping)
        others_are_done.set()
        assert trial.result() is True
    assert client.run(ping) is True


@pytest.mark.usefixtures("_short_rest")
def test_a_wrong_command_is_the_callers_fault_and_no_reason_to_rest(client, valkey):
    valkey.kill()
    with pytest.raises(RedisUnavailable):
        client.run(ping)
    valkey.start()
    wait_for_the_rest_to_end(client)
    with pytest.raises(ResponseError):
        client.run(lambda redis: redis.execute_command("NOSUCHCOMMAND"))
    assert not client.is_resting
    assert client.run(ping) is True
