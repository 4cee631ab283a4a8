"""A request does not wait for a dead or hanging Redis."""

import asyncio
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.conf import settings
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from bitcoingame.core import redis as module
from bitcoingame.core.redis import ImpatientRedis, RedisUnavailable, connect, make_async_connection, request_redis
from bitcoingame.events import streams


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


@pytest.mark.parametrize("turn", ["first", "second"])
def test_a_redis_that_one_test_killed_is_there_for_the_next(valkey, turn):
    assert request_redis().run(ping) is True
    valkey.kill()
    with pytest.raises(RedisUnavailable):
        request_redis().run(ping)


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


@pytest.fixture
def hasty_server():
    """The URL of a server that closes every connection, and a list of what each connection sent."""
    received = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up_on_everyone():
            while True:
                try:
                    caller, _ = server.accept()
                except OSError:
                    return
                with caller:
                    received.append(caller.recv(1024))

        thread = threading.Thread(target=hang_up_on_everyone)
        thread.start()
        yield f"redis://127.0.0.1:{server.getsockname()[1]}/0", received
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def ping_at_once(url):
    connect(url, seconds=5).ping()


def ping_as_the_consumer_does(url):
    streams.connect(url).ping()


def ping_by_asyncio(url):
    async def ping():
        connection = make_async_connection(url, seconds=5)
        await connection.connect()
        await connection.send_command("PING")
        await connection.read_response()

    asyncio.run(ping())


@pytest.mark.parametrize("ask", [ping_at_once, ping_as_the_consumer_does, ping_by_asyncio])
def test_an_impatient_client_asks_once_and_says_nothing_else(hasty_server, ask):
    url, received = hasty_server
    with pytest.raises(RedisConnectionError):
        ask(url)

    assert received == [b"*1\r\n$4\r\nPING\r\n"]
