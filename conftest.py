"""The people of the tests' stories, how they call the API, and what all tests run on."""

import gc
import os
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any
from uuid import uuid4

import hypothesis
import pytest
from btclib.b32 import address_from_witness
from django.contrib.auth.models import Group
from django.db import close_old_connections, connection
from django.test import TransactionTestCase, override_settings
from django.utils import timezone
from factory.declarations import Sequence
from factory.django import DjangoModelFactory
from rest_framework.test import APIClient

from bitcoingame.tests.as_migrated import remember_tables, restore_tables
from profiles.models import User
from profiles.sign_in.tokens import issue_pair
from social.models import Cooperative
from social.moderators import GROUP
from social.services import create_cooperative, join_cooperative

# On how many examples hypothesis tries each property. CI sets the variable CI; HYPOTHESIS_PROFILE chooses either.
hypothesis.settings.register_profile("development", max_examples=30, deadline=None)
hypothesis.settings.register_profile("ci", max_examples=300, deadline=None)
hypothesis.settings.load_profile(
    os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "development")
)

_numbers = count(1)


def _numbered_address(number: int) -> str:
    return address_from_witness(0, number.to_bytes(20, "little"))


class UserFactory(DjangoModelFactory[User]):
    """Miners without a name, each with a real address of their own."""

    class Meta:
        model = User

    btc_address = Sequence(_numbered_address)  # type: ignore[no-untyped-call]  # factory-boy's has no types


def make_user(name: str | None = None, **fields: Any) -> User:
    return UserFactory.create(display_name=name, **fields)


def moderators() -> Group:
    """The group that a migration makes."""
    return Group.objects.get(name=GROUP)


def client_of(user: User | None) -> APIClient:
    """A client that sends the user's access token, signed by the real key; for None it is not signed in."""
    client = APIClient()
    if user is not None:
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {access_token(user)}")
    return client


def access_token(user: User) -> str:
    assert user.btc_address is not None
    return issue_pair(
        user_id=user.pk, btc_address=user.btc_address, family=uuid4(), refresh_jti=uuid4(), now=timezone.now()
    ).access_token


def make_cooperative(admin: User, *members: User, name: str | None = None, motto: str | None = None) -> Cooperative:
    cooperative = create_cooperative(user=admin, name=name or f"Cooperative {next(_numbers)}", motto=motto)
    for member in members:
        join_cooperative(user=member, invite_code=cooperative.invite_code)
    cooperative.refresh_from_db()
    return cooperative


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Makes the database; a test that commits then leaves the tables as the migrations left them.

    restore_tables() takes the place of Django's flush, which is fifty times slower and empties what migrations filled.
    """
    with django_db_blocker.unblock():
        remember_tables()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", lambda self: restore_tables())
        yield


QUICK_SETTINGS = {
    # The hasher of production is slow on purpose.
    "PASSWORD_HASHERS": ["django.contrib.auth.hashers.MD5PasswordHasher"],
    # Look for a static file when it is asked for. Without this each test's client lists all of them when it is made.
    "WHITENOISE_AUTOREFRESH": True,
}


@pytest.fixture(scope="session", autouse=True)
def quick_settings(django_test_environment: None) -> Iterator[None]:
    with override_settings(**QUICK_SETTINGS):
        yield


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start the longest tests first: at the end, the other workers would have nothing to do beside them."""
    items.sort(key=lambda item: item.path.name != "test_local.py")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Let the garbage collector pass over what lives as long as the session, and look at the rest less often.

    All modules and test items would be looked through again and again, which takes a fifteenth of the tests' time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


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
    """Runs calls in threads that start together, each on its own connection; returns results or errors, in order."""
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
