"""Connections after a restart of PostgreSQL, and reads that share a cursor."""

import select

import psycopg
import pytest
from django.conf import settings
from django.db import close_old_connections, connection

from bitcoingame.core.postgresql.reads import fetch_rows

pytestmark = pytest.mark.django_db(transaction=True)


def backend():
    return fetch_rows("SELECT pg_backend_pid() AS pid", {})[0]["pid"]


def end_backend(pid):
    """Ends the session as a restart of PostgreSQL does; returns when its last message has arrived here."""
    parts = settings.DATABASES["default"]
    with psycopg.connect(host=parts["HOST"], user=parts["USER"], dbname=parts["NAME"], autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s)", [pid])
    poll = select.poll()
    poll.register(connection.connection.fileno(), select.POLLIN)
    assert poll.poll(10_000)


@pytest.fixture
def kept_connection(monkeypatch):
    monkeypatch.setitem(connection.settings_dict, "CONN_MAX_AGE", None)
    connection.close()
    connection.ensure_connection()
    yield
    connection.close()


def test_a_sound_connection_is_kept(kept_connection):
    before = backend()

    close_old_connections()

    assert backend() == before


def test_the_first_request_after_a_restart_finds_a_new_one(kept_connection, client):
    before = backend()
    end_backend(before)

    close_old_connections()

    assert client.get("/api/v1/cooperatives").status_code == 200
    assert backend() != before


def test_a_read_remembers_its_columns_and_counts_as_a_query(django_assert_num_queries):
    with django_assert_num_queries(2):
        rows = [fetch_rows("SELECT %(n)s::int AS one, 'b' AS two", {"n": n}) for n in (1, 2)]

    assert rows == [[{"one": 1, "two": "b"}], [{"one": 2, "two": "b"}]]
