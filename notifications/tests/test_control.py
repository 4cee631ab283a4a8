"""Control messages between processes through the channel layer, and what a failing Redis costs."""

import asyncio

import msgpack
import pytest
from asgiref.sync import async_to_sync, sync_to_async
from channels.layers import get_channel_layer
from django.conf import settings
from redis import Redis

from bitcoingame.core import channel_layer
from bitcoingame.core import redis as core_redis
from bitcoingame.core.redis import RedisUnavailable, request_redis
from bitcoingame.staff.accounts import suspend_user
from bitcoingame.tests.platform import wait_until
from notifications.realtime import disconnect_user
from notifications.tests.sockets import SOCKETS, enter, serve, wait_for_processes
from notifications.websocket import hub
from profiles.models import User

pytestmark = pytest.mark.django_db(transaction=True)

NO_MESSAGES = [
    None,
    7,
    [],
    "session.ended",
    {},
    {"type": None},
    {"type": ["session.ended"]},
    {"type": "of a later version", "user_id": 1},
    {"type": "stop"},
    {"type": "session.ended"},
    {"type": "session.ended", "user_id": None},
    {"type": "session.ended", "user_id": 2**63},
    {"type": "session.ended", "user_id": "\0"},
    {"type": "session.ended", "user_id": b"\xff"},
]
NO_MSGPACK = [b"", b"nonsense", b"\xc1"]


@pytest.fixture
def deaf_to_the_table(monkeypatch):
    """The check runs once an hour instead of every second, so only the channel layer can close sockets."""
    monkeypatch.setattr(hub, "CHECK_SECONDS", 3600)


@pytest.fixture
def ada(db):
    return User.objects.create_superuser("ada")


def suspend(user, staff):
    suspend_user(staff=staff, reason="Spam.", user_id=user.pk)


def number_of_connections():
    with Redis.from_url(settings.REDIS_URL) as client:
        return len(client.client_list())


def number_of_channels():
    with Redis.from_url(settings.REDIS_URL) as client:
        return len(client.pubsub_channels("social*"))


def publish_raw(message):
    request_redis().run(lambda client: client.publish(SOCKETS, message))


def say(message):
    """Sends a message as any Django code may."""
    async_to_sync(get_channel_layer().group_send)("sockets", message)


@pytest.mark.usefixtures("deaf_to_the_table")
def test_a_suspended_user_loses_the_sockets_of_every_process(valkey, alice, bob, ada):
    with (
        serve() as one,
        serve() as other,
        enter(one, alice) as tab,
        enter(one, alice) as second,
        enter(other, alice) as third,
        enter(one, bob) as his,
        enter(other, bob) as his_second,
    ):
        wait_for_processes(2)
        suspend(alice, ada)
        assert [each.read_close_code() for each in (tab, second, third)] == [4001, 4001, 4001]
        assert his.is_quiet()
        assert his_second.is_quiet()


@pytest.mark.usefixtures("deaf_to_the_table")
def test_any_django_code_may_say_so(valkey, alice, bob):
    with serve() as server, enter(server, alice) as tab, enter(server, bob) as his:
        wait_for_processes(1)
        say({"type": "session.ended", "user_id": alice.pk})
        assert tab.read_close_code() == 4001
        async_to_sync(say_from_a_thread_of_async_code)({"type": "session.ended", "user_id": bob.pk})
        assert his.read_close_code() == 4001


async def say_from_a_thread_of_async_code(message):
    """Runs in a thread, as an ASGI server calls a view that is not async."""
    await sync_to_async(say)(message)


@pytest.mark.usefixtures("deaf_to_the_table")
def test_nothing_anyone_says_disturbs_the_sockets(valkey, alice):
    with serve() as server, enter(server, alice) as tab:
        wait_for_processes(1)
        for message in NO_MESSAGES:
            publish_raw(msgpack.packb(message))
        disconnect_user(alice.pk)
        assert tab.read_close_code() == 4001


@pytest.mark.usefixtures("deaf_to_the_table")
@pytest.mark.parametrize("garbage", NO_MSGPACK)
def test_what_is_no_message_costs_at_most_those_that_come_while_the_process_joins_again(valkey, alice, garbage):
    with serve() as server, enter(server, alice) as tab:
        wait_for_processes(1)
        publish_raw(garbage)
        assert tab.is_quiet()
        while tab.connection.close_code is None:
            disconnect_user(alice.pk)
        assert tab.read_close_code() == 4001
        wait_until(
            lambda: number_of_channels() == 2
        )  # the group and the process's own channel: the one it left is gone


@pytest.mark.usefixtures("deaf_to_the_table")
def test_the_sockets_listen_again_when_redis_is_back(valkey, alice, bob):
    with serve() as server, enter(server, alice) as tab, enter(server, bob) as his:
        wait_for_processes(1)
        valkey.kill()
        disconnect_user(alice.pk)
        valkey.start()
        wait_for_processes(1)
        core_redis._connect.cache_clear()
        disconnect_user(bob.pk)
        assert his.read_close_code() == 4001
        assert tab.is_quiet()


@pytest.mark.usefixtures("deaf_to_the_table")
def test_a_process_that_starts_without_redis_listens_later(valkey, alice):
    valkey.kill()
    with serve() as server, enter(server, alice) as tab:
        valkey.start()
        wait_for_processes(1)
        disconnect_user(alice.pk)
        assert tab.read_close_code() == 4001


@pytest.mark.parametrize("fault", ["killed", "hanging"])
def test_without_redis_the_table_closes_the_sockets_and_one_attempt_is_all_that_waits(
    valkey, alice, bob, ada, monkeypatch, fault
):
    monkeypatch.setattr(core_redis, "REST_SECONDS", 60)
    with serve() as server, enter(server, alice) as hers, enter(server, bob) as his:
        wait_for_processes(1)
        valkey.kill() if fault == "killed" else valkey.freeze()
        suspend(alice, ada)
        suspend(bob, ada)
        assert hers.read_close_code() == 4001
        assert his.read_close_code() == 4001
        assert (request_redis().failed, request_redis().skipped) == (1, 1)


@pytest.mark.parametrize("fault", ["killed", "hanging"])
@pytest.mark.parametrize("way", ["send", "group_send"])
def test_the_layer_says_that_redis_is_unavailable_and_leaves_it_alone(valkey, monkeypatch, fault, way):
    """This does not depend on how patient the connection is by which a process listens."""
    monkeypatch.setattr(core_redis, "REST_SECONDS", 60)
    monkeypatch.setattr(channel_layer, "CONNECT_SECONDS", 3600)
    layer = channel_layer.ImpatientChannelLayer(url=settings.REDIS_URL, prefix="test")
    valkey.kill() if fault == "killed" else valkey.freeze()
    for _ in range(3):
        with pytest.raises(RedisUnavailable):
            async_to_sync(getattr(layer, way))("somewhere", {"type": "x"})
    assert (request_redis().failed, request_redis().skipped) == (1, 2)


def test_a_server_ends_while_redis_hangs(valkey, alice):
    with serve() as server, enter(server, alice):
        wait_for_processes(1)
        valkey.freeze()


def test_neither_senders_nor_servers_leave_connections_behind(valkey, alice):
    before = number_of_connections()
    for _ in range(20):
        say({"type": "session.ended", "user_id": alice.pk})
    assert number_of_connections() == before
    with serve() as server, enter(server, alice):
        wait_for_processes(1)
    wait_for_processes(0)
    assert number_of_connections() == before


async def test_a_message_reaches_each_member_of_the_group_and_a_channel_by_name(valkey):
    layer = get_channel_layer()
    mine, yours, other = [await layer.new_channel() for _ in range(3)]
    await layer.group_add("some.group", mine)
    await layer.group_add("some.group", yours)
    await layer.group_send("some.group", {"type": "a"})
    await layer.send(other, {"type": "b"})
    async with asyncio.timeout(10):
        assert [await layer.receive(channel) for channel in (mine, yours, other)] == [
            {"type": "a"},
            {"type": "a"},
            {"type": "b"},
        ]
    await layer.flush()
