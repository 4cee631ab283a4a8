"""A socket server in the tests' own process, and small clients."""

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from urllib.parse import urlencode

import orjson
import pytest
import uvicorn
from django.conf import settings
from redis import Redis
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection
from websockets.sync.client import connect as open_socket

from bitcoingame.tests.platform import wait_until
from conftest import access_token
from profiles.models import User

PATIENCE = 15
# The name in Redis of the channel layer's group.
SOCKETS = "social__group__sockets"


def settings_of_the_server() -> dict[str, Any]:
    return {
        "ws": "notifications.websocket.uvicorn_protocol:SocketProtocol",
        "ws_per_message_deflate": False,
        "ws_max_size": 64 * 1024,
        "access_log": False,
        "log_config": None,
    }


@contextmanager
def serve(**changes: Any) -> Iterator[str]:
    """Runs uvicorn in a thread, so that coverage sees it. Yields the address."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=512)
    config = uvicorn.Config("bitcoingame.asgi:application", **(settings_of_the_server() | changes))
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        yield f"ws://127.0.0.1:{listening.getsockname()[1]}/ws"
    finally:
        server.should_exit = True
        thread.join(PATIENCE)
        assert not thread.is_alive()


class Client:
    """A browser tab. Used as a context manager; reads one frame at a time."""

    def __init__(self, url: str, **options: Any) -> None:
        opening = open_socket(url, **{"compression": None, "open_timeout": PATIENCE, "max_queue": None} | options)
        self._stack = ExitStack()
        self.connection: ClientConnection = self._stack.enter_context(opening)

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    def read(self, timeout: float = PATIENCE) -> Any:
        return orjson.loads(self.connection.recv(timeout))

    def say(self, request: Any) -> None:
        self.connection.send(request if isinstance(request, str | bytes) else orjson.dumps(request).decode())

    def ask(self, request: Any) -> Any:
        self.say(request)
        return self.read()

    def read_seqs(self, number: int) -> list[int]:
        return [self.read()["data"]["seq"] for _ in range(number)]

    def is_quiet(self) -> bool:
        """Whether nothing came before the answer to a ping."""
        return bool(self.ask({"action": "ping"}) == {"type": "pong"})

    def read_close_code(self) -> int:
        """Reads until the server closes."""
        with pytest.raises(ConnectionClosed) as closed:
            while True:
                self.connection.recv(PATIENCE)
        assert closed.value.rcvd is not None, "cut off without a close frame"
        return closed.value.rcvd.code


def wait_for_processes(number: int) -> None:
    """Waits until this many processes listen to the group that all processes with sockets join."""
    with Redis.from_url(settings.REDIS_URL) as client:
        wait_until(lambda: client.pubsub_numsub(SOCKETS)[0][1] == number)


def url_for(server: str, user: User, **query: Any) -> str:
    return f"{server}?{urlencode({'token': access_token(user), **query})}"


def enter(server: str, user: User, **query: Any) -> Client:
    """Connects and reads the hello."""
    client = Client(url_for(server, user, **query))
    assert client.read()["type"] == "hello"
    return client
