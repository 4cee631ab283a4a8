"""`make run` and manage.py, as their users meet them: real processes in a checkout of their own."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60


class Checkout:
    """A copy of the project with local data of its own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.processes: list[subprocess.Popen[str]] = []
        names = ("manage.py", "bitcoingame", "profiles", "notifications", "social")
        for name in names:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, path / name, ignore=shutil.ignore_patterns("__pycache__", "tests"))
            else:
                shutil.copy(source, path / name)

    def environment(self, **changes: str) -> dict[str, str]:
        hidden = ("DATABASE_URL", "REDIS_URL", "PORT", "MAKELEVEL", "TESTS_EMBEDDED")
        inherited = {name: value for name, value in os.environ.items() if name not in hidden}
        return {**inherited, "ENVIRONMENT": "development", "SIMULATE": "0", **changes}

    def start(self, *arguments: str, **changes: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, *arguments],
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

    def make_run(self, port: int) -> "Running":
        return Running(self.start("-m", "bitcoingame.local", PORT=str(port)), port)

    def left_over(self) -> list[str]:
        """The command lines of living processes that belong to this checkout."""
        found = []
        for entry in filter(lambda entry: entry.name.isdigit(), Path("/proc").iterdir()):
            try:
                if Path(os.readlink(entry / "cwd")).is_relative_to(self.path):
                    found.append((entry / "cmdline").read_text().replace("\0", " "))
            except OSError:
                continue
        return found

    def end(self) -> None:
        for process in self.processes:
            process.kill()
            process.communicate()


class Running:
    """A `make run` and what it has printed so far."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process = process
        self.port = port
        self.printed = ""
        self.answers: list[int] = []

    def until(self, pattern: str) -> str:
        """Read on until the pattern was printed."""
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

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        self.printed += self.process.communicate(timeout=PATIENCE)[0]
        return self.process.returncode


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Checkout]:
    made = Checkout(tmp_path)
    yield made
    made.end()


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_make_run_starts_all_says_where_and_ends_all(checkout: Checkout, port: int) -> None:
    running = checkout.make_run(port)
    printed = running.until("REDIS_URL .*\n")
    assert f"http://127.0.0.1:{port}/api/v1/" in printed
    assert f"http://127.0.0.1:{port}/api/docs" in printed
    assert f"http://127.0.0.1:{port}/admin/" in printed
    assert "DATABASE_URL   postgresql://" in printed
    assert running.get("/readyz") == (
        200,
        {"status": "ready", "database": "up", "migrations": "applied", "redis": "up"},
    )

    second = checkout.run("-m", "bitcoingame.local", PORT=str(port))
    assert second == (1, f"`make run` is already running in this checkout (process {running.process.pid}).\n")
    beside = checkout.run(
        "manage.py", "shell", "-v0", "-c", "from profiles.models import User; print(User.objects.count() >= 0)"
    )
    assert beside == (0, "True\n")
    assert running.get("/healthz") == (200, {"status": "alive"})

    assert running.end(signal.SIGTERM) == 0
    assert checkout.left_over() == []


def test_a_killed_make_run_does_not_hinder_the_next(checkout: Checkout, port: int) -> None:
    running = checkout.make_run(port)
    running.until("REDIS_URL .*\n")
    running.end(signal.SIGKILL)

    again = checkout.make_run(port)
    again.until("REDIS_URL .*\n")
    assert again.get("/readyz")[0] == 200
    assert again.end(signal.SIGINT) == 0
    assert checkout.left_over() == []
