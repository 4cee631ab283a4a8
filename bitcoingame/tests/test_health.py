"""Probes tell the truth, in JSON, to anyone."""

import pytest
from django.db import connection
from django.test import Client

from bitcoingame import health
from bitcoingame.local.servers import Valkey

UP = {"status": "ready", "database": "up", "migrations": "applied", "redis": "up"}


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
