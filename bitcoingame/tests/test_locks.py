"""Advisory locks have one holder at a time, also while processes of an older version run."""

from contextlib import contextmanager
from threading import Thread

import psycopg
import pytest
from django.conf import settings
from django.db import close_old_connections, connection, transaction

from bitcoingame.core.postgresql.locks import held_numbers, lock_until_commit, named_key, numbered_key, try_lock

pytestmark = pytest.mark.django_db(transaction=True)

GROUP = 0x74657374
KEYS = [
    (named_key("outgoing_events"), "hashtextextended('outgoing_events', 0)"),
    (named_key("users_id_seq"), "hashtextextended('users_id_seq', 0)"),
    (numbered_key(0x6A6F6273, 7), "1785684595, 7"),
]


@contextmanager
def another_connection():
    parts = settings.DATABASES["default"]
    with psycopg.connect(host=parts["HOST"], user=parts["USER"], dbname=parts["NAME"], autocommit=True) as other:
        yield other


def can_lock(arguments):
    """Whether another connection gets the lock, by the key that older versions use. It keeps it no longer than that."""
    with another_connection() as other:
        return other.execute(f"SELECT pg_try_advisory_xact_lock({arguments})").fetchone()[0]


def becomes_free(arguments):
    """The same for a lock whose connection was closed: PostgreSQL ends a session a moment after its client has gone."""
    with another_connection() as other:
        other.execute("SET lock_timeout = '10s'")
        other.execute(f"SELECT pg_advisory_xact_lock({arguments})")
    return True


@pytest.mark.parametrize(("key", "arguments"), KEYS)
def test_a_lock_is_ours_alone_until_the_block_ends(key, arguments):
    with try_lock(key) as is_ours:
        assert is_ours
        assert not can_lock(arguments)

    assert can_lock(arguments)


@pytest.mark.parametrize(("key", "arguments"), KEYS)
def test_a_lock_that_someone_else_holds_is_neither_waited_for_nor_given_back(key, arguments):
    with another_connection() as other:
        other.execute(f"SELECT pg_advisory_lock({arguments})")
        with try_lock(key) as is_ours:
            assert not is_ours
        assert not can_lock(arguments)


@pytest.mark.parametrize(("key", "arguments"), KEYS)
def test_what_fails_gives_the_lock_back(key, arguments):
    with pytest.raises(ZeroDivisionError), try_lock(key):
        raise ZeroDivisionError

    assert can_lock(arguments)


@pytest.mark.parametrize(("key", "arguments"), KEYS)
def test_so_does_a_transaction_that_cannot_go_on(key, arguments):
    with pytest.raises(ZeroDivisionError), transaction.atomic(), try_lock(key):
        transaction.set_rollback(True)
        raise ZeroDivisionError

    assert becomes_free(arguments)


@pytest.mark.parametrize(("key", "arguments"), KEYS)
def test_a_lost_connection_gives_the_lock_back_and_the_next_statement_finds_a_new_one(key, arguments):
    with try_lock(key), another_connection() as other:
        other.execute("SELECT pg_terminate_backend(%s, 10000)", [connection.connection.info.backend_pid])

    assert becomes_free(arguments)
    with try_lock(key) as is_ours:
        assert is_ours


@pytest.mark.parametrize(("key", "arguments"), KEYS)
def test_a_lock_of_a_transaction_ends_with_it(key, arguments):
    with transaction.atomic():
        lock_until_commit(key)
        assert not can_lock(arguments)

    assert can_lock(arguments)


def test_a_lock_of_a_transaction_is_waited_for():
    order = []

    def wait():
        with transaction.atomic():
            lock_until_commit(named_key("test"))
            order.append("second")
        close_old_connections()
        connection.close()

    with another_connection() as watcher, transaction.atomic():
        lock_until_commit(named_key("test"))
        second = Thread(target=wait)
        second.start()
        while not watcher.execute("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted").fetchall():
            pass
        order.append("first")
    second.join()

    assert order == ["first", "second"]


def test_the_locks_of_a_group_that_are_held_are_known_by_their_numbers():
    with try_lock(numbered_key(GROUP, 1)), try_lock(numbered_key(GROUP, 2)), try_lock(numbered_key(GROUP + 1, 3)):
        assert held_numbers(GROUP) == {1, 2}

    assert held_numbers(GROUP) == set()
