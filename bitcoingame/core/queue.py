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
# Nobody reads a result, so none is kept. A failed job is kept for a week, so that staff can look at it.
_KEPT = {"result_ttl": 0, "failure_ttl": 7 * 24 * 3600}


def enqueue_on_commit(path: str, *arguments: Any, seconds: int = DEFAULT_SECONDS) -> None:
    """Queues the function at `path` ("app.jobs.name") once the transaction commits; it may then run for `seconds`.

    Never raises. If Redis does not take the job, a job of the timetable finds the work in the tables later.
    """
    transaction.on_commit(partial(_enqueue, path, arguments, seconds), robust=True)


def _enqueue(path: str, arguments: tuple[Any, ...], seconds: int) -> None:
    def put(client: Redis) -> None:
        Queue("default", connection=client).enqueue(path, *arguments, job_timeout=seconds, **_KEPT)

    try:
        request_redis().run(put)
    except (RedisUnavailable, RedisError) as error:
        logger.warning("%s could not be queued and is left to the timetable: %s", path, error)
