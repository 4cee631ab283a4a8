"""`make run` and manage.py as developers use them: real processes in a checkout of their own."""

import contextlib
import json
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from bitcoingame.local import defaults, processes, pytest_plugin
from bitcoingame.local.servers import SERVERS, Server, remove_home

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60
# For the tests that are about none of them: each takes a second to import what it needs.
WITHOUT_THE_REST = "worker,scheduler,consumer"
# Uses the database, again once the file `again` is there, and ends once the file `end` is.
USE = """
import os, time
from pathlib import Path
from django.db import connection
def use(word):
    connection.ensure_connection()
    connection.close()
    print(word, flush=True)
def wait_for(name):
    while not Path(os.environ["SIGNS"], name).exists():
        time.sleep(0.01)
use("connected")
wait_for("again")
use("connected again")
wait_for("end")
"""


class Checkout:
    """A copy of the project's code with its own local data."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.processes: list[subprocess.Popen[str]] = []
        path.mkdir()
        shutil.copy(ROOT / "manage.py", path)
        for app in ("bitcoingame", "profiles", "notifications", "social"):
            (path / app).symlink_to(ROOT / app)

    def environment(self, **changes: str) -> dict[str, str]:
        hidden = ("DATABASE_URL", "REDIS_URL", "PORT", "WITHOUT", "PUBLIC_URL", "TESTS_EMBEDDED")
        inherited = {name: value for name, value in os.environ.items() if name not in hidden}
        return {**inherited, "ENVIRONMENT": "development", "SIMULATE": "0", **changes}

    def start(self, *arguments: str, **changes: str) -> subprocess.Popen[str]:
        return self.start_command(sys.executable, *arguments, **changes)

    def start_command(self, *words: str, **changes: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            words,
            cwd=self.path,
            env=self.environment(**changes),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.processes.append(process)
        return process

    def run(self, *arguments: str, **changes: str) -> tuple[int, str]:
        process = self.start(*arguments, **changes)
        output, _ = process.communicate(timeout=PATIENCE)
        return process.returncode, output

    def start_user(self, signs: Path) -> "Running":
        """A command that uses the servers and waits for files in the directory."""
        user = Running(self.start("manage.py", "shell", "-v0", "-c", USE, SIGNS=str(signs)), 0)
        user.until("connected\n")
        return user

    def make_run(self, port: int, **changes: str) -> "Running":
        return Running(self.start("-m", "bitcoingame.local", PORT=str(port), **changes), port)

    def left_over(self) -> dict[int, str]:
        """The command lines of the living processes that work in this checkout."""
        found = {}
        for entry in filter(lambda entry: entry.name.isdigit(), Path("/proc").iterdir()):
            try:
                if Path(os.readlink(entry / "cwd")).is_relative_to(self.path):
                    found[int(entry.name)] = (entry / "cmdline").read_text().replace("\0", " ")
            except OSError:
                continue
        return found

    def until_nothing_is_left(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while left := self.left_over():
            assert time.monotonic() < deadline, left
            time.sleep(0.05)

    def find(self, words: str) -> list[int]:
        """The ids of the processes that have these words in their command line."""
        return [pid for pid, line in self.left_over().items() if words in line]

    def kill(self, words: str) -> None:
        """Kill (SIGKILL) the one process that has these words in its command line."""
        (pid,) = self.find(words)
        os.kill(pid, signal.SIGKILL)

    def kill_keeper(self, variable: str, *, of: str) -> None:
        """Kill the keeper, and wait until its server has been replaced too."""
        before = self.find(of)
        self.kill(f"bitcoingame.local.keeper {variable}")
        deadline = time.monotonic() + PATIENCE
        while len(now := self.find(of)) != 1 or now == before:
            assert time.monotonic() < deadline, now
            time.sleep(0.05)

    def end(self) -> None:
        while self.processes:
            process = self.processes.pop()
            process.kill()
            process.communicate()


class Running:
    """A running `make run`, and what it has printed so far."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process = process
        self.port = port
        self.printed = ""
        self.answers: list[int] = []

    def until(self, pattern: str) -> str:
        """Read until the pattern is printed."""
        assert self.process.stdout
        watchdog = threading.Timer(PATIENCE, self.process.kill)
        watchdog.start()
        try:
            while not re.search(pattern, self.printed):
                line = self.process.stdout.readline()
                assert line, f"{pattern} was never printed:\n{self.printed}"
                self.printed += line
        finally:
            watchdog.cancel()
        return self.printed

    def get(self, path: str) -> tuple[int, dict[str, str]]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=PATIENCE) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    def until_ready(self) -> None:
        """Ask /readyz until it says 200 with Redis up. The port stays open while web is started again."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            status, answer = self.get("/readyz")
            if status == 200 and answer["redis"] == "up":
                return
        raise AssertionError(answer)

    def until_answered(self, path: str) -> None:
        """Ask until something listens."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            with contextlib.suppress(urllib.error.URLError):
                self.get(path)
                return
            time.sleep(0.05)
        raise AssertionError("nothing listens")

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        self.printed += self.process.communicate(timeout=PATIENCE)[0]
        return self.process.returncode


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    return Checkout(tmp_path_factory.mktemp("shared") / "copy")


@pytest.fixture
def checkout(shared: Checkout) -> Iterator[Checkout]:
    """A checkout in which earlier tests may have run. Each test ends its processes and leaves its data in order."""
    yield shared
    shared.end()


@pytest.fixture
def fresh_checkout(tmp_path: Path) -> Iterator[Checkout]:
    """A checkout in which nothing has run yet."""
    made = Checkout(tmp_path / "copy")
    yield made
    made.end()


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_make_run_starts_all_says_where_and_ends_all(fresh_checkout: Checkout, port: int) -> None:
    running = fresh_checkout.make_run(port)
    running.until("REDIS_URL .*\n")
    sockets_of_servers = defaults.socket_directory(fresh_checkout.path / ".local/dev")
    password, printed = re.split(r"password (\w{20})\n", running.printed)[1:]
    assert running.printed == (
        f"prepare   | Demo data loaded. Staff sign in at /admin/ as admin with the password {password}\n{printed}"
    )
    assert printed == (
        "The Bitcoin Game's social layer is up. Ctrl-C ends it.\n"
        f"  API            http://127.0.0.1:{port}/api/v1/\n"
        f"  documentation  http://127.0.0.1:{port}/api/docs\n"
        f"  admin          http://127.0.0.1:{port}/admin/\n"
        f"  DATABASE_URL   postgresql://postgres@/bitcoingame?host={sockets_of_servers}\n"
        f"  REDIS_URL      unix://{sockets_of_servers}/valkey.sock\n"
    )
    status, state = running.get("/readyz")
    del state["jobs"]
    [sockets] = state.pop("websocket")
    assert sockets["ready"]
    assert (status, state) == (
        200,
        {"status": "ready", "database": "up", "migrations": "applied", "redis": "up"},
    )

    second = fresh_checkout.run("-m", "bitcoingame.local", PORT=str(port))
    assert second == (1, f"`make run` is already running in this checkout (process {running.process.pid}).\n")
    beside = fresh_checkout.run(
        "manage.py", "shell", "-v0", "-c", "from profiles.models import User; print(User.objects.count() >= 0)"
    )
    assert beside == (0, "True\n")
    assert running.get("/healthz") == (200, {"status": "alive"})
    assert running.get("/api/v1/users/me?token=secret")[0] == 401
    running.until(r"web       \| \S+ \S+ INFO requests: GET /api/v1/users/me 401 \d+ ms user -\n")

    assert running.end(signal.SIGTERM) == 0
    assert not re.search("WARNING|ERROR|Traceback|rq.worker|secret|healthz|readyz", running.printed)
    assert fresh_checkout.left_over() == {}


def test_whatever_is_killed_is_started_again_and_hinders_nothing(checkout: Checkout, port: int) -> None:
    killed = checkout.make_run(port, WITHOUT=WITHOUT_THE_REST)
    killed.until("REDIS_URL .*\n")
    killed.end(signal.SIGKILL)

    running = checkout.make_run(port)
    running.until("REDIS_URL .*\n")
    checkout.kill("bitcoingame.local.web")
    running.until(r"web ended by itself \(signal 9\); starting it again in 1 s\.\n")
    checkout.kill("/valkey-server")
    running.until(r"Valkey ended by itself and was started again\.\n")
    running.until_ready()
    checkout.kill("bin/postgres -D")
    running.until(r"PostgreSQL ended by itself and was started again\.\n")
    running.until_ready()
    checkout.kill_keeper("DATABASE_URL", of="bin/postgres -D")
    running.until(r"The keeper of PostgreSQL ended by itself; starting it again\.\n")
    running.until_ready()
    checkout.kill_keeper("REDIS_URL", of="/valkey-server")
    running.until(r"The keeper of Valkey ended by itself; starting it again\.\n")
    running.until_ready()
    assert running.end(signal.SIGHUP) == 0
    assert checkout.left_over() == {}


def test_nothing_outlives_a_make_run_that_is_killed(checkout: Checkout, port: int) -> None:
    running = checkout.make_run(port)
    running.until("REDIS_URL .*\n")
    running.end(signal.SIGKILL)
    checkout.until_nothing_is_left()


def test_nothing_outlives_a_make_that_is_killed(checkout: Checkout, port: int) -> None:
    shutil.copy(ROOT / "Makefile", checkout.path)
    words = ("make", "-o", ".venv/requirements-installed", "run", f"RUN={sys.executable}")
    running = Running(checkout.start_command(*words, PORT=str(port), WITHOUT=WITHOUT_THE_REST), port)
    running.until("REDIS_URL .*\n")
    running.process.kill()
    checkout.until_nothing_is_left()


def test_servers_end_with_their_last_user_though_each_is_killed(checkout: Checkout, tmp_path: Path) -> None:
    first, last = checkout.start_user(tmp_path), checkout.start_user(tmp_path)
    first.end(signal.SIGKILL)
    (tmp_path / "again").touch()
    last.until("connected again\n")
    last.end(signal.SIGKILL)
    checkout.until_nothing_is_left()


def test_a_command_keeps_the_servers_when_make_run_ends(checkout: Checkout, port: int, tmp_path: Path) -> None:
    running = checkout.make_run(port, WITHOUT=WITHOUT_THE_REST)
    running.until("REDIS_URL .*\n")
    command = checkout.start_user(tmp_path)
    assert running.end(signal.SIGINT) == 0
    assert running.printed.endswith("The embedded servers stay until the last command that uses them ends.\n")
    for name in ("again", "end"):
        (tmp_path / name).touch()
    assert command.process.communicate(timeout=PATIENCE) == ("connected again\n", None)
    assert checkout.left_over() == {}


def test_what_is_left_out_runs_by_the_command_the_banner_names(checkout: Checkout, port: int) -> None:
    running = checkout.make_run(port, WITHOUT="web, worker, consumer")
    printed = running.until("left out       consumer.*\n")
    assert "/api/docs" not in printed
    web, worker = re.findall(r"  left out       (?:web|worker); alone it is (.*)\n", printed)
    assert web == f"PORT={port} {sys.executable} -m bitcoingame.local.web"
    of_worker = "manage.py rqworker default --worker-class rq.SimpleWorker"
    assert worker == f"PUBLIC_URL=http://localhost:{port} {sys.executable} {of_worker}"
    assert not any("bitcoingame.local.web" in line or "rqworker" in line for line in checkout.left_over().values())

    alone = Running(checkout.start_command("sh", "-c", f"exec env {web}"), port)
    running.until_answered("/healthz")
    assert running.get("/healthz") == (200, {"status": "alive"})
    done = checkout.start_command("sh", "-c", f"exec env {worker} --burst")
    output, _ = done.communicate(timeout=PATIENCE)
    assert (done.returncode, "Listening on default" in output) == (0, True)
    assert alone.end(signal.SIGINT) == 0
    assert running.end(signal.SIGINT) == 0
    assert checkout.left_over() == {}


@pytest.mark.parametrize("without", ["wroker", "worker,x", "web;worker", "Web"])
def test_only_processes_can_be_left_out(checkout: Checkout, without: str) -> None:
    wrong = without.removeprefix("worker,")
    sentence = f"WITHOUT must list some of web, worker, scheduler, consumer, simulator, not {wrong!r}.\n"
    assert checkout.run("-m", "bitcoingame.local", WITHOUT=without) == (1, sentence)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs servers as another user")
def test_what_root_starts_is_another_user_that_reaches_a_closed_directory(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    (tmp_path / "program").write_text("#!/bin/sh\nid -u; id -G; cat secret")
    (tmp_path / "program").chmod(0o700)
    (tmp_path / "secret").write_text("reached")
    nobody = pwd.getpwnam("nobody")
    started = processes.spawn(
        [str(tmp_path / "program")],
        directory=tmp_path,
        output=subprocess.PIPE,
        user=nobody,
        on_orphaned=signal.SIGTERM,
    )
    said, _ = started.communicate(timeout=PATIENCE)
    assert said.decode() == f"{nobody.pw_uid}\n{nobody.pw_gid}\nreached"


@pytest.mark.parametrize("kind", SERVERS.values())
def test_a_server_ends_what_a_crash_left_of_it(kind: type[Server]) -> None:
    home = defaults.LOCAL / f"test/orphan-{os.getpid()}"
    orphan, successor = kind(home, keeps_data=False), kind(home, keeps_data=False)
    try:
        orphan.start()
        successor.start()
        assert not orphan.is_running
        assert successor.is_running
    finally:
        successor.stop()
        remove_home(home)
    assert not home.exists()


def test_tests_remove_what_killed_tests_left() -> None:
    for name in ("dead", "alive"):
        (pytest_plugin._TESTS / name / "valkey-server").mkdir(parents=True)
    (pytest_plugin._TESTS / "dead/lock").touch()
    with pytest_plugin._claim(pytest_plugin._TESTS / "alive/lock"):
        pytest_plugin._remove_leftovers()
    assert not (pytest_plugin._TESTS / "dead").exists()
    assert (pytest_plugin._TESTS / "alive").exists()
    pytest_plugin._remove_leftovers()
    assert not (pytest_plugin._TESTS / "alive").exists()


def test_make_run_can_be_ended_while_it_starts(checkout: Checkout, port: int) -> None:
    running = checkout.make_run(port)
    while not any("bitcoingame.local.keeper" in line for line in checkout.left_over().values()):
        assert running.process.poll() is None
    assert running.end(signal.SIGINT) == 0
    assert checkout.left_over() == {}


def test_a_port_that_is_taken_is_said_in_a_sentence(fresh_checkout: Checkout) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        code, output = fresh_checkout.run("-m", "bitcoingame.local", PORT=str(port))
    assert (code, output) == (1, f"Port {port} cannot be used (Address already in use): try PORT={port + 1}.\n")
    assert fresh_checkout.left_over() == {}


def test_a_port_that_is_none_is_said_in_a_sentence(checkout: Checkout) -> None:
    sentence = "PORT must be a whole number, not 'eighty'.\n"
    assert checkout.run("-m", "bitcoingame.local", PORT="eighty") == (1, sentence)


def test_commands_alone_share_the_servers_and_end_them(checkout: Checkout) -> None:
    script = "from django.db import connection; connection.ensure_connection(); print('connected')"
    together = [checkout.start("manage.py", "shell", "-v0", "-c", script) for _ in range(3)]
    assert [process.communicate(timeout=PATIENCE)[0] for process in together] == ["connected\n"] * 3
    assert checkout.left_over() == {}


def test_a_command_that_needs_no_server_starts_none(fresh_checkout: Checkout) -> None:
    assert fresh_checkout.run("manage.py", "check") == (0, "System check identified no issues (0 silenced).\n")
    assert not (fresh_checkout.path / ".local/dev").exists()


def test_a_server_that_cannot_start_is_said_in_a_sentence(fresh_checkout: Checkout) -> None:
    data = fresh_checkout.path / ".local/dev/postgres"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("17\n")
    code, output = fresh_checkout.run("manage.py", "migrate")
    assert (code, output) == (1, f"{data} was made by PostgreSQL 17, this is 18: remove it.\n")
    assert fresh_checkout.left_over() == {}


def test_sockets_of_an_awkward_path_live_in_a_short_one() -> None:
    plain = Path("/srv/game/.local/dev")
    assert defaults.socket_directory(plain) == plain / "run"
    awkward = [Path("/srv/" + "deep/" * 30), Path("/srv/my game"), Path("/srv/a,b"), Path("/srv/50%?")]
    short = {str(defaults.socket_directory(path)) for path in awkward}
    assert len(short) == len(awkward)
    assert all(re.fullmatch(rf"/tmp/bitcoingame-{os.getuid()}-[0-9a-f]{{16}}", path) for path in short)


def test_keys_are_made_once_however_many_ask_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(defaults, "LOCAL", tmp_path / "local")
    with ThreadPoolExecutor(8) as pool:
        keys = list(pool.map(lambda _: defaults.secret_key(), range(8)))
    assert len(set(keys)) == 1
    assert len(keys[0]) == 64
    assert defaults.private_key() == defaults.private_key()
    assert defaults.private_key().startswith("-----BEGIN PRIVATE KEY-----")
    assert {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "local").iterdir()} == {
        "secret_key": 0o600,
        "private_key.pem": 0o600,
    }


def test_a_key_that_cannot_be_kept_is_said_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "local").write_text("a file where the directory belongs")
    monkeypatch.setattr(defaults, "LOCAL", tmp_path / "local")
    with pytest.raises(ImproperlyConfigured) as refusal:
        defaults.secret_key()
    assert str(refusal.value) == f"{tmp_path}/local/secret_key cannot be read: Not a directory."
