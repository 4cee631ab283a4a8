"""Redis for code that somebody waits for: a dead or hanging Redis never slows a request down.

redis-py alone blocks a caller for over 4 s when Redis is down and 5 s when it hangs. Here a call waits 200 ms at
most for a connection and for an answer, nothing is retried, and after a failure Redis is left alone for a second.
We looked at the maintained circuit-breaker libraries and took none: the best of them holds one lock around every
call, so threads would wait for each other even while Redis is well.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeVar

from django.conf import settings
from redis import Redis
from redis.asyncio.connection import Connection as AsyncConnection
from redis.asyncio.connection import ConnectionPool as AsyncPool
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

T = TypeVar("T")

ANSWER_SECONDS = 0.2
REST_SECONDS = 1.0
# After a rest one caller tries Redis. The others skip it until that call ends, but no longer than this. A look-up of a
# host's name can take that long.
TRIAL_SECONDS = 10.0

_GONE = (RedisConnectionError, RedisTimeoutError, OSError)


def connect(url: str, *, seconds: float) -> Redis:
    """A client that waits at most `seconds` for a connection, and as long for each answer. It never retries."""
    return Redis.from_url(url, retry=Retry(NoBackoff(), 0), **_impatience(seconds))


def make_async_connection(url: str, *, seconds: float) -> AsyncConnection:
    """One connection as impatient as `connect`, for asyncio; its caller connects it."""
    pool = AsyncPool.from_url(url, **async_options(seconds=seconds))
    connection: AsyncConnection = pool.make_connection()  # type: ignore[no-untyped-call]  # redis-py has no types here
    return connection


def async_options(*, seconds: float) -> dict[str, Any]:
    """The options of an asyncio client as impatient as `connect`, for libraries that make their clients themselves."""
    return {"retry": AsyncRetry(NoBackoff(), 0), **_impatience(seconds)}


def _impatience(seconds: float) -> dict[str, Any]:
    """Protocol 2 and no driver_info: a new connection has nothing to ask before its first command."""
    return {
        "socket_connect_timeout": seconds,
        "socket_timeout": seconds,
        "protocol": 2,
        "driver_info": None,
    }


class RedisUnavailable(Exception):
    """Redis did not answer in time, or is left alone after a failure. Callers have a fallback; users never see this."""


class ImpatientRedis:
    """A Redis client shared by the threads of a process. `failed` and `skipped` count calls, for the metrics."""

    def __init__(self, url: str) -> None:
        self._client = connect(url, seconds=ANSWER_SECONDS)
        self._rests_until = 0.0
        self._door = threading.Lock()
        self.failed = 0
        self.skipped = 0

    def run(self, work: Callable[[Redis], T]) -> T:
        """Returns what `work(client)` returns. `work` must make one round trip only, so that the time is bounded.

        Raises RedisUnavailable when Redis is down, hangs or is being left alone. Other errors of Redis, such as a
        wrong type, are raised as they are.
        """
        with self.attempt():
            return work(self._client)

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """The same bounds for one round trip by another client of the same Redis; that client brings its own timeout.

        Raises RedisUnavailable as `run` does.
        """
        if not self._may_try():
            self.skipped += 1
            raise RedisUnavailable("Redis is being left alone after a failure.")
        try:
            yield
        except _GONE as error:
            self._rest()
            raise RedisUnavailable(str(error)) from error
        except Exception:
            self._rests_until = 0.0
            raise
        self._rests_until = 0.0

    @property
    def is_resting(self) -> bool:
        return self._rests_until > time.monotonic()

    def _may_try(self) -> bool:
        """True for all threads while Redis is well. After a rest, True for one thread only, which tries Redis."""
        if not self._rests_until:
            return True
        with self._door:
            if self.is_resting:
                return False
            self._rests_until = time.monotonic() + TRIAL_SECONDS
            return True

    def _rest(self) -> None:
        with self._door:
            self.failed += 1
            self._rests_until = time.monotonic() + REST_SECONDS


@cache
def _connect(url: str) -> ImpatientRedis:
    return ImpatientRedis(url)


def request_redis() -> ImpatientRedis:
    """This process's client for the request path; connects at the first call."""
    return _connect(settings.REDIS_URL)
