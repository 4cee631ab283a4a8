"""Clients that do not read, and servers that have to send to them."""

import asyncio
import socket
import threading
from types import SimpleNamespace

import psutil
import pytest

from conftest import access_token
from notifications.realtime import publish
from notifications.tests.people import tell
from notifications.tests.sockets import enter, serve
from notifications.websocket import hub
from notifications.websocket.sockets import MAX_WAITING, Socket

pytestmark = pytest.mark.django_db(transaction=True)

DATA = "x" * 60_000


@pytest.fixture(scope="module")
def server(django_db_setup):
    with serve() as url:
        yield url


def shake_hands(server, user):
    """A client that reads only when a test makes it. Its window is small, so that the server notices soon."""
    port = int(server.split(":")[2].removesuffix("/ws"))
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.settimeout(20)
    client.connect(("127.0.0.1", port))
    client.sendall(
        f"GET /ws?since=0&token={access_token(user)} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Key: {'A' * 22}==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    received = b""
    while b'"hello"' not in received:
        received += client.recv(4096)
    return client


def sockets_of(user):
    (running,) = hub._hubs.values()
    return running.result()._users[f"ws:user:{user.pk}".encode()].sockets


def read_to_the_end(client):
    received = b""
    try:
        while data := client.recv(65536):
            received = (received + data)[-1000:]
    except ConnectionResetError:
        pass
    return received


def test_a_client_that_never_reads_is_closed_and_memory_stays_flat(server, alice, bob):
    """A hundred megabytes are published to a client that reads nothing."""
    process = psutil.Process()
    with shake_hands(server, alice) as silent, enter(server, bob, since=0) as his:
        before = process.memory_info().rss
        for number in range(1700):
            publish([(alice.pk, {"event": "e", "data": DATA})])
            if number % 100 == 0:
                publish([(bob.pk, {"event": "e", "data": number})])
                assert his.read()["data"] == number
        assert process.memory_info().rss - before < 16 * 1024 * 1024
        tell(bob, cause="1")
        assert his.read_seqs(1) == [1]
        read_to_the_end(silent)
    with enter(server, alice) as again:
        assert again.is_quiet()


def test_one_that_takes_longer_than_the_limit_is_told_so_behind_what_waits(server, alice, monkeypatch):
    monkeypatch.setattr(hub, "SEND_SECONDS", 0.3)
    with shake_hands(server, alice) as slow:
        (tab,) = sockets_of(alice)
        while not tab.sending_since:
            publish([(alice.pk, {"event": "e", "data": DATA})])
            threading.Event().wait(0.01)
        while not tab.is_closing:
            threading.Event().wait(0.01)
        assert b"\x0f\xa9too slow" in read_to_the_end(slow)


def test_pings_of_a_client_that_reads_no_pongs_do_not_pile_up(server, alice):
    process = psutil.Process()
    ping = b"\x89\xfd\0\0\0\0" + b"x" * 125
    with shake_hands(server, alice) as silent:
        before = process.memory_info().rss
        with pytest.raises(ConnectionError):
            for _ in range(2000):
                silent.sendall(ping * 500)
        assert process.memory_info().rss - before < 16 * 1024 * 1024


class TestWithoutTheShortCut:
    """On other ASGI servers frames go by `send`, one at a time."""

    def make_socket(self, send):
        return Socket(user=SimpleNamespace(newest=0), send=send, write=None, expires_at=0)

    async def test_frames_are_sent_in_order(self):
        sent, done = [], asyncio.Event()

        async def send(event):
            await asyncio.sleep(0)
            sent.append(event["text"])
            if len(sent) == 50:
                done.set()

        tab = self.make_socket(send)
        for number in range(50):
            tab.push(b"%d" % number)
        await done.wait()
        assert sent == [str(number) for number in range(50)]

    async def test_what_waits_is_bounded(self):
        closed, stuck = asyncio.Event(), asyncio.Event()

        async def send(event):
            if event["type"] == "websocket.close":
                assert event["code"] == 4009
                closed.set()
            else:
                await stuck.wait()

        tab = self.make_socket(send)
        for _ in range(100):
            tab.push(b"x" * 10_000)
            assert tab.waiting <= MAX_WAITING + 10_000
        await closed.wait()
        assert (tab.is_closing, tab.waiting) == (True, 0)

    async def test_a_server_that_cannot_even_close_is_left_alone(self, monkeypatch):
        monkeypatch.setattr("notifications.websocket.sockets.CLOSE_SECONDS", 0.01)

        async def serve_one():
            tab = self.make_socket(lambda event: asyncio.Event().wait())
            tab.close(hub.CloseCode.TOO_SLOW)
            await asyncio.Event().wait()

        with pytest.raises(asyncio.CancelledError):
            await asyncio.create_task(serve_one())

    async def test_a_connection_that_is_gone_gets_nothing_more(self):
        async def send(event):
            raise ConnectionResetError

        tab = self.make_socket(send)
        tab.push(b"x")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert tab.is_closing
