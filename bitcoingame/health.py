"""What a load balancer asks: /healthz (the process answers) and /readyz (it can serve).

This is the first middleware, because a probe comes to the bare IP address, without TLS and without credentials: it
must be neither refused for its Host header nor redirected.
"""

from collections.abc import Callable
from datetime import datetime
from functools import cache
from typing import Any

import orjson
import psycopg
from django.conf import settings
from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse
from redis import RedisError

from bitcoingame.core.job_runs import job_status
from bitcoingame.core.redis import connect
from notifications.websocket.hub import hub_statuses

_DATABASE_SECONDS = 2
_REDIS_SECONDS = 0.2


class HealthProbes:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        probe = _PROBES.get(request.path_info)
        return probe() if probe and request.method in ("GET", "HEAD") else self.get_response(request)


def healthz() -> HttpResponse:
    """200 as long as this process answers; touches nothing else."""
    return _answer({"status": "alive"}, 200)


def readyz() -> HttpResponse:
    """200 if PostgreSQL answers, all migrations are applied and this process's sockets are served; else 503 and why.

    The answer also says whether Redis is up and when each job last succeeded. Neither changes the status, because the
    service works without them.
    """
    state: dict[str, Any] = {"database": "down", "migrations": "unknown", "redis": _redis_state()}
    if _database_answers():
        state |= {"database": "up", "migrations": _migrations_state()}
    if state["database"] == "down":
        return _answer({"detail": "PostgreSQL does not answer.", "code": "database_down", **state}, 503)
    if state["migrations"] != "applied":
        return _answer({"detail": "Migrations are missing.", "code": "migrations_missing", **state}, 503)
    if hubs := hub_statuses():
        state["websocket"] = hubs
    if not all(hub["ready"] for hub in hubs):
        return _answer({"detail": "The sockets are not checked.", "code": "websocket_stalled", **state}, 503)
    return _answer({"status": "ready", **state, "jobs": _jobs_state()}, 200)


_PROBES = {"/healthz": healthz, "/readyz": readyz}


def _answer(body: dict[str, Any], status: int) -> HttpResponse:
    content = orjson.dumps(body, option=orjson.OPT_UTC_Z)
    headers = {"Cache-Control": "no-store", "Content-Length": str(len(content))}
    response = HttpResponse(content, status=status, content_type="application/json", headers=headers)
    response._has_been_logged = True  # type: ignore[attr-defined] # a probe's 503 is an answer and not an error to log
    return response


def _database_answers() -> bool:
    """Opens a new connection, because only opening one tells within a bounded time that the server hangs."""
    parameters = {**connection.get_connection_params(), "connect_timeout": _DATABASE_SECONDS}
    try:
        psycopg.connect(**parameters).close()
    except psycopg.Error:
        return False
    return True


def _migrations_state() -> str:
    try:
        _require_migrations()
    except (Error, MigrationsMissing):
        return "missing"
    return "applied"


class MigrationsMissing(Exception):
    """The database lacks a migration that this code has."""


@cache
def _require_migrations() -> None:
    """Raises MigrationsMissing. Success is remembered, because nobody takes migrations back under a running process."""
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise MigrationsMissing


def _jobs_state() -> dict[str, datetime | None]:
    try:
        return {name: status.last_succeeded_at for name, status in job_status().items()}
    except Error:
        return {}


def _redis_state() -> str:
    try:
        with connect(settings.REDIS_URL, seconds=_REDIS_SECONDS) as client:
            client.ping()
    except RedisError:
        return "down"
    return "up"
