"""Who may open which page of the admin. The tests try every address as every sort of visitor."""

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import URLPattern, URLResolver

from bitcoingame.staff.users import UserAdmin
from conftest import make_cooperative, moderators
from notifications.models import Broadcast, Notification
from profiles.models import AuditEntry, NotificationPreferences, StaffAccount, User
from social import moderation
from social.admin import CooperativeAdmin
from social.models import Cooperative, CooperativeMember, UserActivity

pytestmark = pytest.mark.django_db

OPEN_TO_ALL = {"login", "logout"}
FOR_ALL_STAFF = {"index", "password_change", "password_change_done", "jsi18n", "search"}
FOR_MODERATORS = {
    f"{model}_{page}"
    for model in (
        "social_cooperative",
        "social_useractivity",
        "profiles_user",
        "profiles_auditentry",
        "notifications_notification",
        "notifications_broadcast",
    )
    for page in ("changelist", "change", "history")
} | {"app_list", "social_cooperative_act", "profiles_user_act"}
# The services create and delete these rows, so nobody does it in the admin.
FOR_NOBODY = {
    f"{model}_{page}"
    for model in (
        "social_cooperative",
        "social_useractivity",
        "profiles_user",
        "profiles_auditentry",
        "notifications_notification",
        "bitcoingame_setasideevent",
        "django_rq_dashboard",
    )
    for page in ("add", "delete")
} | {"notifications_broadcast_delete", "profiles_staffaccount_delete"}


def admin_patterns(patterns=None):
    for pattern in admin.site.urls[0] if patterns is None else patterns:
        if isinstance(pattern, URLResolver):
            yield from admin_patterns(pattern.url_patterns)
        elif isinstance(pattern, URLPattern) and pattern.name:
            yield pattern.name


@pytest.fixture
def world(alice, bob, charlie):
    """One row for each model that has pages, by the model's name in URL patterns; and one visitor of each sort."""
    ada = User.objects.create_superuser("ada", "a long enough password", display_name="Ada")
    mona = User.objects.create_staff("mona", "a long enough password")
    mona.groups.add(moderators())
    pirates = make_cooperative(alice, bob, name="Pirates")
    NotificationPreferences.objects.filter(user=alice).update(email="alice@example.com")
    moderation.rename_cooperative(staff=mona, reason="Rude.", cooperative_id=pirates.pk, name="Sailors")
    broadcast = Broadcast.objects.create(cause="c", kind="maintenance", title="Scheduled Maintenance", description="-")
    from bitcoingame.models import SetAsideEvent

    event = SetAsideEvent.objects.create(stream="mining:block_found", entry="1-1", event="x", reason="No height.")
    return {
        "clients": {
            "anonymous": Client(),
            "ordinary": signed_in(charlie),
            "moderator": signed_in(mona),
            "superuser": signed_in(ada),
        },
        "objects": {
            "social_cooperative": pirates.pk,
            "social_useractivity": UserActivity.objects.first().pk,
            "profiles_user": alice.pk,
            "profiles_auditentry": AuditEntry.objects.first().pk,
            "profiles_staffaccount": mona.pk,
            "notifications_notification": Notification.objects.first().pk
            if Notification.objects.exists()
            else make_notification(alice),
            "notifications_broadcast": broadcast.pk,
            "bitcoingame_setasideevent": event.pk,
            "django_rq_dashboard": 1,
        },
    }


def make_notification(user):
    row = Notification.objects.create(user=user, seq=1, type="system", subtype="welcome", title="Welcome")
    return row.pk


def signed_in(user):
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def address_of(name, objects):
    """The path of a URL pattern, by its name. Pages of actions and of the queue have no row in their path."""
    from django.urls import NoReverseMatch, reverse

    model = name.rsplit("_", 1)[0]
    if name.startswith("profiles_staffaccount"):
        model = "profiles_staffaccount"
    for arguments in (
        [],
        [objects.get(model, 0)],
        ["social"],
        ["suspend"],
        [0, "none"],
        [0, 0],
        ["none", 0],
        ["none", 0, "none"],
        [0, "none", "none"],
        [0, 0, "none"],
    ):
        try:
            path = reverse(f"admin:{name}", args=arguments)
        except NoReverseMatch:
            continue
        return f"{path}?ids={objects[model]}" if name.endswith("_act") else path
    raise AssertionError(f"No address for {name}")


def expected(name, who):
    """What a GET must bring: the page, a redirect to the sign-in, or a refusal."""
    if name in OPEN_TO_ALL:
        return "any"
    if who in ("anonymous", "ordinary"):
        return "sign-in"
    if name in FOR_NOBODY:
        return "refused"
    if who == "superuser" or name in FOR_ALL_STAFF or name in FOR_MODERATORS:
        return "served"
    return "refused"


def outcome(response):
    if response.status_code == 302 and "/admin/login/" in response["Location"]:
        return "sign-in"
    return "refused" if response.status_code == 403 else "served"


def test_every_address_for_everybody(world):
    names = sorted(set(admin_patterns()) - {"autocomplete", "view_on_site"})
    assert len(names) > 40
    wrong = []
    for name in names:
        path = address_of(name, world["objects"])
        for who, client in world["clients"].items():
            if name == "logout":
                continue
            response = client.get(path)
            assert response.status_code < 500, (name, who)
            if expected(name, who) not in ("any", outcome(response)):
                wrong.append((name, who, response.status_code, expected(name, who)))
    assert not wrong, wrong


@pytest.mark.parametrize(("model", "actions"), [("social_cooperative", CooperativeAdmin), ("profiles_user", UserAdmin)])
def test_every_action_for_everybody(world, model, actions):
    """Outsiders are sent to the sign-in, staff without the permission are refused, and no row changes."""
    app, name = model.split("_")
    before = state()
    for action in actions.staff_actions:
        path = f"/admin/{app}/{name}/act/{action.name}/?ids={world['objects'][model]}"
        for who in ("anonymous", "ordinary"):
            response = world["clients"][who].post(path, {"reason": "Because."})
            assert outcome(response) == "sign-in"
        is_for_moderators = "moderate" in action.permission
        asked = world["clients"]["moderator"].get(path)
        assert asked.status_code == (200 if is_for_moderators else 403)
        if not is_for_moderators:
            assert world["clients"]["moderator"].post(path, {"reason": "Because."}).status_code == 403
        assert world["clients"]["superuser"].get(path).status_code == 200
    assert state() == before


def state():
    return [
        list(Cooperative.objects.order_by("pk").values()),
        list(CooperativeMember.objects.order_by("pk").values()),
        list(User.objects.order_by("pk").values("pk", "is_active")),
        AuditEntry.objects.count(),
    ]


@pytest.mark.parametrize("page", ["changelist", "change"])
@pytest.mark.parametrize(
    "model",
    ["social_cooperative", "social_useractivity", "profiles_user", "profiles_auditentry", "notifications_notification"],
)
def test_nothing_can_be_typed_in(world, model, page):
    """The page has no field to save, and a posted form changes nothing, even for a superuser."""
    path = address_of(f"{model}_{page}", world["objects"])
    before = state()
    client = world["clients"]["superuser"]

    assert b'name="_save"' not in client.get(path).content
    client.post(
        path, {"name": "Typed", "member_count": 21, "invite_code": "AAAAAAAA", "is_active": "", "_save": "Save"}
    )

    assert state() == before


def test_moderators_see_no_e_mail_and_superusers_a_masked_one(world):
    path = address_of("profiles_user_change", world["objects"])

    assert b"example.com" not in world["clients"]["moderator"].get(path).content
    page = world["clients"]["superuser"].get(path).content.decode()
    assert "a•••@example.com (unconfirmed)" in page
    assert "alice@example.com" not in page


def test_moderators_do_not_see_miners_who_are_staff(world, bob):
    User.objects.filter(pk=bob.pk).update(is_staff=True)
    path = f"/admin/profiles/user/{bob.pk}/change/"

    assert world["clients"]["moderator"].get(path).status_code == 302
    assert world["clients"]["superuser"].get(path).status_code == 200
    act = world["clients"]["moderator"].post(f"/admin/profiles/user/act/suspend/?ids={bob.pk}", {"reason": "Because."})
    assert act.status_code == 302
    bob.refresh_from_db()
    assert bob.is_active


def test_moderators_do_not_see_what_miners_who_are_staff_were_told(world, alice):
    note = Notification.objects.filter(user=alice).first()
    note = note.pk if note else make_notification(alice)
    User.objects.filter(pk=alice.pk).update(is_staff=True)

    path = f"/admin/notifications/notification/{note}/change/"
    assert world["clients"]["moderator"].get(path).status_code == 302
    assert world["clients"]["superuser"].get(path).status_code == 200
    lists = {
        who: world["clients"][who].get(f"/admin/notifications/notification/?q={alice.pk}").context["cl"].result_count
        for who in ("moderator", "superuser")
    }
    assert lists == {"moderator": 0, "superuser": Notification.objects.filter(user=alice).count()}


@pytest.mark.parametrize(
    "address",
    [
        "profiles/user/?password__startswith=!",
        "profiles/user/?is_superuser=1",
        "social/cooperative/?name__regex=(",
        "social/cooperative/?motto__contains=%00",
        "social/cooperative/?created_at__year=99999999999",
        "bitcoingame/setasideevent/?stream=%00",
    ],
)
def test_lists_answer_their_own_filters_only(world, address):
    assert world["clients"]["superuser"].get(f"/admin/{address}").status_code == 400


@pytest.mark.parametrize(
    "address",
    [
        "profiles/user/?is_active__exact=1&seat=admin&created_at__gte=2026-01-01+00:00:00%2B00:00",
        "social/cooperative/?state=suspended&created_at__isnull=False",
        "bitcoingame/setasideevent/?state__exact=waiting&stream=mining:block_found",
        "notifications/notification/?type=system&read__exact=0",
        "profiles/auditentry/?target_type=user",
        "social/useractivity/?activity_type=coop_joined",
    ],
)
def test_lists_answer_their_filters(world, address):
    assert world["clients"]["superuser"].get(f"/admin/{address}").status_code == 200


@pytest.mark.parametrize("tick", ["abc", "\x00", "9" * 25])
def test_a_tick_that_is_no_row_is_refused_with_a_message(world, tick):
    before = state()
    response = world["clients"]["moderator"].post(
        "/admin/social/cooperative/", {"action": "suspend", "_selected_action": [tick], "index": "0"}, follow=True
    )
    assert response.status_code == 200
    assert "Choose among the rows of the list." in response.content.decode()
    assert state() == before


def test_a_superuser_makes_a_moderator_who_can_sign_in(world):
    form = {
        "username": "otto",
        "password1": "correct horse battery",
        "password2": "correct horse battery",
        "usable_password": "true",
        "display_name": "",
        "groups": [moderators().pk],
    }

    response = world["clients"]["superuser"].post("/admin/profiles/staffaccount/add/", form)

    assert response.status_code == 302, response.context["adminform"].form.errors
    otto = StaffAccount.objects.get(username="otto")
    assert (otto.pk < 0, otto.is_staff, otto.is_superuser) == (True, True, False)
    client = Client()
    client.post("/admin/login/", {"username": "otto", "password": "correct horse battery"})
    assert client.get("/admin/social/cooperative/").status_code == 200
    assert client.get("/admin/profiles/staffaccount/").status_code == 403


def test_nobody_locks_themselves_out(world):
    ada = User.objects.get(username="ada")
    world["clients"]["superuser"].post(
        f"/admin/profiles/staffaccount/{ada.pk}/change/", {"username": "ada", "display_name": "Ada"}
    )
    ada.refresh_from_db()
    assert (ada.is_active, ada.is_superuser) == (True, True)


def test_a_form_from_elsewhere_changes_nothing(world):
    client = Client(enforce_csrf_checks=True)
    client.force_login(User.objects.get(username="ada"), backend="django.contrib.auth.backends.ModelBackend")
    pirates = Cooperative.objects.get()

    response = client.post(f"/admin/social/cooperative/act/suspend/?ids={pirates.pk}", {"reason": "Because."})

    assert response.status_code == 403
    pirates.refresh_from_db()
    assert pirates.is_active


def test_a_refusal_is_a_page_for_staff_and_json_for_others(world):
    moderator = world["clients"]["moderator"]
    for path, status, sentence in (
        ("/admin/profiles/staffaccount/", 403, "You may not do this."),
        ("/admin/nowhere/", 404, "Not found."),
    ):
        page = moderator.get(path)
        assert (page.status_code, page["Content-Type"]) == (status, "text/html; charset=utf-8")
        assert sentence in page.content.decode()
        assert "Cooperatives" in page.content.decode()
    assert moderator.get("/nowhere")["Content-Type"] == "application/json"
    assert moderator.get("/admin")["Location"] == "/admin/"


def wrong_password(client, address, name="mona"):
    return client.post(
        "/admin/login/", {"username": name, "password": "wrong"}, REMOTE_ADDR=address, HTTP_X_FORWARDED_FOR="9.9.9.9"
    )


def test_five_wrong_passwords_are_enough(world):
    client = Client()
    answers = [wrong_password(client, "10.0.0.1").status_code for _ in range(5)]
    assert answers == [200, 200, 200, 200, 429]

    right = {"username": "mona", "password": "a long enough password"}
    assert client.post("/admin/login/", right, REMOTE_ADDR="10.0.0.1").status_code == 429
    assert client.post("/admin/login/", right, REMOTE_ADDR="10.0.0.2").status_code == 302


def test_the_count_goes_by_the_address_our_proxy_saw(world, settings):
    settings.TRUSTED_PROXIES = 1
    from rest_framework.settings import api_settings

    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "NUM_PROXIES": 1}
    assert api_settings.NUM_PROXIES == 1
    client = Client()
    for forged in range(5):
        answer = client.post(
            "/admin/login/",
            {"username": "mona", "password": "wrong"},
            REMOTE_ADDR="10.0.0.1",
            HTTP_X_FORWARDED_FOR=f"1.1.1.{forged}, 2001:db8::{forged + 1}",
        )
    assert answer.status_code == 429
    assert wrong_password(client, "10.0.0.1").status_code == 200
