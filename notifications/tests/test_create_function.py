"""The function create_notifications knows every switch and every type that Python knows, and refuses any other."""

import pytest
from django.db import DataError

from notifications.kinds import CATALOGUE, Kind
from notifications.models import TYPES, Notification, NotificationCounter
from notifications.tests.people import assert_counters_equal_rows, counter, prefer, seqs, tell
from profiles.models import NotificationPreferences

pytestmark = pytest.mark.django_db

# These fields say how a user is notified. Each other field is the switch of some kinds.
WAYS = {"user", "in_app", "browser_push", "email_notifications", "email", "email_state", "email_state_at"}
FIELDS = [field.name for field in NotificationPreferences._meta.concrete_fields]
SWITCHES = [name for name in FIELDS if name not in WAYS]


@pytest.fixture
def make_kind(monkeypatch):
    """Puts a kind called made_up into the catalogue, of any type and with any switch."""

    def make(*, type="system", preference=None):
        kind = Kind(type, "Made up", "", "/dashboard", "Look", preference=preference)
        monkeypatch.setitem(CATALOGUE, "made_up", kind)

    return make


def assert_refused(*users, match):
    before = list(NotificationCounter.objects.order_by("user_id").values())
    with pytest.raises(DataError, match=match):
        tell(*users, kind="made_up", cause="x")
    assert not Notification.objects.exists()
    assert list(NotificationCounter.objects.order_by("user_id").values()) == before


def test_each_field_of_the_preferences_is_a_way_or_the_switch_of_a_kind():
    assert set(FIELDS) >= WAYS
    assert {kind.preference for kind in CATALOGUE.values()} == {None, *SWITCHES}


@pytest.mark.parametrize("switch", SWITCHES)
def test_each_switch_is_the_one_it_is_called_by(alice, bob, make_kind, switch):
    make_kind(preference=switch)
    others = [name for name in SWITCHES if name != switch]
    prefer(alice, **dict.fromkeys(others, False), **{switch: True})
    prefer(bob, **dict.fromkeys(others, True), **{switch: False})
    assert tell(alice, bob, kind="made_up", cause="x") == 1
    assert (seqs(alice), seqs(bob)) == ([1], [])


@pytest.mark.parametrize("switch", [*sorted(WAYS), "user_id", "weather", "Personal_Best", " "])
def test_an_unknown_switch_is_refused_and_stores_nothing(alice, bob, make_kind, switch):
    make_kind(preference=switch)
    prefer(bob, in_app=False)
    for users in [(alice,), (bob,), (alice, bob)]:
        assert_refused(*users, match=f"there is no switch in notification_preferences called '{switch}'")


def test_every_type_is_the_type_of_a_kind():
    assert {kind.type for kind in CATALOGUE.values()} == set(TYPES)


@pytest.mark.parametrize("type", TYPES)
def test_each_type_is_counted_in_its_place(alice, make_kind, type):
    make_kind(type=type)
    assert tell(alice, kind="made_up", cause="x") == 1
    ones = [int(name == type) for name in TYPES]
    row = NotificationCounter.objects.get(user=alice)
    assert (row.stored_by_type, row.unread_by_type) == (ones, ones)
    assert_counters_equal_rows()


@pytest.mark.parametrize(
    ("type", "said"), [("weather", "'weather'"), ("", "''"), ("Mining", "'Mining'"), (None, "NULL")]
)
def test_an_unknown_type_is_refused_and_stores_nothing(alice, bob, make_kind, type, said):
    make_kind(type=type)
    prefer(bob, in_app=False)
    for users in [(alice,), (bob,), (alice, bob)]:
        assert_refused(*users, match=f"there is no type of notification called {said}")


def test_a_refusal_leaves_the_function_usable(alice, make_kind):
    make_kind(preference="weather")
    assert_refused(alice, match="no switch")
    assert tell(alice, cause="y") == 1
    assert counter(alice) == (1, 1)
