"""Which users are notified of what happens in a cooperative, and which are not."""

import pytest

from conftest import client_of, make_cooperative
from notifications.models import Notification
from profiles.models import NotificationPreferences
from social.tests.test_cooperatives_api import URL

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def everyone_wants_news(alice, bob, charlie):
    NotificationPreferences.objects.update(coop_activity=True)


def told(user):
    rows = Notification.objects.filter(user=user).order_by("seq")
    return list(rows.values_list("subtype", "title", "description", "action_url"))


def test_members_learn_of_a_newcomer_and_the_newcomer_does_not(alice, bob, charlie):
    cooperative = make_cooperative(alice, bob, name="Pirates")
    Notification.objects.all().delete()

    client_of(charlie).post(f"{URL}/join", {"invite_code": cooperative.invite_code}, format="json")

    news = ("coop_member_joined", "New Member Joined", "Charlie joined Pirates.", "/coop")
    assert (told(alice), told(bob), told(charlie)) == ([news], [news], [])


def test_the_removed_learns_of_it(alice, bob):
    cooperative = make_cooperative(alice, bob, name="Pirates")
    Notification.objects.all().delete()

    client_of(alice).post(f"{URL}/{cooperative.pk}/remove-member", {"user_id": str(bob.pk)}, format="json")

    assert told(bob) == [("coop_removed", "Removed from Cooperative", "You were removed from Pirates.", "/coop")]
    assert told(alice) == []


def test_the_heir_learns_of_it(alice, bob, charlie):
    make_cooperative(alice, bob, charlie, name="Pirates")
    Notification.objects.all().delete()

    client_of(alice).post(f"{URL}/leave")

    assert told(bob) == [
        ("coop_seat_changed", "Your Cooperative Has Changed", "You are now the admin of Pirates.", "/coop")
    ]
    assert told(alice) == told(charlie) == []


@pytest.mark.parametrize("way", ["leave", "dissolve"])
def test_nobody_is_told_of_their_own_deed(alice, way):
    cooperative = make_cooperative(alice, name="Pirates")

    if way == "leave":
        assert client_of(alice).post(f"{URL}/leave").status_code == 200
    else:
        assert client_of(alice).delete(f"{URL}/{cooperative.pk}").status_code == 204

    assert told(alice) == []


def test_a_refused_action_tells_nobody(alice, bob, charlie):
    cooperative = make_cooperative(alice, bob)
    Notification.objects.all().delete()

    client_of(bob).post(f"{URL}/join", {"invite_code": cooperative.invite_code}, format="json")
    client_of(bob).post(f"{URL}/{cooperative.pk}/remove-member", {"user_id": str(alice.pk)}, format="json")
    client_of(alice).post(f"{URL}/{cooperative.pk}/remove-member", {"user_id": str(charlie.pk)}, format="json")
    client_of(charlie).post(f"{URL}/leave")

    assert not Notification.objects.exists()


def test_a_user_who_switched_it_off_is_not_notified(alice, bob):
    NotificationPreferences.objects.filter(user=alice).update(coop_activity=False)

    make_cooperative(alice, bob)

    assert told(alice) == []
