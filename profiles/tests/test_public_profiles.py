"""Public profiles and statistics. All other users are answered like addresses that nobody has."""

import pytest
from django.db import OperationalError

from conftest import client_of, make_user
from profiles.models import EarnedBadge, GameState, User

pytestmark = pytest.mark.django_db

ADDRESS = "bc1q9vza2e8x573nczrlzms0wvx3gsqjx7vavgkx0l"
UNKNOWN = "bc1qqthe0hz8klx90e7stf6shclhsvqd5ly96pn53v"


@pytest.fixture
def miner(db):
    user = make_user("Satoshi", btc_address=ADDRESS, country_code="JP", created_at="2026-01-02T03:04:05Z")
    GameState.objects.filter(user=user).update(
        level=7, level_title="Hash Apprentice", badges_earned=2, best_difficulty=1.5e9, total_shares=4_000_000_000,
        blocks_found=1, current_streak=12,
    )  # fmt: skip
    for day, slug in enumerate(["first_share", "coop_founder"], start=1):
        EarnedBadge.objects.create(user=user, slug=slug, name=slug, earned_at=f"2026-02-0{day}T00:00:00Z")
    return user


def url(address, page="profile"):
    return f"/api/v1/users/{address}/{page}"


def test_profile(miner, client, django_assert_num_queries):
    with django_assert_num_queries(1):
        response = client.get(url(ADDRESS))

    assert response.json() == {
        "display_name": "Satoshi",
        "btc_address": ADDRESS,
        "level": 7,
        "level_title": "Hash Apprentice",
        "badges_earned": 2,
        "member_since": "2026-01-02T03:04:05Z",
        "country_code": "JP",
    }


def test_stats(miner, client, django_assert_num_queries):
    with django_assert_num_queries(1):
        response = client.get(url(ADDRESS, "stats"))

    assert response.json() == {
        "best_difficulty": 1.5e9,
        "total_shares": 4_000_000_000,
        "blocks_found": 1,
        "current_streak": 12,
        "badges": ["first_share", "coop_founder"],
    }


def test_a_newcomers_pages(client):
    make_user(btc_address=ADDRESS)

    profile = client.get(url(ADDRESS)).json()
    assert (profile["display_name"], profile["level"], profile["level_title"]) == ("Miner-bc1q9vza", 1, "Nocoiner")
    assert client.get(url(ADDRESS, "stats")).json()["badges"] == []


def test_the_flag_can_be_hidden(miner, client):
    User.objects.update(show_country_flag=False)

    assert client.get(url(ADDRESS)).json()["country_code"] is None


def test_capitals_of_a_qr_code(miner, client):
    assert client.get(url(ADDRESS.upper())).json()["btc_address"] == ADDRESS


@pytest.mark.parametrize("page", ["profile", "stats"])
@pytest.mark.parametrize("hidden", [{"public_profile": False}, {"is_active": False}])
def test_a_private_user_is_answered_as_an_address_nobody_has(miner, client, page, hidden, django_assert_num_queries):
    User.objects.update(**hidden)

    with django_assert_num_queries(1):
        private = client.get(url(ADDRESS, page))
    with django_assert_num_queries(1):
        absent = client.get(url(UNKNOWN, page))

    assert private.status_code == 404
    assert private.content == absent.content == b'{"detail":"Not found.","code":"not_found"}'
    assert private.headers == absent.headers


def test_a_private_user_is_answered_so_to_themselves_too(miner):
    """The public page shows what others see. Users see their own data at /users/me."""
    User.objects.update(public_profile=False)

    assert client_of(miner).get(url(ADDRESS)).status_code == 404


@pytest.mark.parametrize("address", ["x", "a" * 63, "a" * 5000, "%00", "bc1q%0A", "ä", "..", "1 2", "me"])
def test_a_text_that_is_no_address_is_not_found(client, address):
    for page in ("profile", "stats"):
        response = client.get(url(address, page))
        assert (response.status_code, response.json()["code"]) == (404, "not_found")


def test_staff_without_a_wallet_have_no_page(client):
    User.objects.create_superuser("root-admin", "correct horse battery")

    assert client.get(url("root-admin")).status_code == 404


def test_no_log_line_names_an_address(miner, client, caplog):
    User.objects.update(public_profile=False)
    client.get(url(ADDRESS))

    assert ADDRESS[:8] not in caplog.text


@pytest.mark.parametrize("error", [OperationalError, ZeroDivisionError])
def test_no_log_line_about_a_fault_names_an_address(client, monkeypatch, caplog, error):
    def fail(_):
        raise error

    monkeypatch.setattr("profiles.views.get_public_profile", fail)
    client.raise_request_exception = False

    assert client.get(f"/api/v1/users/{ADDRESS}/profile").status_code >= 500
    assert "/api/v1/users/<str:address>/profile" in caplog.text
    assert ADDRESS[:8] not in caplog.text
