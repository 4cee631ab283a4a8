"""Work for the rq workers, handed over without making anybody wait for Redis."""

import logging
from functools import partial
from typing import Any

from django.db import transaction
from redis import Redis
from redis.exceptions import RedisError
from rq import Queue

from bitcoingame.core.redis import RedisUnavailable, request_redis

logger = logging.getLogger(__name__)

DEFAULT_SECONDS = 300
# Nobody reads a result; a failed job is kept for staff to look at.
_KEPT = {"result_ttl": 0, "failure_ttl": 7 * 24 * 3600}


def enqueue_on_commit(path: str, *arguments: Any, seconds: int = DEFAULT_SECONDS) -> None:
    """Queues the function at `path` ("app.jobs.name") once the transaction commits; it may then run for `seconds`.

    Never raises. A job that Redis does not take is lost: each has a periodic sweep that finds the work in the tables.
    """
    transaction.on_commit(partial(_enqueue, path, arguments, seconds), robust=True)


def _enqueue(path: str, arguments: tuple[Any, ...], seconds: int) -> None:
    def put(client: Redis) -> None:
        Queue("default", connection=client).enqueue(path, *arguments, job_timeout=seconds, **_KEPT)

    try:
        request_redis().run(put)
    except (RedisUnavailable, RedisError) as error:
        logger.warning("%s is left to its sweep: %s", path, error)
