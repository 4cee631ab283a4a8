"""What users are called and how addresses are written: Python, SQL and searches give the same answer."""

import pytest
from django.db import connection

from conftest import client_of, make_user
from profiles.models import User
from profiles.names import SHOWN_NAME, as_stored, shown_name
from profiles.searching import find_users
from profiles.sign_in.addresses import normalize_address

pytestmark = pytest.mark.django_db

BECH32 = "bc1q9vza2e8x573nczrlzms0wvx3gsqjx7vavgkx0l"
BASE58 = "1F3sAm6ZtwLAUnj7d38pGFxtP3RVEvtsbV"


@pytest.mark.parametrize(
    ("display_name", "expected"),
    [("Satoshi", "Satoshi"), (None, "Miner-bc1q9vza"), ("", "Miner-bc1q9vza"), ("Miner-", "Miner-")],
)
def test_a_miner_has_one_name(display_name, expected):
    user = make_user(display_name, btc_address=BECH32)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {SHOWN_NAME} FROM users WHERE id = %s", [user.pk])
        [(in_sql,)] = cursor.fetchall()

    assert [in_sql, shown_name(display_name, BECH32), user.shown_name, str(user)] == [expected] * 4


def test_staff_without_a_wallet_go_by_the_name_they_sign_in_with():
    assert User.objects.create_staff("warden").shown_name == "warden"


def test_the_name_of_a_miner_needs_no_other_column(django_assert_num_queries):
    user = User.objects.only("btc_address", "display_name").get(pk=make_user(None, btc_address=BECH32).pk)

    with django_assert_num_queries(0):
        assert user.shown_name == "Miner-bc1q9vza"


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        (BECH32, BECH32),
        (BECH32.upper(), BECH32),
        (BECH32.capitalize(), BECH32),
        ("BC1", "bc1"),
        (BASE58, BASE58),
        (BASE58.upper(), BASE58.upper()),
        ("BC", "BC"),
        ("", ""),
    ],
)
def test_an_address_has_one_spelling(written, stored):
    assert as_stored(written) == stored


@pytest.mark.parametrize("write", [str, str.upper])
def test_each_way_in_knows_an_address_in_capitals(write):
    user = make_user("Satoshi", btc_address=BECH32)
    written = write(BECH32)

    assert client_of(None).get(f"/api/v1/users/{written}/profile").json()["btc_address"] == BECH32
    assert normalize_address(written) == BECH32
    assert list(find_users(User.objects.all(), written[:10])) == [user]
