"""An address is confirmed before it is mailed, and an unsubscribed one stays out until it is confirmed again."""

import re
from datetime import timedelta
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from django.conf import settings
from django.core.signing import TimestampSigner
from django.db import connection
from django.utils import timezone
from django_rq import get_queue
from rq import SimpleWorker

from conftest import client_of, make_user
from notifications.email.deliveries import give_up_interrupted, send_next_email
from notifications.email.links import confirmation_path, unsubscribe_path
from notifications.jobs import send_due_emails
from notifications.models import EmailConfirmation, EmailDelivery
from notifications.tests.people import confirmed, prefer, tell
from profiles.models import NotificationPreferences, User

pytestmark = pytest.mark.django_db

SETTINGS = "/api/v1/users/me/settings"
AGAIN = f"{SETTINGS}/email/confirmation"
BROWSER = {"Accept": "text/html,*/*;q=0.8"}
OFFLINE = {"kind": "worker_offline", "worker": "bitaxe-1", "minutes": 30}


def give(user, address, **others):
    return client_of(user).patch(SETTINGS, {"notifications": {"email": address, **others}}, format="json")


def state_of(user):
    """What the settings say of the address: (address, confirmed, why paused)."""
    section = client_of(user).get(SETTINGS).json()["notifications"]
    return section["email"], section["emailConfirmed"], section["emailPaused"]


def link_in(email):
    """The path and query of the confirmation link."""
    (url,) = re.findall(r"^http\S+$", email.body, re.MULTILINE)
    assert url.startswith(settings.PUBLIC_URL)
    return url.removeprefix(settings.PUBLIC_URL)


def confirm(link, **headers):
    return client_of(None).post(link, headers=headers)


@pytest.fixture
def mailed_link(alice, mailoutbox):
    """Alice gave an address and switched e-mail on; this link was mailed to it."""
    give(alice, "alice@example.com", emailNotifications=True)
    send_due_emails()
    return link_in(mailoutbox.pop())


def test_a_new_address_is_asked_and_mailed_nothing_else_until_it_confirms(alice, mailoutbox):
    body = give(alice, "alice@example.com", emailNotifications=True).json()["notifications"]
    assert (body["email"], body["emailConfirmed"], body["emailPaused"]) == ("alice@example.com", False, None)
    assert mailoutbox == []
    tell(alice, cause="x", **OFFLINE)
    send_due_emails()
    (email,) = mailoutbox
    assert (email.to, email.subject) == (["alice@example.com"], "Confirm your e-mail address")

    assert confirm(link_in(email)).json() == {"detail": "Your e-mail address is confirmed."}
    assert state_of(alice) == ("alice@example.com", True, None)
    tell(alice, cause="y", **OFFLINE)
    send_due_emails()
    assert [email.subject for email in mailoutbox] == ["Confirm your e-mail address", "Worker Offline"]


def test_what_the_confirmation_says(alice, mailoutbox):
    give(alice, "alice@example.com")
    send_due_emails()
    (email,) = mailoutbox
    nonce = EmailConfirmation.objects.get().nonce
    assert email.extra_headers == {
        "Message-ID": f"<confirmation-{nonce.hex}@{urlsplit(settings.PUBLIC_URL).hostname}>",
        "Auto-Submitted": "auto-generated",
        "X-Auto-Response-Suppress": "All",
    }
    url = settings.PUBLIC_URL + link_in(email)
    assert email.body == (
        "Someone, we think you, gave this address to The Bitcoin Game for e-mail about mining.\n"
        "To confirm that it is yours, follow this link within 24 hours and press the button there:\n\n"
        f"{url}\n\nIf it was not you, do nothing: you will get no other e-mail from us.\n\n"
    )
    assert f'<a href="{url}"' in email.alternatives[0].content
    assert "alice@example.com" not in url


def test_following_the_link_only_asks(alice, mailed_link):
    answer = client_of(None).get(mailed_link)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    page = answer.content.decode()
    assert re.search(r'<form method="post" action="\?token=[^"]+"><button>Confirm</button></form>', page)
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert state_of(alice) == ("alice@example.com", False, None)


def test_the_pages_button_confirms_and_says_so(alice, mailed_link):
    answer = confirm(mailed_link, **BROWSER)
    assert (answer.status_code, "Your e-mail address is confirmed." in answer.content.decode()) == (200, True)
    assert state_of(alice) == ("alice@example.com", True, None)


def assert_refused(link, status, code):
    for method in ("get", "post"):
        answer = getattr(client_of(None), method)(link)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        page = getattr(client_of(None), method)(link, headers=BROWSER)
        assert (page.status_code, page.headers["Content-Type"]) == (status, "text/html; charset=utf-8")
        assert answer.json()["detail"] in page.content.decode()
        assert "<form" not in page.content.decode()


def test_a_link_works_once(alice, mailed_link):
    confirm(mailed_link)
    assert_refused(mailed_link, 410, "confirmation_used")
    prefer(alice, email_state="bounced")
    assert_refused(mailed_link, 410, "confirmation_used")
    assert state_of(alice) == ("alice@example.com", False, "bounced")


def test_a_link_works_for_a_day(alice, mailed_link, monkeypatch):
    began = timezone.now().timestamp()
    monkeypatch.setattr("django.core.signing.time.time", lambda: began + 86_390)
    assert client_of(None).get(mailed_link).status_code == 200
    monkeypatch.setattr("django.core.signing.time.time", lambda: began + 86_410)
    assert_refused(mailed_link, 410, "confirmation_expired")
    assert state_of(alice) == ("alice@example.com", False, None)


@pytest.mark.parametrize("later", ["other@example.com", ""])
def test_a_link_confirms_no_other_address(alice, mailed_link, later):
    give(alice, later)
    assert_refused(mailed_link, 410, "confirmation_superseded")
    assert state_of(alice) == (later, False, None)


def test_a_newer_link_ends_the_older(alice, mailed_link, mailoutbox):
    assert client_of(alice).post(AGAIN).status_code == 202
    send_due_emails()
    assert_refused(mailed_link, 410, "confirmation_superseded")
    assert confirm(link_in(mailoutbox[0])).status_code == 200
    assert state_of(alice) == ("alice@example.com", True, None)


def test_leaving_an_address_and_coming_back_to_it_asks_anew(alice, mailed_link, mailoutbox):
    confirm(mailed_link)
    give(alice, "")
    give(alice, "alice@example.com")
    assert state_of(alice) == ("alice@example.com", False, None)
    assert_refused(mailed_link, 410, "confirmation_superseded")
    send_due_emails()
    assert len(mailoutbox) == 1


@pytest.mark.parametrize("token", ["", "x", "1.2:3", "\x00", "a" * 200, "{own}x", "2{own}", "{unsubscribe}", "{odd}"])
def test_other_tokens_confirm_nothing(alice, mailed_link, token):
    tokens = {
        "own": mailed_link.partition("=")[2],
        "unsubscribe": unsubscribe_path(alice.pk, "alice@example.com").partition("=")[2].replace("%3A", ":"),
        "odd": TimestampSigner(salt="notifications.emails.confirm").sign("1"),
    }
    for method in ("get", "post"):
        answer = getattr(client_of(None), method)(
            "/api/v1/email/confirm", query_params={"token": token.format(**tokens)}
        )
        assert answer.status_code == 400
        assert answer.json()["code"] in ("invalid_token", "invalid_input")
    assert state_of(alice) == ("alice@example.com", False, None)


def test_a_link_of_another_user_confirms_nothing(alice, bob, mailed_link):
    nonce = EmailConfirmation.objects.get().nonce
    give(bob, "alice@example.com")
    assert_refused(confirmation_path(bob.pk, nonce), 410, "confirmation_superseded")
    assert_refused(confirmation_path(10**12, nonce), 410, "confirmation_superseded")
    assert_refused(confirmation_path(alice.pk, uuid4()), 410, "confirmation_superseded")
    assert (state_of(alice)[1], state_of(bob)[1]) == (False, False)


def test_the_same_address_again_sends_nothing_and_costs_nothing(alice, mailed_link, mailoutbox, settings):
    settings.CONFIRMATIONS_PER_ACCOUNT = 1
    for _ in range(5):
        assert give(alice, "alice@example.com", coopActivity=True).status_code == 200
    confirm(mailed_link)
    for address in ("alice@example.com", " alice@EXAMPLE.com "):
        assert give(alice, address, coopActivity=True).status_code == 200
    send_due_emails()
    assert (mailoutbox, state_of(alice)) == ([], ("alice@example.com", True, None))


def test_a_changed_address_is_mailed_nothing_old_or_new(alice, mailed_link, mailoutbox):
    confirm(mailed_link)
    tell(alice, cause="x", **OFFLINE)
    give(alice, "new@example.com")
    tell(alice, cause="y", **OFFLINE)
    send_due_emails()
    assert [email.to for email in mailoutbox] == [["new@example.com"]]
    assert mailoutbox[0].subject == "Confirm your e-mail address"
    assert EmailDelivery.objects.get().state == EmailDelivery.State.SKIPPED


def test_a_confirmation_nobody_waits_for_is_not_sent(alice, bob, charlie, mailoutbox):
    for user in (alice, bob, charlie):
        give(user, f"{user.display_name}@example.com")
    give(alice, "")
    User.objects.filter(pk=bob.pk).update(is_active=False)
    prefer(charlie, email_state="confirmed")
    send_due_emails()
    assert mailoutbox == []
    assert set(EmailConfirmation.objects.values_list("state", flat=True)) == {"skipped"}


def test_a_confirmation_that_could_not_be_sent_for_a_day_is_given_up(alice, mailoutbox):
    give(alice, "alice@example.com")
    EmailConfirmation.objects.update(asked_at=timezone.now() - timedelta(hours=25))
    send_due_emails()
    assert (mailoutbox, EmailConfirmation.objects.get().state) == ([], "failed")


@pytest.mark.django_db(transaction=True)
def test_the_worker_sends_it_and_not_the_request(alice, mailoutbox, valkey):
    get_queue("default").empty()
    give(alice, "alice@example.com")
    assert mailoutbox == []
    SimpleWorker([get_queue("default")], connection=get_queue("default").connection).work(burst=True)
    assert len(mailoutbox) == 1


@pytest.mark.django_db(transaction=True)
def test_one_of_many_that_follow_a_link_at_once_confirms(alice, at_once, mailoutbox):
    give(alice, "alice@example.com")
    send_due_emails()
    link = link_in(mailoutbox[0])
    answers = at_once([lambda: confirm(link).status_code] * 6)
    assert sorted(answers) == [200] + [410] * 5


@pytest.mark.django_db(transaction=True)
def test_an_address_that_changes_while_the_link_is_followed_is_not_confirmed(alice, at_once, mailoutbox):
    for number in range(8):
        give(alice, f"old{number}@example.com")
        send_due_emails()
        link = link_in(mailoutbox.pop())
        at_once([lambda link=link: confirm(link), lambda n=number: give(alice, f"new{n}@example.com")])
        assert state_of(alice) == (f"new{number}@example.com", False, None)


@pytest.mark.django_db(transaction=True)
def test_many_workers_send_each_confirmation_once(at_once, mailoutbox):
    for number in range(12):
        give(make_user(), f"miner{number}@example.com")
    assert at_once([send_due_emails] * 4) == [None] * 4
    assert sorted(email.to[0] for email in mailoutbox) == sorted(f"miner{number}@example.com" for number in range(12))


class Asking:
    """An e-mail service that calls `meanwhile` while it is asked."""

    def __init__(self, meanwhile):
        self.meanwhile = meanwhile

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def send(self, email):
        self.meanwhile()


def test_a_confirmation_asked_for_while_the_one_before_is_sent_is_sent_too(alice, mailoutbox):
    give(alice, "old@example.com")
    assert send_next_email(Asking(lambda: give(alice, "new@example.com")), now=timezone.now())
    confirmation = EmailConfirmation.objects.get()
    assert (confirmation.address, confirmation.state, confirmation.attempts) == ("new@example.com", "due", 0)
    send_due_emails()
    assert [email.to for email in mailoutbox] == [["new@example.com"]]


def test_a_confirmation_whose_worker_died_is_not_sent_again_but_may_be_asked_for_again(alice, mailoutbox):
    give(alice, "alice@example.com")
    with pytest.raises(KeyboardInterrupt):
        send_next_email(Asking(die), now=timezone.now())
    assert EmailConfirmation.objects.get().state == "sending"
    assert give_up_interrupted(now=timezone.now() + timedelta(minutes=16)) == 1
    send_due_emails()
    assert (EmailConfirmation.objects.get().state, mailoutbox) == ("unknown", [])
    client_of(alice).post(AGAIN)
    send_due_emails()
    assert len(mailoutbox) == 1


def die():
    raise KeyboardInterrupt


def test_confirmations_go_before_other_email(alice, bob, mailoutbox):
    confirmed(bob, "bob@example.com")
    tell(bob, cause="x", **OFFLINE)
    give(alice, "alice@example.com")
    send_due_emails()
    assert [email.to[0] for email in mailoutbox] == ["alice@example.com", "bob@example.com"]


def test_asking_again_needs_an_address_that_is_not_confirmed(alice, mailoutbox):
    answer = client_of(alice).post(AGAIN)
    assert (answer.status_code, answer.json()["code"]) == (400, "no_email")
    give(alice, "alice@example.com")
    prefer(alice, email_state="confirmed")
    answer = client_of(alice).post(AGAIN)
    assert (answer.status_code, answer.json()["code"]) == (400, "email_already_confirmed")
    send_due_emails()
    assert mailoutbox == []
    assert client_of(None).post(AGAIN).status_code == 401


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("limit", ["CONFIRMATIONS_PER_ACCOUNT", "CONFIRMATIONS_PER_ADDRESS"])
def test_a_user_causes_a_few_an_hour(alice, settings, limit):
    setattr(settings, limit, 3)
    give(alice, "one@example.com")
    give(alice, "two@example.com", coopActivity=True)
    assert client_of(alice).post(AGAIN).status_code == 202
    before = client_of(alice).get(SETTINGS).json()
    nonce = EmailConfirmation.objects.get().nonce
    for answer in (client_of(alice).post(AGAIN), give(alice, "three@example.com", coopActivity=False)):
        assert (answer.status_code, answer.json()["code"]) == (429, "too_many_attempts")
        assert 0 < int(answer.headers["Retry-After"]) <= 3600
    assert client_of(alice).get(SETTINGS).json() == before
    assert EmailConfirmation.objects.get().nonce == nonce
    assert give(alice, "").status_code == 200


@pytest.mark.django_db(transaction=True)
def test_a_mailbox_gets_a_few_an_hour_whoever_asks(settings):
    settings.CONFIRMATIONS_PER_MAILBOX = 3
    answers = [
        give(make_user(), address).status_code
        for address in ("v@example.com", "V@example.com", "v@EXAMPLE.com", "v@example.com", "w@example.com")
    ]
    assert answers == [200, 200, 200, 429, 200]
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM attempt_counters WHERE key LIKE '%example%'")
        assert cursor.fetchone() == (0,)


@pytest.mark.django_db(transaction=True)
def test_no_more_than_the_limit_get_through_at_once(alice, at_once, settings):
    settings.CONFIRMATIONS_PER_ACCOUNT = 3
    calls = [lambda number=number: give(alice, f"a{number}@example.com").status_code for number in range(8)]
    assert sorted(at_once(calls)) == [200] * 3 + [429] * 5


@pytest.mark.parametrize(
    "address",
    [
        "user@[127.0.0.1]", "user@[IPv6:::1]", "user@localhost", "user@mailhost", "user@127.0.0.1", "user@10.0.0.10",
        "user@1.2.3.0x7f", "user@2130706433", "user@redis.internal", "user@printer.local", "user@db.localhost",
        "user@x.onion", "user@router.lan", "user@example.com.", "user@.example.com", "user@-a.example.com", "user@",
        '"quoted"@example.com', '"a b"@example.com', "user%host@example.com", "host!user@example.com", "@example.com",
        "a@b@example.com", "a..b@example.com", ".a@example.com", "user@exa mple.com",
        "user@example.com\r\nBcc: a@b.com", "user\x00@example.com", "us\ner@example.com",
        "Us Er <user@example.com>", "user@example.com,other@example.com",
        "u\u017fer@example.com", "\u212aim@example.com",
        "üser@example.com", "user@xn--.com", "user@\u2488com.example", "user@example.c", "user@exam_ple.com",
        "a" * 65 + "@example.com", "user@" + "a." * 130 + "com", "user@" + "a" * 64 + ".com",
    ],
)  # fmt: skip
def test_addresses_that_are_no_public_mailbox_are_refused(alice, mailoutbox, address):
    answer = give(alice, address, coopActivity=True)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_input")
    assert list(answer.json()["errors"]) == ["notifications.email"]
    assert state_of(alice) == ("", False, None)
    send_due_emails()
    assert (mailoutbox, EmailConfirmation.objects.count()) == ([], 0)


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("Alice+mining@Example.COM", "Alice+mining@example.com"),
        ("a.b-c_d@mail.example.co.uk", "a.b-c_d@mail.example.co.uk"),
        ("a@straße.de", "a@xn--strae-oqa.de"),
        ("a@MÜLLER.de", "a@xn--mller-kva.de"),
        ("a@xn--mller-kva.de", "a@xn--mller-kva.de"),
        ("a@example.com\u200b", "a@example.com"),
        ("o'neil@example.museum", "o'neil@example.museum"),
    ],
)
def test_addresses_are_stored_as_they_are_mailed_to(alice, mailoutbox, typed, stored):
    assert give(alice, typed).json()["notifications"]["email"] == stored
    give(alice, typed)
    send_due_emails()
    assert [email.to for email in mailoutbox] == [[stored]]


def test_whatever_changes_the_address_makes_it_unconfirmed(alice):
    prefer(alice, email="alice@example.com")
    prefer(alice, email_state="confirmed")
    since = NotificationPreferences.objects.get(user=alice).email_state_at
    prefer(alice, coop_activity=True, email="alice@example.com")
    assert NotificationPreferences.objects.get(user=alice).email_state_at == since
    prefer(alice, email="other@example.com")
    assert state_of(alice) == ("other@example.com", False, None)


def unsubscribe(user, address):
    return client_of(None).post(unsubscribe_path(user.pk, address))


def test_an_unsubscribed_address_stays_out_until_it_is_confirmed_again(alice, mailed_link, mailoutbox):
    confirm(mailed_link)
    tell(alice, cause="x", **OFFLINE)
    assert unsubscribe(alice, "alice@example.com").json() == {"detail": "You will get no more e-mail."}
    assert state_of(alice) == ("alice@example.com", False, "unsubscribed")
    assert not client_of(alice).get(SETTINGS).json()["notifications"]["emailNotifications"]

    give(alice, "alice@example.com", emailNotifications=True)
    tell(alice, cause="y", **OFFLINE)
    send_due_emails()
    assert [email.subject for email in mailoutbox] == ["Confirm your e-mail address"]
    assert state_of(alice) == ("alice@example.com", False, "unsubscribed")

    confirm(link_in(mailoutbox[0]))
    assert state_of(alice) == ("alice@example.com", True, None)
    tell(alice, cause="z", **OFFLINE)
    send_due_emails()
    assert [email.subject for email in mailoutbox[1:]] == ["Worker Offline"]


def test_an_unsubscribed_address_that_is_removed_and_given_again_is_asked_again(alice, mailed_link):
    confirm(mailed_link)
    unsubscribe(alice, "alice@example.com")
    give(alice, "")
    give(alice, "alice@example.com", emailNotifications=True)
    assert state_of(alice) == ("alice@example.com", False, None)


def test_an_old_addresss_link_never_silences_the_new_one(alice, mailed_link, mailoutbox):
    confirm(mailed_link)
    give(alice, "new@example.com")
    send_due_emails()
    confirm(link_in(mailoutbox.pop()))
    for _ in range(2):
        answer = unsubscribe(alice, "alice@example.com")
        assert (answer.status_code, answer.json()) == (200, {"detail": "This address gets no e-mail from us any more."})
    assert state_of(alice) == ("new@example.com", True, None)
    tell(alice, cause="x", **OFFLINE)
    send_due_emails()
    assert [email.to for email in mailoutbox] == [["new@example.com"]]


def test_a_link_to_the_same_mailbox_spelt_otherwise_ends_its_email(alice, mailed_link, mailoutbox):
    confirm(mailed_link)
    give(alice, "Alice@example.com")
    send_due_emails()
    confirm(link_in(mailoutbox.pop()))
    assert unsubscribe(alice, "alice@example.com").json() == {"detail": "You will get no more e-mail."}
    assert state_of(alice) == ("Alice@example.com", False, "unsubscribed")


def test_anothers_link_never_silences_ones_own(alice, bob, mailed_link):
    confirm(mailed_link)
    unsubscribe(bob, "alice@example.com")
    assert state_of(alice) == ("alice@example.com", True, None)
