"""Who may see whom, and by what name: the rules in Python, for the ORM and in SQL agree about every user."""

from itertools import product

import pytest
from django.db import connection

from profiles.models import User
from profiles.visibility import IS_NAMED_TO_OUTSIDERS, IS_PUBLIC, PUBLIC

pytestmark = pytest.mark.django_db


def make_everybody() -> None:
    """One user for each way in which the rules may turn out."""
    for number, (is_active, public, in_rankings, has_address) in enumerate(product([True, False], repeat=4)):
        User.objects.create(
            username=f"user {number}",
            btc_address=f"address{number:02}" if has_address else None,
            is_active=is_active,
            public_profile=public,
            show_in_coop_rankings=in_rankings,
        )


def usernames(condition: str) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT username FROM users WHERE {condition} ORDER BY username")
        return [username for (username,) in cursor.fetchall()]


def test_only_an_active_user_with_an_address_and_a_public_profile_is_public():
    make_everybody()
    assert usernames(IS_PUBLIC) == ["user 0", "user 2"]
    assert [user.username for user in User.objects.filter(PUBLIC).order_by("username")] == ["user 0", "user 2"]


def test_only_an_active_public_user_shown_in_rankings_is_named_to_outsiders():
    make_everybody()
    assert usernames(IS_NAMED_TO_OUTSIDERS) == ["user 0", "user 1"]
    assert usernames("is_named_to_outsiders(users)") == ["user 0", "user 1"]


def test_a_user_is_called_the_same_in_python_and_in_sql():
    for display_name, address, username in product(["Alice", "", None], ["bc1qalice99", "1x", None], ["staff", None]):
        if address or username:
            user = User(display_name=display_name, btc_address=address, username=username)
            user.save()
            with connection.cursor() as cursor:
                cursor.execute("SELECT shown_name(users) FROM users WHERE id = %s", [user.pk])
                assert cursor.fetchone() == (user.shown_name,)
            user.delete()
