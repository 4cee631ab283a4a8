"""Users see and change their own data and settings."""

import pytest

from conftest import client_of, make_user
from profiles.models import NotificationPreferences, User

pytestmark = pytest.mark.django_db

ME, SETTINGS = "/api/v1/users/me", "/api/v1/users/me/settings"
DEFAULTS = {
    "notifications": {
        "personalBest": True,
        "badgeEarned": True,
        "educationRecommendation": False,
        "worldCupMatch": True,
        "lotteryResults": True,
        "leaderboardChange": False,
        "blockFoundAny": False,
        "coopActivity": False,
        "inApp": True,
        "browserPush": False,
        "emailNotifications": False,
        "email": "",
        "emailConfirmed": False,
        "emailPaused": None,
    },
    "privacy": {
        "publicProfile": True,
        "showOnLeaderboard": True,
        "showCountryFlag": True,
        "showInCoopRankings": True,
    },
    "mining": {},
    "sound": {},
}


READ_ONLY = {"emailConfirmed": True, "emailPaused": "bounced"}


def test_me(alice):
    User.objects.update(created_at="2026-01-02T03:04:05Z")

    assert client_of(alice).get(ME).json() == {
        "id": str(alice.pk),
        "btc_address": alice.btc_address,
        "display_name": "Alice",
        "country_code": None,
        "member_since": "2026-01-02T03:04:05Z",
    }


def test_name_and_country_change(alice):
    client = client_of(alice)

    assert client.patch(ME, {"display_name": " Ally  A "}, format="json").json()["display_name"] == "Ally A"
    body = client.patch(ME, {"country_code": "de"}, format="json").json()
    assert (body["display_name"], body["country_code"]) == ("Ally A", "DE")
    body = client.patch(ME, {"display_name": None, "country_code": None}, format="json").json()
    assert (body["display_name"], body["country_code"]) == (f"Miner-{alice.btc_address[:8]}", None)


@pytest.mark.parametrize(
    "change",
    [
        {"display_name": ""}, {"display_name": " "}, {"display_name": "x" * 65}, {"display_name": 1},
        {"display_name": "a\x00"}, {"display_name": "\u202ea"}, {"country_code": "DEU"}, {"country_code": "D1"},
        {"country_code": 49}, {"country_code": "ẞẞ"}, {"display_name": "Fine", "country_code": "X"},
        {"display_name": "Al\u200dice"}, {"display_name": "Alice\ufe0f"}, {"display_name": "\u3164"},
        {"display_name": "Admin"}, {"display_name": "The Bitcoin Game"}, {"display_name": "Support"},
        {"display_name": "Miner-bc1qaaaa"}, {"display_name": "MINER bc1qAAAA"}, {"display_name": "Miner-1BoatSLR"},
    ],
)  # fmt: skip
def test_bad_names_and_countries(alice, change):
    response = client_of(alice).patch(ME, change, format="json")

    assert (response.status_code, response.json()["code"]) == (400, "invalid_input")
    alice.refresh_from_db()
    assert (alice.display_name, alice.country_code) == ("Alice", None)


def test_nobody_takes_a_fallback_name_and_everybody_may_keep_their_own(alice):
    make_user(btc_address="bc1q9vza2e8x573nczrlzms0wvx3gsqjx7vavgkx0l")
    own = f"Miner-{alice.btc_address[:8]}"
    client = client_of(alice)

    for others in ("Miner-bc1q9vza", "MINER-BC1Q9VZA", "miner bc1q9vza", "Miner\u2010bc1q9vza"):
        refused = client.patch(ME, {"display_name": others, "country_code": "DE"}, format="json")
        assert (refused.status_code, refused.json()["code"]) == (400, "invalid_input")
        assert refused.json()["errors"] == {"display_name": ["This is how miners without a name are called."]}
    kept = client.patch(ME, {"display_name": own}, format="json").json()

    assert (kept["display_name"], kept["country_code"]) == (own, None)


def test_settings_begin_with_the_defaults(alice):
    assert client_of(alice).get(SETTINGS).json() == DEFAULTS


def test_a_patch_keeps_what_it_leaves_out(alice):
    client = client_of(alice)

    client.patch(SETTINGS, {"privacy": {"publicProfile": False}}, format="json")
    change = {"notifications": {"coopActivity": True, "email": "alice@example.com"}}
    body = client.patch(SETTINGS, change, format="json").json()

    assert body == {
        "notifications": {**DEFAULTS["notifications"], "coopActivity": True, "email": "alice@example.com"},
        "privacy": {**DEFAULTS["privacy"], "publicProfile": False},
        "mining": {},
        "sound": {},
    }
    assert client.get(SETTINGS).json() == body


def test_no_address_is_an_empty_one(alice):
    assert client_of(alice).get(SETTINGS).json()["notifications"]["email"] == ""
    whole = client_of(alice).patch(SETTINGS, DEFAULTS, format="json")

    assert (whole.status_code, whole.json()) == (200, DEFAULTS)
    assert NotificationPreferences.objects.get(user=alice).email is None


@pytest.mark.parametrize("emptied", [None, ""])
def test_an_emptied_address_is_none(alice, emptied):
    client = client_of(alice)
    client.patch(SETTINGS, {"notifications": {"email": "alice@example.com"}}, format="json")

    client.patch(SETTINGS, {"notifications": {"email": emptied}}, format="json")

    assert client.get(SETTINGS).json() == DEFAULTS


def test_others_settings_stay(alice, bob):
    client_of(alice).patch(SETTINGS, {"notifications": {"inApp": False}}, format="json")

    assert client_of(bob).get(SETTINGS).json() == DEFAULTS


@pytest.mark.parametrize(
    "change",
    [
        {"notifications": {"inApp": "false"}},
        {"notifications": {"inApp": 0}},
        {"notifications": {"inApp": None}},
        {"notifications": {"email": "not an address"}},
        {"notifications": {"email": 7}},
        {"notifications": {"email": "a" * 250 + "@example.com"}},
        {"notifications": {"email": "alice@localhost"}},
        {"notifications": {"in_app": False}},
        {"notifications": [1]},
        {"privacy": {"publicProfile": False, "typo": True}},
        {"privacy": None},
        {"theme": {"dark": True}},
        [1, 2],
        "x",
    ],
)
def test_bad_settings_change_nothing(alice, change):
    response = client_of(alice).patch(SETTINGS, change, format="json")

    assert (response.status_code, response.json()["code"]) == (400, "invalid_input")
    assert isinstance(response.json()["detail"], str)
    assert client_of(alice).get(SETTINGS).json() == DEFAULTS


def test_what_one_got_may_be_sent_back(alice):
    """Dashboards send whole sections. What only we decide is not taken from them."""
    client = client_of(alice)
    client.patch(SETTINGS, {"notifications": {"email": "alice@example.com"}}, format="json")
    body = client.get(SETTINGS).json()

    assert client.patch(SETTINGS, body, format="json").json() == body
    changed = {"notifications": {**body["notifications"], **READ_ONLY}}
    assert client.patch(SETTINGS, changed, format="json").json() == body
    assert client.get(SETTINGS).json() == body


def test_settings_are_ones_own(client, db):
    for path in (ME, SETTINGS):
        assert client.get(path).status_code == 401
        assert client.patch(path, {}, content_type="application/json").status_code == 401


def test_each_preference_has_its_key():
    fields = [field for field in NotificationPreferences._meta.fields if field.editable and not field.primary_key]
    assert len(fields) == len(DEFAULTS["notifications"]) - len(READ_ONLY)
