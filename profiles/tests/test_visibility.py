"""Who may see whom: the rule in Python, for the ORM and in SQL agree about every user."""

from itertools import product

import pytest
from django.db import connection

from profiles.models import User
from profiles.visibility import IS_PUBLIC, PUBLIC, is_public

pytestmark = pytest.mark.django_db


def test_only_an_active_user_with_an_address_and_a_public_profile_is_public():
    for number, (is_active, public_profile, has_address) in enumerate(product([True, False], repeat=3)):
        User.objects.create(
            username=f"user {number}",
            btc_address=f"address{number}" if has_address else None,
            is_active=is_active,
            public_profile=public_profile,
        )
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT username FROM users WHERE {IS_PUBLIC}")
        in_sql = [username for (username,) in cursor.fetchall()]

    assert in_sql == ["user 0"]
    assert [user.username for user in User.objects.filter(PUBLIC)] == ["user 0"]
    assert [user.username for user in User.objects.all() if is_public(user)] == ["user 0"]
