"""Probes answer anyone, in JSON, and report what is really up."""

from datetime import UTC, datetime

import pytest
from django.db import OperationalError, connection
from django.test import Client

from bitcoingame import health
from bitcoingame.local.servers import Valkey
from bitcoingame.models import JobRun

UP = {"status": "ready", "database": "up", "migrations": "applied", "redis": "up", "jobs": {}}


@pytest.fixture(autouse=True)
def _nothing_remembered() -> None:
    health._require_migrations.cache_clear()


def test_healthz_touches_nothing(client: Client) -> None:
    response = client.get("/healthz")
    assert (response.status_code, response.json()) == (200, {"status": "alive"})


def test_healthz_answers_whatever_host_was_asked_for(client: Client) -> None:
    assert client.get("/healthz", headers={"host": "10.0.0.7:8000"}).status_code == 200


@pytest.mark.django_db
def test_readyz_when_everything_is_there(client: Client) -> None:
    response = client.get("/readyz")
    assert (response.status_code, response.json()) == (200, UP)
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.django_db
def test_readyz_says_when_each_job_last_succeeded(client: Client) -> None:
    JobRun.objects.create(name="done", last_succeeded_at=datetime(2026, 6, 2, 12, 5, tzinfo=UTC))
    JobRun.objects.create(name="failing", last_error="ValueError: no")
    assert client.get("/readyz").json()["jobs"] == {"done": "2026-06-02T12:05:00Z", "failing": None}


@pytest.mark.django_db
def test_readyz_is_ready_while_the_jobs_cannot_be_read(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise OperationalError("gone")

    monkeypatch.setattr(health, "job_status", refuse)
    response = client.get("/readyz")
    assert (response.status_code, response.json()) == (200, UP)


@pytest.mark.django_db
def test_readyz_names_missing_migrations_and_remembers_only_success(client: Client) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'social'")
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json() == {
        "detail": "Migrations are missing.",
        "code": "migrations_missing",
        "database": "up",
        "migrations": "missing",
        "redis": "up",
    }


@pytest.mark.django_db
def test_readyz_names_a_dead_database(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connection.settings_dict, "HOST", "/nowhere")
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json() == {
        "detail": "PostgreSQL does not answer.",
        "code": "database_down",
        "database": "down",
        "migrations": "unknown",
        "redis": "up",
    }


@pytest.mark.django_db
def test_readyz_says_that_redis_is_dead_or_hangs_and_stays_ready(client: Client, valkey: Valkey) -> None:
    valkey.freeze()
    assert client.get("/readyz").json() == {**UP, "redis": "down"}
    valkey.kill()
    response = client.get("/readyz")
    assert (response.status_code, response.json()) == (200, {**UP, "redis": "down"})


def test_probes_are_only_asked(client: Client) -> None:
    assert client.post("/healthz").status_code == 404
    assert client.head("/healthz").status_code == 200
