"""The people of the tests' stories, and how they call the API."""

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest
from django.db import close_old_connections, connection
from rest_framework.test import APIClient

from profiles.models import User
from social.models import Cooperative
from social.services import create_cooperative, join_cooperative

_numbers = count(1)


def make_user(name: str | None = None, **fields: Any) -> User:
    number = next(_numbers)
    fields.setdefault("btc_address", f"bc1qtest{number:0>34}")
    return User.objects.create(display_name=name, **fields)


def client_of(user: User | None) -> APIClient:
    client = APIClient()
    if user is not None:
        client.force_authenticate(user)
    return client


def make_cooperative(admin: User, *members: User, name: str | None = None, motto: str | None = None) -> Cooperative:
    cooperative = create_cooperative(user=admin, name=name or f"Cooperative {next(_numbers)}", motto=motto)
    for member in members:
        join_cooperative(user=member, invite_code=cooperative.invite_code)
    cooperative.refresh_from_db()
    return cooperative


@pytest.fixture
def alice(db: None) -> User:
    return make_user("Alice")


@pytest.fixture
def bob(db: None) -> User:
    return make_user("Bob")


@pytest.fixture
def charlie(db: None) -> User:
    return make_user("Charlie")


@pytest.fixture
def at_once(transactional_db: None) -> Iterator[Callable[[list[Callable[[], Any]]], list[Any]]]:
    """Runs calls in threads that start together, each on its own connection; answers results or exceptions, in order."""
    from concurrent.futures import ThreadPoolExecutor
    from threading import Barrier

    def run(calls: list[Callable[[], Any]]) -> list[Any]:
        barrier = Barrier(len(calls))

        def one(call: Callable[[], Any]) -> Any:
            try:
                connection.ensure_connection()
                barrier.wait(timeout=30)
                return call()
            except Exception as error:
                return error
            finally:
                connection.close()

        with ThreadPoolExecutor(len(calls)) as pool:
            return list(pool.map(one, calls))

    yield run
    close_old_connections()
