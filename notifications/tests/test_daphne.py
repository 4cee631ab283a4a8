"""/ws under `manage.py runserver`, which serves it by daphne. Daphne names no extensions and knows no lifespan."""

import os
import re
import signal
import subprocess
import sys
import threading
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.db import connection
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin, Subprotocol

from conftest import access_token
from notifications.marking import mark_all_read
from notifications.realtime import disconnect_user
from notifications.tests.people import tell
from notifications.tests.sockets import PATIENCE, Client, enter, url_for, wait_for_processes
from notifications.websocket.routing import websocket

pytestmark = pytest.mark.django_db(transaction=True)


class RunServer:
    """Runs `manage.py runserver` on the tests' database and a free port. `said` is what it has written so far."""

    def __init__(self):
        database = urlsplit(os.environ["DATABASE_URL"])._replace(path="/" + connection.settings_dict["NAME"]).geturl()
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "runserver", "--noreload", "127.0.0.1:0"],
            cwd=settings.BASE_DIR,
            env=os.environ | {"DATABASE_URL": database, "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.said = ""
        self.address = None
        self.has_decided = threading.Event()
        self.listening = threading.Thread(target=self.listen)
        self.listening.start()
        self.has_decided.wait(60)

    def listen(self):
        for line in self.process.stdout:
            self.said += line
            if found := re.search(r"Listening on TCP address (127\.0\.0\.1:\d+)", line):
                self.address = f"ws://{found[1]}/ws"
                self.has_decided.set()
        self.has_decided.set()

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(PATIENCE)
        self.listening.join(PATIENCE)
        self.process.stdout.close()


@pytest.fixture(scope="module")
def run_server(django_db_setup):
    running = RunServer()
    yield running
    running.stop()
    assert "Traceback" not in running.said


@pytest.fixture
def server(run_server):
    assert run_server.address is not None, run_server.said
    return run_server.address


def test_says_hello_and_passes_on_what_follows(server, alice):
    tell(alice, cause="1")
    with Client(url_for(server, alice, since=1)) as tab:
        assert tab.read() == {"type": "hello", "seq": 1, "unread": 1}
        assert tab.ask({"action": "ping"}) == {"type": "pong"}
        tell(alice, cause="2")
        frame = tab.read()
        assert (frame["channel"], frame["event"], frame["data"]["seq"]) == ("notifications", "notification", 2)
        mark_all_read(user_id=alice.pk)
        assert tab.read() == {"type": "read", "ids": "all", "unread": 0}
        assert tab.is_quiet()


def test_the_token_may_come_as_a_subprotocol(server, alice):
    subprotocol = Subprotocol(f"bearer.{access_token(alice)}")
    with Client(server, subprotocols=[Subprotocol("other"), subprotocol]) as tab:
        assert tab.connection.subprotocol == subprotocol
        assert tab.read() == {"type": "hello", "seq": 0, "unread": 0}


@pytest.mark.parametrize("path", ["/", "/ws/", "/ws/other"])
def test_other_paths_are_refused_at_the_handshake(server, alice, path):
    with pytest.raises(InvalidStatus) as refusal:
        Client(url_for(server, alice).replace("/ws?", f"{path}?"))
    assert refusal.value.response.status_code == 403


def test_pages_of_other_origins_are_refused_at_the_handshake(server, alice):
    with pytest.raises(InvalidStatus) as refusal:
        Client(url_for(server, alice), origin=Origin("https://evil.example"))
    assert refusal.value.response.status_code == 403


@pytest.mark.parametrize("query", ["", "?token=nonsense"])
def test_without_a_good_token_one_is_told_to_sign_in(server, query):
    with Client(server + query) as tab:
        assert tab.read_close_code() == 4001


def test_a_sixth_socket_is_one_too_many(server, alice):
    tabs = [enter(server, alice) for _ in range(5)]
    with Client(url_for(server, alice)) as sixth:
        assert sixth.read_close_code() == 4008
    for tab in tabs:
        tab.connection.close()


def test_a_suspended_user_loses_the_socket(server, alice):
    with enter(server, alice) as tab:
        wait_for_processes(1)
        disconnect_user(alice.pk)
        assert tab.read_close_code() == 4001


TOKENLESS = {"type": "websocket", "path": "/ws", "headers": []}
REFUSED_AT_THE_HANDSHAKE = [{"type": "websocket.close"}]


@pytest.mark.parametrize("nothing", [{}, {"extensions": None, "subprotocols": None, "query_string": None}])
@pytest.mark.parametrize(
    ("scope", "ends"),
    [
        (TOKENLESS | {"path": "/other"}, REFUSED_AT_THE_HANDSHAKE),
        (TOKENLESS | {"headers": [(b"origin", b"https://evil.example")]}, REFUSED_AT_THE_HANDSHAKE),
        (TOKENLESS, [{"type": "websocket.accept"}, {"type": "websocket.close", "code": 4001}]),
    ],
)
async def test_a_server_may_leave_out_what_asgi_lets_it_leave_out(nothing, scope, ends):
    said = iter([{"type": "websocket.connect"}, {"type": "websocket.disconnect", "code": 1006}])
    heard = []

    async def receive():
        return next(said)

    async def send(message):
        heard.append({name: message[name] for name in ("type", "code") if message.get(name) is not None})

    await websocket(scope | nothing, receive, send)
    assert heard == ends


def test_no_log_line_holds_a_token(run_server, server, alice):
    with pytest.raises(InvalidStatus):
        Client(url_for(server, alice).replace("/ws?", "/nowhere?"))
    with enter(server, alice) as tab:
        tab.connection.close()
    assert "WebSocket CONNECT /ws" in run_server.said
    assert access_token(alice).split(".")[0] not in run_server.said
