"""What mail servers refuse for good, and what the e-mail service reports, pauses an address and no other."""

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest
from anymail.signals import AnymailTrackingEvent
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.utils import timezone

from conftest import client_of
from notifications.email.tracking import take_reports
from notifications.jobs import send_due_emails
from notifications.models import EmailConfirmation, EmailDelivery
from notifications.tests.people import confirmed, prefer, tell
from notifications.tests.test_email_consent import AGAIN, OFFLINE, give, link_in, state_of
from notifications.tests.test_emails import mail_server, make_due  # noqa: F401 - a fixture
from profiles.models import NotificationPreferences

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.filterwarnings("ignore::anymail.exceptions.AnymailNotSupportedWarning"),
]

ADDRESS = "alice@example.com"
SECRET = "reports:" + "correct-horse-battery-staple-and-more"
URL = "/api/v1/internal/email/sendgrid"


@pytest.fixture
def reader(alice):
    """Alice, who wants e-mail and confirmed her address an hour ago."""
    confirmed(alice, ADDRESS)
    prefer(alice, email_state_at=timezone.now() - timedelta(hours=1))
    return alice


@pytest.fixture
def sendgrid(settings):
    settings.EMAIL_SERVICE = "sendgrid"
    settings.ANYMAIL = {"WEBHOOK_SECRET": SECRET}


def report(*events, secret=SECRET, url=URL, **headers):
    if secret is not None:
        headers["Authorization"] = "Basic " + base64.b64encode(secret.encode()).decode()
    return client_of(None).post(url, json.dumps(list(events)), content_type="application/json", headers=headers)


def event(name, address=ADDRESS, *, at=None, **more):
    return {"event": name, "email": address, "timestamp": int((at or timezone.now()).timestamp()), **more}


BOUNCE = "550 5.1.1 nobody <alice@example.com> here"


@pytest.mark.parametrize("stage", ["RCPT", "DATA", "END"])
@pytest.mark.parametrize("answer", [BOUNCE, "550 no", "552 5.2.2 full", "553 bad name", "554 no", "521 no mail here"])
def test_a_final_refusal_of_the_recipient_pauses_it_and_says_so(reader, mail_server, stage, answer):  # noqa: F811
    mail_server.answers[stage] = answer
    tell(reader, cause="x", **OFFLINE)
    tell(reader, cause="y", **OFFLINE)
    send_due_emails()
    assert state_of(reader) == (ADDRESS, False, "refused")
    assert sorted(EmailDelivery.objects.values_list("state", flat=True)) == ["failed", "skipped"]
    tell(reader, cause="z", **OFFLINE)
    assert EmailDelivery.objects.count() == 2
    assert ADDRESS not in "".join(filter(None, EmailDelivery.objects.values_list("error", flat=True)))


@pytest.mark.parametrize(
    ("stage", "answer"),
    [
        ("RCPT", "450 4.2.1 later"), ("RCPT", "451 greylisted"), ("DATA", "451 later"), ("END", "452 full"),
        ("MAIL", "550 5.1.8 your sender is unknown"), ("MAIL", "553 no"), ("RCPT", "530 5.7.0 sign in first"),
        ("RCPT", "550 5.7.1 your server is on a list"), ("END", "554 5.7.1 your server is on a list"),
        ("END", "552 5.3.4 too large"), ("RCPT", "503 5.5.1 bad sequence"), ("DATA", "501 syntax"),
        ("RCPT", "550 5.4.1 no route"), ("END", None),
    ],
)  # fmt: skip
def test_refusals_for_now_and_those_about_us_pause_nobody(reader, mail_server, stage, answer):  # noqa: F811
    mail_server.answers[stage] = answer
    tell(reader, cause="x", **OFFLINE)
    send_due_emails()
    assert state_of(reader) == (ADDRESS, True, None)


def test_a_refusal_that_never_ends_pauses_nobody(reader, mail_server):  # noqa: F811
    mail_server.answers["RCPT"] = "450 full"
    tell(reader, cause="x", **OFFLINE)
    for _ in range(7):
        make_due()
        send_due_emails()
    assert EmailDelivery.objects.get().state == "failed"
    assert state_of(reader) == (ADDRESS, True, None)


def test_a_refused_confirmation_says_so_and_asking_again_may_succeed(alice, mail_server):  # noqa: F811
    give(alice, ADDRESS)
    mail_server.answers["RCPT"] = BOUNCE
    send_due_emails()
    assert state_of(alice) == (ADDRESS, False, "refused")
    mail_server.answers["RCPT"] = "250 ok"
    assert client_of(alice).post(AGAIN).status_code == 202
    send_due_emails()
    assert len(mail_server.taken) == 1
    assert "Subject: Confirm your e-mail address" in mail_server.taken[0]


def test_a_confirmation_is_retried_as_other_email_is(alice, mail_server):  # noqa: F811
    give(alice, ADDRESS)
    mail_server.answers["RCPT"] = "451 later"
    send_due_emails()
    waiting = EmailConfirmation.objects.get()
    assert (waiting.state, waiting.attempts, waiting.error) == ("due", 1, "recipient refused: [451]")
    mail_server.answers["RCPT"] = "250 ok"
    EmailConfirmation.objects.update(due_at=timezone.now())
    send_due_emails()
    assert (EmailConfirmation.objects.get().state, len(mail_server.taken)) == ("sent", 1)


def test_a_paused_address_is_confirmed_again(reader, mailoutbox):
    prefer(reader, email_state="bounced")
    give(reader, ADDRESS, coopActivity=True)
    send_due_emails()
    assert (mailoutbox, state_of(reader)) == ([], (ADDRESS, False, "bounced"))
    client_of(reader).post(AGAIN)
    send_due_emails()
    assert client_of(None).post(link_in(mailoutbox[0])).status_code == 200
    assert state_of(reader) == (ADDRESS, True, None)


@pytest.mark.parametrize(
    ("reported", "paused"),
    [
        (event("bounce"), "bounced"),
        (event("bounce", type="bounce"), "bounced"),
        (event("bounce", "ALICE@Example.com"), "bounced"),
        (event("spamreport"), "complained"),
        (event("dropped", reason="Bounced Address"), "refused"),
        (event("dropped", reason="Invalid"), "refused"),
        (event("unsubscribe"), "unsubscribed"),
        (event("bounce", type="blocked"), None),
        (event("deferred"), None),
        (event("dropped", reason="Blocked"), None),
        (event("delivered"), None),
        (event("open"), None),
        (event("click", url="https://example.com"), None),
        (event("processed"), None),
        (event("never heard of"), None),
        (event("bounce", "malice@example.com"), None),
        (event("bounce", "alice@example.com.evil.com"), None),
        (event("bounce", ""), None),
        (event("bounce", None), None),
        (event("bounce", 7), None),
        (event("bounce", "\x00"), None),
        (event("bounce", ["alice@example.com"]), None),
        (event("bounce", "%"), None),
    ],
)
def test_what_reports_do(reader, sendgrid, reported, paused):
    for _ in range(2):
        assert report(reported).status_code == 200
        assert state_of(reader) == (ADDRESS, paused is None, paused)


def test_a_report_concerns_all_who_have_the_address_and_nobody_else(reader, bob, charlie, sendgrid):
    confirmed(bob, "Alice@example.com")
    confirmed(charlie, "charlie@example.com")
    report(event("delivered"), event("bounce"), event("open"))
    assert [state_of(user)[2] for user in (reader, bob, charlie)] == ["bounced", "bounced", None]


def test_a_bounce_of_an_old_address_never_pauses_the_new_one(reader, sendgrid):
    prefer(reader, email="new@example.com")
    prefer(reader, email_state="confirmed")
    report(event("bounce"))
    assert state_of(reader) == ("new@example.com", True, None)


def test_a_report_from_before_the_address_was_confirmed_changes_nothing(reader, sendgrid):
    before = timezone.now() - timedelta(hours=2)
    report(event("bounce", at=before), event("spamreport", at=before))
    assert state_of(reader) == (ADDRESS, True, None)


def test_a_report_of_the_second_in_which_the_address_was_given_counts(alice, sendgrid):
    given = datetime(2026, 11, 25, 12, 0, 0, 700_000, tzinfo=UTC)
    prefer(alice, email=ADDRESS)
    prefer(alice, email_state_at=given)
    report(event("bounce", at=given))
    assert state_of(alice) == (ADDRESS, False, "bounced")


def test_the_first_reason_stays(reader, sendgrid):
    report(event("spamreport"), event("bounce"))
    assert state_of(reader) == (ADDRESS, False, "complained")


@pytest.mark.parametrize("secret", [None, "", "reports", "reports:wrong", SECRET + "x", SECRET.upper()])
def test_unsigned_and_forged_reports_are_refused(reader, sendgrid, secret):
    answer = report(event("bounce"), secret=secret)
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_signature")
    assert answer.headers["WWW-Authenticate"] == 'Basic realm="reports"'
    assert state_of(reader) == (ADDRESS, True, None)


def test_amazon_posts_its_reports_as_plain_text(reader, sendgrid):
    answer = client_of(None).post(
        URL,
        json.dumps([event("bounce")]),
        content_type="text/plain; charset=UTF-8",
        headers={"Authorization": "Basic " + base64.b64encode(SECRET.encode()).decode()},
    )
    assert (answer.status_code, state_of(reader)) == (200, (ADDRESS, False, "bounced"))


@pytest.mark.parametrize("body", ["", "x", "{}", "7", "null", "[7]", "[null]", '[{"no": "event"}]', "[[]]", "\xff"])
def test_reports_that_cannot_be_read_are_refused(reader, sendgrid, body):
    answer = client_of(None).post(
        URL,
        body.encode("latin-1"),
        content_type="application/json",
        headers={"Authorization": "Basic " + base64.b64encode(SECRET.encode()).decode()},
    )
    assert answer.status_code in (200, 400)
    assert answer.headers["Content-Type"] == "application/json"
    assert (answer.status_code == 200) == (body == "{}")
    assert state_of(reader) == (ADDRESS, True, None)


@pytest.mark.parametrize("time", [None, "soon", -1, 10**30, [], "1764072000"])
def test_odd_times_change_nothing_or_count_as_now(reader, sendgrid, time):
    assert report({**event("bounce"), "timestamp": time}).status_code in (200, 400)


@pytest.mark.parametrize(
    ("service", "anymail", "path"),
    [
        ("sendgrid", {}, "sendgrid"),
        ("sendgrid", {"WEBHOOK_SECRET": ""}, "sendgrid"),
        ("sendgrid", {"WEBHOOK_SECRET": SECRET}, "ses"),
        ("sendgrid", {"WEBHOOK_SECRET": SECRET}, "mailgun"),
        ("smtp", {"WEBHOOK_SECRET": SECRET}, "sendgrid"),
        ("smtp", {"WEBHOOK_SECRET": SECRET}, "smtp"),
        ("ses", {"SENDGRID_TRACKING_WEBHOOK_VERIFICATION_KEY": "x"}, "ses"),
    ],
)
def test_there_is_no_such_page_unless_it_is_configured(reader, settings, service, anymail, path):
    settings.EMAIL_SERVICE, settings.ANYMAIL = service, anymail
    answer = report(event("bounce"), url=f"/api/v1/internal/email/{path}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert state_of(reader) == (ADDRESS, True, None)


def test_reports_may_be_signed_by_sendgrids_key(reader, settings):
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    settings.EMAIL_SERVICE = "sendgrid"
    settings.ANYMAIL = {"SENDGRID_TRACKING_WEBHOOK_VERIFICATION_KEY": base64.b64encode(public).decode()}
    bounce = event("bounce")
    body = json.dumps([bounce]).encode()
    signature = base64.b64encode(key.sign(b"1764072000" + body, ec.ECDSA(hashes.SHA256()))).decode()
    signed = {
        "X-Twilio-Email-Event-Webhook-Signature": signature,
        "X-Twilio-Email-Event-Webhook-Timestamp": "1764072000",
    }
    for headers in (
        {},
        {**signed, "X-Twilio-Email-Event-Webhook-Timestamp": "1764072001"},
        {**signed, "X-Twilio-Email-Event-Webhook-Signature": "?"},
    ):
        assert report(bounce, secret=None, **headers).status_code == 401
    assert report({**bounce, "email": "bob@example.com"}, secret=None, **signed).status_code == 401
    assert state_of(reader) == (ADDRESS, True, None)
    assert report(bounce, secret=None, **signed).status_code == 200
    assert state_of(reader) == (ADDRESS, False, "bounced")


@pytest.mark.parametrize(
    ("bounce_type", "paused"), [("Permanent", "bounced"), ("Transient", None), ("Undetermined", None)]
)
def test_amazon_calls_soft_bounces_transient(reader, bounce_type, paused):
    """Amazon's view needs boto3, which is not among our requirements; this is what it makes of a bounce."""
    bounced = AnymailTrackingEvent(
        event_type="bounced",
        recipient=ADDRESS,
        timestamp=timezone.now(),
        esp_event={"eventType": "Bounce", "bounce": {"bounceType": bounce_type}},
    )
    take_reports([bounced])
    assert state_of(reader) == (ADDRESS, paused is None, paused)


def test_an_address_that_nobody_has_is_no_error(sendgrid, db):
    assert report(event("bounce", "nobody@example.com")).status_code == 200
    assert not NotificationPreferences.objects.exclude(email_state="unconfirmed").exists()
