"""A day of staff in a real browser: a report comes in, Mona finds the cooperative and acts, its members hear of it."""

from urllib.parse import urlsplit

import pytest

from bitcoingame.tests.browser import needs_chromium, open_browser, open_page
from conftest import make_cooperative, moderators
from notifications.models import Broadcast, Notification
from profiles.models import AuditEntry, NotificationPreferences, User
from social import moderation
from social.models import Cooperative

pytestmark = [needs_chromium, pytest.mark.django_db(transaction=True)]

PASSWORD = "a long enough password"


@pytest.fixture(scope="module")
def browser():
    with open_browser() as browser:
        yield browser


@pytest.fixture
def staff(transactional_db):
    mona = User.objects.create_staff("mona", PASSWORD)
    mona.groups.add(moderators())
    return mona, User.objects.create_superuser("ada", PASSWORD)


def sign_in(page, live_server, name):
    page.goto(f"{live_server.url}/admin/")
    page.fill("input[name=username]", name)
    page.fill("input[name=password]", PASSWORD)
    page.click("button[type=submit]")


def test_a_report_about_a_name(live_server, browser, staff, alice, bob, charlie):
    pirates, ghosts = make_cooperative(alice, bob, name="Rude Pirates"), make_cooperative(charlie, name="Rude Ghosts")
    NotificationPreferences.objects.update(coop_activity=True)
    moderation.suspend_cooperative(staff=staff[1], reason="Reported.", cooperative_id=ghosts.pk)
    with open_page(browser) as page:
        asked = []
        page.on("request", lambda request: asked.append(request.url))
        faults = []
        page.on("pageerror", lambda error: faults.append(str(error)))

        sign_in(page, live_server, "mona")
        page.get_by_text("Growth, day by day").wait_for()
        page.click("nav >> text=Cooperatives")
        page.fill("input[name=q]", pirates.invite_code.lower())
        page.press("input[name=q]", "Enter")
        page.click("#result_list >> text=Rude Pirates")
        page.get_by_text("Bob").first.wait_for()

        page.click("text=Rename")
        page.fill("input[name=name]", "Rude Ghosts")
        page.fill("input[name=reason]", "Three reports about the name.")
        page.click("button:has-text('Rename')")
        page.get_by_text("A cooperative with this name already exists.").wait_for()

        page.click("text=Rename")
        page.fill("input[name=name]", "Kind Pirates")
        page.fill("input[name=reason]", "Three reports about the name.")
        page.click("button:has-text('Rename')")
        page.get_by_text("Three reports about the name.").first.wait_for()

        page.goto(f"{live_server.url}/admin/social/cooperative/")
        for box in page.locator("input.action-select").all():
            box.check(force=True)
        page.select_option("select[name=action]", "suspend")
        page.click("button:has-text('Run')")
        page.fill("input[name=reason]", "Both for now.")
        page.click("button:has-text('Suspend')")
        page.get_by_text("Suspended: Kind Pirates.").wait_for()
        page.get_by_text("Rude Ghosts: This cooperative is suspended already.").wait_for()

    assert list(Cooperative.objects.order_by("pk").values_list("name", "is_active")) == [
        ("Kind Pirates", False),
        ("Rude Ghosts", False),
    ]
    news = Notification.objects.filter(user=bob, subtype__in=["coop_activity", "coop_seat_changed"]).order_by("seq")
    assert list(news.values_list("description", flat=True)) == [
        "Rude Pirates has been renamed by our staff and is now called Kind Pirates.",
        "Kind Pirates has been suspended by our staff. You keep your seat and may leave.",
    ]
    assert list(AuditEntry.objects.filter(staff_name="mona").order_by("pk").values_list("action", "reason")) == [
        ("rename_cooperative", "Three reports about the name."),
        ("suspend_cooperative", "Both for now."),
    ]
    assert {urlsplit(url).netloc for url in asked} == {urlsplit(live_server.url).netloc}
    assert not faults


def test_announcing_maintenance(live_server, browser, staff, alice, bob):
    with open_page(browser) as page:
        sign_in(page, live_server, "ada")
        page.goto(f"{live_server.url}/admin/notifications/broadcast/add/")
        page.fill("input[name=description]", "The pool will be down for ten minutes.")
        page.fill("input[name=starts_at]", "2100-01-02T03:04")
        page.fill("input[name=reason]", "New disks.")
        page.click("button:has-text('Preview')")
        text = "The pool will be down for ten minutes. It starts on 2 January 2100 at 03:04 UTC."
        page.get_by_text(text).wait_for()
        assert "2 users will be told" in page.inner_text("#content")
        page.dblclick("button:has-text('Send to everyone')")
        page.get_by_text("being delivered").wait_for()

    assert list(Broadcast.objects.values_list("description", flat=True)) == [text]
    assert list(AuditEntry.objects.values_list("staff_name", "action", "reason")) == [
        ("ada", "announce_maintenance", "New disks.")
    ]
