"""Embedded servers that run for as long as anybody uses them.

A process that uses a server holds a shared lock on the server's file of users. The kernel frees the lock when the
process ends, even if it is killed. Each server has a keeper: a process that starts the server, starts it again when it
dies, and stops it as soon as it gets the lock for itself. If a keeper is killed, the kernel ends its server too.
"""

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

from bitcoingame.local.defaults import CHECKOUT, DEVELOPMENT_HOME, LOCAL, give_to_owner_of_checkout, make_directory
from bitcoingame.local.processes import send
from bitcoingame.local.servers import SERVERS, Server, ServerFailed

_WAIT_SECONDS = 0.03
_LOOK_SECONDS = 0.1
_RESTART_AFTER_SECONDS = 1.0


class Use:
    """This process's use of one embedded server, from begin() to end()."""

    def __init__(self, variable: str) -> None:
        self.variable = variable
        self.server = SERVERS[variable](DEVELOPMENT_HOME, keeps_data=True)
        self.log = _file(self.server, "keeper.log")
        self.has_started_keeper = False
        self.lines_seen = 0
        self.users: IO[str] | None = None
        self.keeper: subprocess.Popen[bytes] | None = None

    def begin(self) -> None:
        """Count as a user and start a keeper if there is none. Waits while the server is being stopped."""
        self.users = open_lock(_file(self.server, "users"))
        fcntl.flock(self.users, fcntl.LOCK_SH)
        self._ensure_keeper()
        self.lines_seen = len(self._log_lines())

    def is_ready(self) -> bool:
        """Whether the server answers. Raises ServerFailed, with the keeper's sentence, once ours has given up."""
        return not self._ensure_keeper() and _state(self.server).endswith(" ready")

    def look_after(self) -> list[str]:
        """Replace a keeper that was killed; returns what happened since the last look, in sentences."""
        lines = self._log_lines()
        news = lines[self.lines_seen :] if len(lines) >= self.lines_seen else lines
        self.lines_seen = len(lines)
        self.has_started_keeper = False
        if self._ensure_keeper():
            news.append(f"The keeper of {self.server.title} ended by itself; starting it again.")
        return news

    def end(self) -> bool:
        """Stop counting as a user. The last user waits for the server's end. Returns whether others still use it."""
        if self.users is None:
            return False
        with self.users, open_lock(_file(self.server, "leaving")) as leaving:
            fcntl.flock(leaving, fcntl.LOCK_EX)
            is_last = try_lock(self.users)
            if is_last:  # newcomers wait until we close the file, and so until the server has ended
                self._end_keeper()
        return not is_last

    def _ensure_keeper(self) -> bool:
        """Start a keeper unless one lives; returns whether it did. The keeper inherits the lock that is taken here."""
        with open_lock(_file(self.server, "keeper")) as lock:
            if not try_lock(lock):
                return False
            if self.has_started_keeper:
                raise ServerFailed(self._last_words())
            lock.truncate(0)
            self._start_keeper(lock)
        return True

    def _start_keeper(self, lock: IO[str]) -> None:
        self.has_started_keeper = True
        self.lines_seen = 0
        self.log.unlink(missing_ok=True)
        with self.log.open("wb") as log:
            self.keeper = subprocess.Popen(
                [sys.executable, "-m", "bitcoingame.local.keeper", self.variable, str(lock.fileno())],
                cwd=CHECKOUT,
                pass_fds=[lock.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _end_keeper(self) -> None:
        with open_lock(_file(self.server, "keeper")) as lock:
            while not try_lock(lock):
                pid, _, state = _state(self.server).partition(" ")
                if state in ("starting", "ready"):
                    send(signal.SIGTERM, [int(pid)])
                time.sleep(_WAIT_SECONDS)

    def _last_words(self) -> str:
        lines = self._log_lines()
        return lines[-1] if lines else f"The keeper of {self.server.title} was killed while it started."

    def _log_lines(self) -> list[str]:
        return self.log.read_text(errors="replace").splitlines() if self.log.exists() else []


def uses_of_embedded_servers() -> list[Use]:
    """A use of each embedded server, except those that the environment replaces."""
    return [Use(variable) for variable in SERVERS if not os.environ.get(variable, "").strip()]


def begin_all(uses: list[Use]) -> None:
    """Start the servers side by side; returns once all of them answer. Raises ServerFailed."""
    for use in uses:
        use.begin()
    while not all(use.is_ready() for use in uses):
        time.sleep(_WAIT_SECONDS)


def end_all(uses: list[Use]) -> bool:
    """End the uses, side by side; returns whether others still use one of the servers."""
    with ThreadPoolExecutor() as pool:
        return any(list(pool.map(Use.end, uses)))


@contextlib.contextmanager
def embedded_servers() -> Iterator[None]:
    """The embedded servers run inside the block. If they cannot, the process ends with one sentence."""
    uses = uses_of_embedded_servers()
    try:
        begin_all(uses)
        yield
    except ServerFailed as error:
        sys.exit(str(error))
    finally:
        end_all(uses)


def open_lock(path: Path) -> IO[str]:
    """Open a file to lock, and to keep a few words in. Raises ServerFailed."""
    try:
        for directory in (LOCAL, DEVELOPMENT_HOME):
            make_directory(directory)
        file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o644), "r+")
        give_to_owner_of_checkout(path)
    except OSError as error:
        raise ServerFailed(f"{error.filename} cannot be written: {error.strerror}.") from error
    return file


def try_lock(file: IO[str]) -> bool:
    """Take the exclusive lock if no other process holds or shares it; returns whether it did. It never waits."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _file(server: Server, purpose: str) -> Path:
    return DEVELOPMENT_HOME / f"{server.program}.{purpose}"


def _state(server: Server) -> str:
    """What the keeper last wrote into its lock: its process id and starting, ready or ending."""
    return _file(server, "keeper").read_text()


def main(variable: str, lock: int) -> None:
    """The keeper's process. `variable` names its server in SERVERS; `lock` is the descriptor of its inherited lock."""
    server = SERVERS[variable](DEVELOPMENT_HOME, keeps_data=True)
    asked_to_end: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: asked_to_end.append(number))
    with open_lock(_file(server, "users")) as users, open_lock(_file(server, "leaving")) as leaving:
        try:
            _write_state(lock, "starting")
            server.start()
            _write_state(lock, "ready")
            while not (asked_to_end or _is_unused(users, leaving)):
                time.sleep(_LOOK_SECONDS)
                _revive(server)
        except ServerFailed as error:
            _say(error)
        finally:
            _write_state(lock, "ending")
            server.stop()


def _is_unused(users: IO[str], leaving: IO[str]) -> bool:
    """Whether nobody uses the server; if so we keep both locks, so that nobody comes until it has ended.

    We do not look while a user is leaving. Its shared lock is gone for an instant before it gets the exclusive one;
    if we took the lock just then, it would believe that others stay, and not wait for the server's end.
    """
    if not try_lock(leaving):
        return False
    if try_lock(users):
        return True
    fcntl.flock(leaving, fcntl.LOCK_UN)
    return False


def _write_state(lock: int, word: str) -> None:
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()} {word}".encode(), 0)


def _revive(server: Server) -> None:
    """If the server has died, start it again after a pause, because it may die each time."""
    if server.is_running:
        return
    time.sleep(_RESTART_AFTER_SECONDS)
    try:
        server.start()
        _say(f"{server.title} ended by itself and was started again.")
    except ServerFailed as error:
        _say(error)


def _say(sentence: object) -> None:
    """Into the keeper's log, a line each."""
    print(" ".join(str(sentence).split()), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
