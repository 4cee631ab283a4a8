"""Gives the tests PostgreSQL and Valkey of their own, so that they may kill them and never meet `make run`'s.

Each process that runs tests (one, or each of pytest-xdist's) has its own pair, in a directory removed at the end.
DATABASE_URL or REDIS_URL set by the user takes the place of either.
"""

import fcntl
import os
from collections.abc import Iterator
from typing import IO

import pytest

from bitcoingame.local.defaults import LOCAL, database_url, make_directory, redis_url
from bitcoingame.local.servers import SERVERS, Server, Valkey, remove_home

_TESTS = LOCAL / "test"
_HOME = _TESTS / str(os.getpid())
# Tells pytest-xdist's processes which addresses their parent has set, and not the user.
_MARK = "TESTS_EMBEDDED"

_embedded = [
    variable for variable in SERVERS if not os.environ.get(variable) or variable in os.environ.get(_MARK, "").split()
]
_running: dict[str, Server] = {}
_lock: list[IO[str]] = []

# At import, because pytest-django loads the settings soon after.
os.environ.setdefault("ENVIRONMENT", "development")
os.environ[_MARK] = " ".join(_embedded)
for _variable, _url in (("DATABASE_URL", database_url(_HOME)), ("REDIS_URL", redis_url(_HOME))):
    if _variable in _embedded:
        os.environ[_variable] = _url


def pytest_sessionstart(session: pytest.Session) -> None:
    distributes = session.config.getoption("dist", "no") != "no" and not hasattr(session.config, "workerinput")
    if distributes or session.config.option.collectonly or not _embedded:
        return
    for directory in (LOCAL, _TESTS, _HOME):
        make_directory(directory)
    _lock.append(_claim(_HOME / "lock"))
    _remove_leftovers()
    for variable in _embedded:
        _running[variable] = SERVERS[variable](_HOME, keeps_data=False)
        _running[variable].start()


def pytest_unconfigure() -> None:
    if _running:
        for server in _running.values():
            server.stop()
        _running.clear()
        _lock.pop().close()
        remove_home(_HOME)


@pytest.fixture
def valkey() -> Iterator[Valkey]:
    """The tests' Valkey, to kill(), freeze(), thaw(), stop() and start() again.

    It is empty before the test, and runs and is empty afterwards. The test, and the next one, meet a client of this
    process that never failed.
    """
    from bitcoingame.core.redis import _connect

    server = _running.get("REDIS_URL")
    if not isinstance(server, Valkey):
        pytest.skip("REDIS_URL names a Valkey that is not ours to kill")
    _connect.cache_clear()
    # Tests that commit leave jobs behind, because what is queued goes to this Valkey.
    server.empty()
    yield server
    server.thaw()
    if not server.is_running:
        server.start()
    server.empty()
    _connect.cache_clear()


def _claim(path: os.PathLike[str]) -> IO[str]:
    file = open(path, "a")  # noqa: SIM115 - open for as long as the tests run
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise
    return file


def _remove_leftovers() -> None:
    """Remove the directories of killed runs: those whose lock nobody holds."""
    for home in _TESTS.iterdir():
        if home != _HOME and (home / "lock").exists():
            try:
                _claim(home / "lock").close()
            except BlockingIOError:
                continue
            remove_home(home)
