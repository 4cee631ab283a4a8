"""One process per checkout that runs the embedded servers for as long as anybody uses them.

Whoever needs the servers holds a connection to the keeper's socket; the kernel closes it whichever way the holder
ends, and with the last connection the keeper stops the servers and itself. Should the keeper be killed, the
kernel ends its servers.
"""

import contextlib
import fcntl
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from bitcoingame.local.defaults import CHECKOUT, DEVELOPMENT_HOME, LOCAL, make_directory, socket_directory
from bitcoingame.local.servers import SERVERS, Server, ServerFailed

_RESTART_AFTER_SECONDS = 1.0
_RELEASE_SECONDS = 60.0
_STAYS = b"others stay\n"


class Hold:
    """A use of the embedded servers, from hold_servers() until release()."""

    def __init__(self, connection: socket.socket, keeper: subprocess.Popen[bytes] | None) -> None:
        self.connection = connection
        self.keeper = keeper

    def release(self, *, for_all: bool = False) -> None:
        """Let go, and wait for the servers' end if nobody else uses them; `for_all` ends them in any case."""
        received = last = b""
        self.connection.settimeout(_RELEASE_SECONDS)
        with contextlib.suppress(OSError):
            if for_all:
                self.connection.sendall(b"stop\n")
            self.connection.shutdown(socket.SHUT_WR)
            while received := self.connection.recv(4096):
                last = received
        self.connection.close()
        if self.keeper and not last.endswith(_STAYS):
            self.keeper.wait()


def variables_of_embedded_servers() -> list[str]:
    """The variables that name no server, so that an embedded one takes its place."""
    return [variable for variable in SERVERS if not os.environ.get(variable, "").strip()]


@contextlib.contextmanager
def embedded_servers() -> Iterator[None]:
    """The embedded servers run inside the block; failing that the process ends with a sentence."""
    if not variables_of_embedded_servers():
        yield
        return
    try:
        hold = hold_servers()
    except ServerFailed as error:
        sys.exit(str(error))
    try:
        yield
    finally:
        hold.release()


def hold_servers() -> Hold:
    """Use the running keeper's servers, or start a keeper. Raises ServerFailed."""
    _make_home()
    with _locked("start.lock"):  # one starter at a time: the second finds the first one's keeper
        hold = _join_keeper() or _start_keeper()
    return hold


def _make_home() -> None:
    try:
        for directory in (LOCAL, DEVELOPMENT_HOME):
            make_directory(directory)
    except OSError as error:
        raise ServerFailed(f"{DEVELOPMENT_HOME} cannot be made: {error.strerror}.") from error


def _join_keeper() -> Hold | None:
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(str(_socket_path()))
        return _ask(Hold(connection, None))
    except OSError:
        connection.close()
        return None


def _start_keeper() -> Hold:
    ours, theirs = socket.socketpair()
    with theirs, (DEVELOPMENT_HOME / "keeper.log").open("wb") as log:
        keeper = subprocess.Popen(
            [sys.executable, "-m", "bitcoingame.local.keeper", str(theirs.fileno())],
            cwd=CHECKOUT,
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        return _ask(Hold(ours, keeper))
    except OSError:
        ours.close()
        keeper.wait()
        raise ServerFailed(f"The keeper of the embedded servers failed; {log.name} says why.") from None


def _ask(hold: Hold) -> Hold:
    """Have the keeper start what we need; OSError when it is on its way out."""
    hold.connection.sendall(f"need {' '.join(variables_of_embedded_servers())}\n".encode())
    answer = _read_line(hold.connection)
    if answer.startswith("failed "):
        hold.release()
        raise ServerFailed(answer.removeprefix("failed "))
    return hold


def _read_line(connection: socket.socket) -> str:
    received = b""
    while not received.endswith(b"\n"):
        chunk = connection.recv(1)
        if not chunk:
            raise ConnectionResetError
        received += chunk
    return received.decode().strip()


def _socket_path() -> Path:
    return socket_directory(DEVELOPMENT_HOME) / "keeper.sock"


@contextlib.contextmanager
def _locked(name: str) -> Iterator[None]:
    with (DEVELOPMENT_HOME / name).open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


class Keeper:
    """Serves the holders one after another; a select loop, because a holder may end at any moment."""

    def __init__(self, first: socket.socket) -> None:
        self.servers: dict[str, Server] = {}
        self.selector = selectors.DefaultSelector()
        self.listener: socket.socket | None = None
        self.holders: list[socket.socket] = []
        self.dead_since: dict[str, float] = {}
        self._welcome(first)

    def run(self) -> None:
        try:
            while self.holders:
                for key, _ in self.selector.select(timeout=_RESTART_AFTER_SECONDS):
                    key.data(key.fileobj)
                self._revive()
        finally:
            self._close()

    def _welcome(self, holder: socket.socket) -> None:
        holder.settimeout(5)
        self.holders.append(holder)
        self.selector.register(holder, selectors.EVENT_READ, self._serve)

    def _serve(self, holder: socket.socket) -> None:
        try:
            words = holder.recv(4096).decode().split()
        except OSError:
            words = []
        if not words:
            self._dismiss(holder)
        elif words[0] == "stop":
            self.holders.clear()
        else:
            self._tell(holder, self._start(words[1:]))

    def _start(self, variables: list[str]) -> str:
        try:
            for variable in variables:
                if variable not in self.servers:
                    server = SERVERS[variable](DEVELOPMENT_HOME, keeps_data=True)
                    server.start()
                    self.servers[variable] = server
            self._listen()
        except (ServerFailed, OSError) as error:
            return f"failed {' '.join(str(error).split())}"
        return "ready"

    def _listen(self) -> None:
        if self.listener is None:
            _socket_path().unlink(missing_ok=True)
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(str(_socket_path()))
            self.listener.listen(64)
            self.selector.register(self.listener, selectors.EVENT_READ, lambda door: self._welcome(door.accept()[0]))

    def _revive(self) -> None:
        """Start again what died by itself, and say so to everybody."""
        now = time.monotonic()
        for variable, server in self.servers.items():
            if server.is_running:
                self.dead_since.pop(variable, None)
            elif now - self.dead_since.setdefault(variable, now) >= _RESTART_AFTER_SECONDS:
                self.dead_since[variable] = now
                try:
                    server.start()
                    self._tell_all(f"{server.title} ended by itself and was started again.")
                except ServerFailed as error:
                    self._tell_all(str(error))

    def _tell_all(self, sentence: str) -> None:
        for holder in list(self.holders):
            self._tell(holder, " ".join(sentence.split()))

    def _tell(self, holder: socket.socket, line: str) -> None:
        try:
            holder.sendall(f"{line}\n".encode())
        except OSError:
            self._dismiss(holder)

    def _dismiss(self, holder: socket.socket) -> None:
        """Forget a holder; the last one's connection stays open until we end, which is what it waits for."""
        self.holders.remove(holder)
        self.selector.unregister(holder)
        if self.holders:
            with contextlib.suppress(OSError):
                holder.sendall(_STAYS)
            holder.close()

    def _close(self) -> None:
        if self.listener:
            self.listener.close()
            _socket_path().unlink(missing_ok=True)
        for server in reversed(self.servers.values()):
            server.stop()


def main() -> None:
    """The keeper's own process; its argument is the connection of whoever started it."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    with socket.socket(fileno=int(sys.argv[1])) as first, _locked("keeper.lock"):
        Keeper(first).run()


if __name__ == "__main__":
    main()
