"""Users learn what others do to their seat and their cooperative, with the preferences that everybody begins with."""

import pytest

from bitcoingame.staff import accounts
from conftest import client_of, make_cooperative
from notifications.kinds import CATALOGUE
from notifications.models import Notification
from notifications.preferences import default_preferences
from profiles.models import NotificationPreferences, User
from social import moderation
from social.tests.test_cooperatives_api import URL

pytestmark = pytest.mark.django_db

REASON = "Reported by three members."
ADMIN = "You are now the admin of Pirates."
MEMBER = "Pirates has been handed over: you are now a member of it."
DISSOLVED = "Pirates has been dissolved by our staff, and your seat with it."
SUSPENDED = "Pirates has been suspended by our staff. You keep your seat and may leave."
RESTORED = "Pirates is active again."
REMOVED = "You were removed from Pirates."


@pytest.fixture
def mona(db):
    return User.objects.create_staff("mona")


@pytest.fixture
def pirates(alice, bob, charlie):
    assert default_preferences()["coopActivity"] is False
    cooperative = make_cooperative(alice, bob, charlie, name="Pirates")
    assert not Notification.objects.exists()
    return cooperative


def told(*users):
    """What each of the users was told: the descriptions, in order."""
    return [
        list(Notification.objects.filter(user=u).order_by("seq").values_list("description", flat=True)) for u in users
    ]


def act(mona, cooperative, action, **arguments):
    action(staff=mona, reason=REASON, cooperative_id=cooperative.pk, **arguments)


def test_the_heir_learns_that_they_are_admin_now(pirates, alice, bob, charlie):
    client_of(alice).post(f"{URL}/leave")

    assert told(alice, bob, charlie) == [[], [ADMIN], []]
    row = client_of(bob).get("/api/v1/notifications").json()["notifications"][0]
    assert (row["type"], row["subtype"], row["title"], row["action_url"], row["action_label"]) == (
        "social",
        "coop_seat_changed",
        "Your Cooperative Has Changed",
        "/coop",
        "View cooperative",
    )


@pytest.mark.parametrize("end", [accounts.suspend_user, accounts.delete_account])
def test_the_heir_of_a_closed_account_learns_of_it(mona, pirates, alice, bob, charlie, end):
    mona.is_superuser = True
    end(staff=mona, reason=REASON, user_id=alice.pk)

    assert told(bob, charlie) == [[ADMIN], []]


def test_both_learn_of_a_hand_over(mona, pirates, alice, bob, charlie):
    act(mona, pirates, moderation.hand_over, user_id=charlie.pk)

    assert told(alice, bob, charlie) == [[MEMBER], [], [ADMIN]]


def test_the_removed_and_the_heir_learn_of_a_removal_by_staff(mona, pirates, alice, bob, charlie):
    act(mona, pirates, moderation.remove_member, user_id=alice.pk)

    assert told(alice, bob, charlie) == [[REMOVED], [ADMIN], []]
    assert set(Notification.objects.filter(user=alice).values_list("subtype", flat=True)) == {"coop_removed"}


def test_all_learn_of_suspension_and_restoration(mona, pirates, alice, bob, charlie):
    act(mona, pirates, moderation.suspend_cooperative)
    act(mona, pirates, moderation.restore_cooperative)

    assert told(alice, bob, charlie) == [[SUSPENDED, RESTORED]] * 3


def test_all_learn_of_a_dissolution_by_staff(mona, pirates, alice, bob, charlie):
    act(mona, pirates, moderation.dissolve_cooperative)

    assert told(alice, bob, charlie) == [[DISSOLVED]] * 3


def test_other_news_of_a_cooperative_wait_for_the_switch(mona, pirates, alice, bob):
    NotificationPreferences.objects.filter(user=bob).update(coop_activity=True)

    act(mona, pirates, moderation.rename_cooperative, name="Sailors")
    act(mona, pirates, moderation.regenerate_invite_code)

    assert told(alice) == [[]]
    assert set(Notification.objects.values_list("user_id", "subtype")) == {(bob.pk, "coop_activity")}
    assert len(told(bob)[0]) == 2


def test_in_app_off_is_off(mona, pirates, alice, bob, charlie):
    NotificationPreferences.objects.filter(user=bob).update(in_app=False)

    act(mona, pirates, moderation.suspend_cooperative)

    assert told(alice, bob, charlie) == [[SUSPENDED], [], [SUSPENDED]]


def test_nobody_is_told_of_their_own_deed(alice, bob):
    cooperative = make_cooperative(alice, bob, name="Pirates")

    client_of(bob).post(f"{URL}/leave")
    client_of(alice).put(f"{URL}/{cooperative.pk}", {"name": "Sailors"}, format="json")
    client_of(alice).post(f"{URL}/{cooperative.pk}/regenerate-code")
    client_of(alice).delete(f"{URL}/{cooperative.pk}")

    assert told(alice, bob) == [[], []]


def test_every_variant_is_walked_here():
    assert set(CATALOGUE["coop_seat_changed"].descriptions.values()) == {
        text.replace("Pirates", "{cooperative}") for text in (ADMIN, MEMBER, DISSOLVED, SUSPENDED, RESTORED)
    }
    assert CATALOGUE["coop_seat_changed"].preference is None
