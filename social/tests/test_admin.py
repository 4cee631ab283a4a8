"""Staff work in the admin: they find, act with a reason, and read what was done and what was refused."""

import pytest
from django.contrib.messages import get_messages
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from bitcoingame.core.staff import pages
from conftest import make_cooperative, make_user, moderators
from profiles.models import AuditEntry, User
from social import moderation, services
from social.models import Cooperative, UserActivity

pytestmark = pytest.mark.django_db

COOPERATIVES = "/admin/social/cooperative/"
USERS = "/admin/profiles/user/"
ACTIVITY = "/admin/social/useractivity/"


@pytest.fixture
def mona(db):
    moderator = User.objects.create_staff("mona")
    moderator.groups.add(moderators())
    return moderator


@pytest.fixture
def desk(mona):
    client = Client()
    client.force_login(mona, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def pirates(alice, bob):
    return make_cooperative(alice, bob, name="Pirates")


def act(desk, where, action, *pks, reason="Reported.", **values):
    ids = ",".join(map(str, pks))
    return desk.post(f"{where}act/{action}/?ids={ids}", {"reason": reason, **values})


def said(response):
    return [str(message) for message in get_messages(response.wsgi_request)]


def rows_of(response):
    return [str(row) for row in response.context["cl"].result_list]


def test_every_action_on_a_cooperative_reaches_its_service(desk, pirates, alice, bob):
    target = f"{COOPERATIVES}{pirates.pk}/change/"
    code = pirates.invite_code

    def do(action, **values):
        response = act(desk, COOPERATIVES, action, pirates.pk, **values)
        assert (response.status_code, response["Location"]) == (302, target)
        pirates.refresh_from_db()
        return said(response)[-1]

    assert do("rename", name="  Kind   Pirates ") == "Renamed: Pirates."
    assert pirates.name == "Kind Pirates"
    assert do("new-code") == "Given a new code: Kind Pirates."
    assert pirates.invite_code != code
    assert do("hand-over", user_id=bob.pk) == "Handed over: Kind Pirates."
    assert pirates.owner_id == bob.pk
    assert do("suspend") == "Suspended: Kind Pirates."
    assert pirates.is_suspended
    assert do("restore") == "Restored: Kind Pirates."
    assert pirates.is_active
    assert do("remove-member", user_id=alice.pk) == "A member was removed from: Kind Pirates."
    assert pirates.member_count == 1
    assert do("dissolve") == "Dissolved: Kind Pirates."
    assert pirates.is_dissolved
    assert list(AuditEntry.objects.order_by("pk").values_list("staff_name", "action", "reason")) == [
        ("mona", action, "Reported.")
        for action in (
            "rename_cooperative",
            "regenerate_invite_code",
            "hand_over",
            "suspend_cooperative",
            "restore_cooperative",
            "remove_member",
            "dissolve_cooperative",
        )
    ]


def test_a_user_is_suspended_restored_and_gone(desk, pirates, alice):
    assert said(act(desk, USERS, "suspend", alice.pk)) == ["Suspended: Alice."]
    alice.refresh_from_db()
    assert not alice.is_active
    assert said(act(desk, USERS, "restore", alice.pk))[-1] == "Restored: Alice."

    ada = Client()
    ada.force_login(User.objects.create_superuser("ada"), backend="django.contrib.auth.backends.ModelBackend")
    response = act(ada, USERS, "delete", alice.pk)

    assert response["Location"] == USERS
    assert not User.objects.filter(pk=alice.pk).exists()
    assert ada.get("/admin/profiles/auditentry/").status_code == 200


def test_many_rows_report_what_was_done_and_what_was_refused(desk, pirates, charlie):
    ghosts = make_cooperative(charlie, name="Ghosts")
    moderation.suspend_cooperative(staff=User.objects.get(username="mona"), reason="x", cooperative_id=ghosts.pk)

    response = act(desk, COOPERATIVES, "suspend", pirates.pk, ghosts.pk)

    assert response["Location"] == COOPERATIVES
    assert sorted(said(response)) == ["Ghosts: This cooperative is suspended already.", "Suspended: Pirates."]
    assert AuditEntry.objects.filter(action="suspend_cooperative").count() == 2


def test_ticked_rows_lead_to_the_confirmation(desk, pirates, charlie):
    ghosts = make_cooperative(charlie, name="Ghosts")
    ticked = {"action": "suspend", "_selected_action": [pirates.pk, ghosts.pk], "index": 0}

    response = desk.post(COOPERATIVES, ticked, follow=True)

    assert response.status_code == 200
    assert {str(target) for target in response.context["targets"]} == {"Pirates", "Ghosts"}
    assert not Cooperative.objects.filter(is_active=False).exists()


@pytest.mark.parametrize("reason", ["", "   ", "two\nlines\u0007", "x" * 501])
def test_without_a_reason_the_form_comes_back(desk, pirates, reason):
    response = act(desk, COOPERATIVES, "suspend", pirates.pk, reason=reason)

    assert response.status_code == 200
    assert response.context["form"].errors["reason"]
    assert Cooperative.objects.get().is_active
    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize(
    "name", ["", "x", "x" * 65, "tab\there\u0000", "\u202edrow", "Pir\u200dates", "Official Staff"]
)
def test_a_name_is_as_good_as_one_from_the_api(desk, pirates, name):
    response = act(desk, COOPERATIVES, "rename", pirates.pk, name=name)

    assert response.status_code == 200
    assert response.context["form"].errors["name"]
    assert Cooperative.objects.get().name == "Pirates"


@pytest.mark.parametrize("ids", ["", "x", "1,,2", "0", "9" * 30, "1;DROP", "-5"])
def test_nonsense_for_rows_is_a_message(desk, pirates, ids):
    response = desk.get(f"{COOPERATIVES}act/suspend/?ids={ids}")

    assert (response.status_code, response["Location"]) == (302, COOPERATIVES)
    assert len(said(response)) == 1


def test_one_more_than_a_hundred_rows_is_too_many(desk, pirates):
    response = act(desk, COOPERATIVES, "suspend", *range(pirates.pk, pirates.pk + 101))

    assert said(response) == ["Choose from 1 to 100 rows."]
    assert Cooperative.objects.get().is_active


def test_renaming_takes_one_row(desk, pirates):
    assert said(act(desk, COOPERATIVES, "rename", pirates.pk, pirates.pk + 1)) == ["Choose one row."]


def test_only_members_can_be_chosen(desk, pirates, charlie):
    response = act(desk, COOPERATIVES, "hand-over", pirates.pk, user_id=charlie.pk)

    assert response.status_code == 200
    assert response.context["form"].errors["user_id"]
    assert not AuditEntry.objects.exists()


def test_a_cooperative_shows_its_members_and_what_staff_did(desk, mona, pirates, bob):
    moderation.rename_cooperative(staff=mona, reason="Rude <b>.", cooperative_id=pirates.pk, name="Sailors")

    page = desk.get(f"{COOPERATIVES}{pirates.pk}/change/").content.decode()

    for expected in ("Alice", "Bob", "Rude &lt;b&gt;.", "old name: Pirates", f"{USERS}{bob.pk}/change/", "Make admin"):
        assert expected in page


def test_cooperatives_are_found_by_name_code_and_id(desk, pirates, charlie):
    make_cooperative(charlie, name="Ghosts")

    for term in ("pirat", "PIRATES", pirates.invite_code, f" {pirates.invite_code.lower()} ", str(pirates.pk)):
        assert "Pirates" in rows_of(desk.get(COOPERATIVES, {"q": term})), term
    assert rows_of(desk.get(COOPERATIVES, {"q": "pirat"})) == ["Pirates"]
    assert rows_of(desk.get(COOPERATIVES, {"q": "%"})) == []


def test_users_are_found_by_name_address_and_id(desk, alice, bob):
    for term in ("ali", "ALICE", alice.btc_address, alice.btc_address.upper(), str(alice.pk)):
        assert "Alice" in rows_of(desk.get(USERS, {"q": term})), term
    assert rows_of(desk.get(USERS, {"q": "ali"})) == ["Alice"]
    assert rows_of(desk.get(USERS, {"q": "_lice"})) == []


def test_activity_is_found_by_its_user(desk, pirates, alice):
    found = desk.get(ACTIVITY, {"q": "alice"})

    assert [row.user_id for row in found.context["cl"].result_list] == [alice.pk]
    assert desk.get(ACTIVITY, {"q": "nobody"}).context["cl"].result_count == 0
    assert desk.get(ACTIVITY).context["cl"].result_count == UserActivity.objects.count()


def test_lists_filter_by_state_and_seat(desk, mona, pirates, alice, charlie):
    ghosts = make_cooperative(charlie, name="Ghosts")
    moderation.suspend_cooperative(staff=mona, reason="x", cooperative_id=ghosts.pk)
    ended = make_user("Dora")
    make_cooperative(ended, name="Ended")
    services.leave_cooperative(user=ended)

    states = {
        state: rows_of(desk.get(COOPERATIVES, {"state": state})) for state in ("active", "suspended", "dissolved")
    }
    assert states == {"active": ["Pirates"], "suspended": ["Ghosts"], "dissolved": ["Ended"]}
    assert rows_of(desk.get(COOPERATIVES, {"state": "full"})) == []
    assert sorted(rows_of(desk.get(USERS, {"seat": "admin"}))) == ["Alice", "Charlie"]
    assert rows_of(desk.get(USERS, {"seat": "member"})) == ["Bob"]


PAGES = [
    "social/cooperative",
    "profiles/user",
    "social/useractivity",
    "profiles/auditentry",
    "notifications/notification",
]


def test_a_list_takes_as_many_queries_for_many_rows_as_for_few(desk, mona):
    def found_and_suspended():
        cooperative = make_cooperative(make_user(), make_user())
        moderation.suspend_cooperative(staff=mona, reason="x", cooperative_id=cooperative.pk)

    def queries_of(page):
        with CaptureQueriesContext(connection) as queries:
            assert desk.get(f"/admin/{page}/").status_code == 200
        return len(queries)

    found_and_suspended()
    desk.get("/admin/")
    few = {page: queries_of(page) for page in PAGES}
    for _ in range(8):
        found_and_suspended()
    assert few == {page: queries_of(page) for page in PAGES}
    assert max(few.values()) < 15


def test_a_list_counts_no_further_than_its_bound(desk, monkeypatch):
    monkeypatch.setattr(pages, "MAX_COUNTED", 3)
    for _ in range(5):
        make_user()

    page = desk.get(USERS)

    assert page.context["cl"].result_count == 3


def test_everybodys_activity_is_of_recent_rows(desk, monkeypatch, pirates, alice):
    monkeypatch.setattr(pages, "RECENT_ROWS", 1)
    newest = UserActivity.objects.order_by("-pk").first()

    assert list(desk.get(ACTIVITY).context["cl"].result_list) == [newest]
    assert len(desk.get(ACTIVITY, {"q": "alice"}).context["cl"].result_list) == 1
    assert list(desk.get(ACTIVITY, {"activity_type": "coop_created"}).context["cl"].result_list) == []
    assert list(desk.get(ACTIVITY, {"activity_type": "nonsense"}).context["cl"].result_list) == [newest]


def test_the_start_page_counts_today(desk, mona, pirates):
    cache.clear()
    moderation.suspend_cooperative(staff=mona, reason="x", cooperative_id=pirates.pk)

    page = desk.get("/admin/")

    figures = {figure.title: figure.value for figure in page.context["figures"]}
    assert figures == {
        "New users": 2,
        "New cooperatives": 1,
        "Miners online": 0,
        "Suspended cooperatives": 1,
        "Events set aside": 0,
        "Jobs overdue": 0,
    }
    assert "Growth, day by day" in page.content.decode()
