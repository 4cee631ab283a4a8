"""E-mail: which notifications are mailed, what an e-mail says, that it is sent once, and how to unsubscribe."""

import re
import smtplib
import time
from datetime import timedelta
from email import message_from_string
from email.policy import default as modern
from urllib.parse import unquote, urlsplit

import pytest
from anymail.exceptions import AnymailAPIError, AnymailInvalidAddress, AnymailRecipientsRefused
from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.core.signing import Signer
from django.db import connection, transaction
from django.utils import timezone
from django.utils.html import escape
from django_rq import get_queue
from rq import SimpleWorker

from conftest import client_of, make_user
from notifications.email import messages
from notifications.email.consent import ask_for_confirmation
from notifications.email.deliveries import give_up_interrupted, send_next_email
from notifications.email.links import unsubscribe_path
from notifications.email.messages import DjangoEmailService, EmailRefused, EmailUncertain
from notifications.jobs import resume_broadcasts, send_due_emails
from notifications.models import EmailDelivery, Notification
from notifications.reminders import tell_silent_workers
from notifications.services import announce_to_everyone
from notifications.tests.people import confirmed, prefer, tell
from notifications.tests.smtp_server import running_mail_server
from profiles import mining
from profiles.models import NotificationPreferences, User, Worker

pytestmark = pytest.mark.django_db

OFFLINE = {"kind": "worker_offline", "worker": "bitaxe-1", "minutes": 30}
State = EmailDelivery.State
ADDRESS = "alice@example.com"


@pytest.fixture
def reader(alice):
    """Alice, who wants e-mail and confirmed her address."""
    confirmed(alice, ADDRESS)
    return alice


@pytest.fixture
def mail_server(settings):
    with running_mail_server() as server:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_USE_TLS = "127.0.0.1", server.port, False
        yield server


def states():
    return list(EmailDelivery.objects.order_by("pk").values_list("state", flat=True))


def make_due():
    EmailDelivery.objects.filter(state=State.DUE).update(due_at=timezone.now())


def test_an_email_says_what_the_notification_says(reader, mailoutbox):
    tell(reader, cause="x", **OFFLINE)
    send_due_emails()
    (email,) = mailoutbox
    notification = Notification.objects.get()
    link = f"{settings.PUBLIC_URL}{unsubscribe_path(reader.pk, 'alice@example.com')}"
    page = f"{settings.DASHBOARD_ORIGINS[0]}/mining/workers"
    assert (email.subject, email.to, email.from_email) == (
        "Worker Offline",
        [ADDRESS],
        settings.DEFAULT_FROM_EMAIL,
    )
    assert email.extra_headers == {
        "Message-ID": f"<notification-{notification.pk}@{urlsplit(settings.PUBLIC_URL).hostname}>",
        "Auto-Submitted": "auto-generated",
        "X-Auto-Response-Suppress": "All",
        "List-Unsubscribe": f"<{link}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }
    assert email.body == (
        f"bitaxe-1 has been offline for 30 minutes.\n\nView workers: {page}\n\n--\n"
        f"You asked The Bitcoin Game to send you e-mail. To get no more of it:\n{link}\n\n"
    )
    ((html, kind),) = email.alternatives
    assert kind == "text/html"
    assert f'<a href="{page}"' in html
    assert '<p style="margin:0 0 20px">bitaxe-1 has been offline for 30 minutes.</p>' in html
    assert (states(), EmailDelivery.objects.get().finished_at is not None) == ([State.SENT], True)


def test_values_are_escaped_in_html_and_plain_in_text(reader, mailoutbox):
    tell(reader, kind="worker_offline", cause="x", worker="<b>&axe</b>", minutes=30)
    send_due_emails()
    assert mailoutbox[0].body.startswith("<b>&axe</b> has been offline")
    assert "&lt;b&gt;&amp;axe&lt;/b&gt; has been offline" in mailoutbox[0].alternatives[0].content


WJ = "\u2060"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("evil.com", f"evil.{WJ}com"),
        ("http://evil.com/x?y=z", f"http:{WJ}/{WJ}/evil.{WJ}com/x?y=z"),
        ("HTTPS://1.2.3.4", f"HTTPS:{WJ}/{WJ}/1.{WJ}2.{WJ}3.{WJ}4"),
        ("192.168.100.200:80", f"192.{WJ}168.{WJ}100.{WJ}200:80"),
        ("www.evil.com.", f"www.{WJ}evil.{WJ}com."),
        ("a@evil.com", f"a@{WJ}evil.{WJ}com"),
        ("mailto:a@b.c", f"mailto:{WJ}a@{WJ}b.{WJ}c"),
        ("javascript:alert(1)", f"javascript:{WJ}alert(1)"),
        ("//evil.com", f"/{WJ}/evil.{WJ}com"),
        (r"\\server\share", f"\\{WJ}\\server\\share"),
        ("злой.рф", f"злой.{WJ}рф"),
        ("evil。com", f"evil。{WJ}com"),
        ("xn--80ak6aa92e.com", f"xn--80ak6aa92e.{WJ}com"),
        ("evil.c0m", f"evil.{WJ}c0m"),
        ("bitaxe-1", "bitaxe-1"),
        ("rig.01", "rig.01"),
        ("v1.24", "v1.24"),
        ("14:30", "14:30"),
        ("left/right", "left/right"),
        ("rig @ home", "rig @ home"),
    ],
)
def test_a_name_is_never_a_link(reader, mailoutbox, name, shown):
    tell(reader, kind="worker_offline", cause="x", worker=name, minutes=30)
    send_due_emails()
    (email,) = mailoutbox
    page = email.alternatives[0].content
    assert email.body.startswith(f"{shown} has been offline for 30 minutes.\n")
    assert f"{escape(shown)} has been offline for 30 minutes." in page
    assert re.findall(r'href="(.*?)"', page) == [
        f"{settings.DASHBOARD_ORIGINS[0]}/mining/workers",
        f"{settings.PUBLIC_URL}{unsubscribe_path(reader.pk, ADDRESS)}",
    ]


def test_a_sentence_stays_as_it_is(reader, mailoutbox):
    sentence = "The pool (and 1.5% of it) restarts at 14:30. Be back soon; no worry."
    with transaction.atomic():
        announce_to_everyone(kind="maintenance", cause="x", description=sentence)
    resume_broadcasts()
    send_due_emails()
    assert mailoutbox[0].body.startswith(f"{sentence}\n")


def test_headers_take_no_line_breaks_and_no_links(reader, mailoutbox):
    tell(reader, cause="x", **OFFLINE)
    Notification.objects.update(title="Match: evil.com\r\nBcc: bob@example.com\u2028x", description="a\nb\x7fc")
    send_due_emails()
    (email,) = mailoutbox
    assert email.subject == f"Match: evil.{WJ}com Bcc: bob@{WJ}example.{WJ}com x"
    assert email.recipients() == [ADDRESS]
    assert email.body.startswith("a b c\n")
    assert message_from_string(email.message().as_string(), policy=modern)["Bcc"] is None


def test_what_was_read_meanwhile_is_not_mailed(reader, mailoutbox):
    tell(reader, cause="x", **OFFLINE)
    tell(reader, cause="y", kind="personal_best", variant="first", difficulty=5)
    client_of(reader).post(f"/api/v1/notifications/{Notification.objects.get(cause='x').pk}/read")
    send_due_emails()
    assert [email.subject for email in mailoutbox] == ["New Best Difficulty!"]
    assert states() == [State.SKIPPED, State.SENT]


def test_what_was_deleted_meanwhile_is_not_mailed(reader, mailoutbox):
    tell(reader, cause="x", **OFFLINE)
    Notification.objects.all().delete()
    send_due_emails()
    assert (mailoutbox, states()) == ([], [])


def after_the_claim(table, change):
    """Calls `change` once, right after an e-mail of this table was marked as being sent."""
    seen = []

    def watch(execute, sql, params, many, context):
        result = execute(sql, params, many, context)
        if sql.startswith(f'UPDATE "{table}" SET "state" = %s, "attempts"') and not seen:
            seen.append(sql)
            change()
        return result

    return connection.execute_wrapper(watch)


def test_what_is_deleted_while_it_is_being_sent_stops_nothing(reader, bob, mailoutbox):
    confirmed(bob, "bob@example.com")
    tell(reader, cause="x", **OFFLINE)
    tell(bob, cause="x", **OFFLINE)
    with after_the_claim("email_deliveries", lambda: Notification.objects.filter(user=reader).delete()):
        send_due_emails()
    assert ([email.to for email in mailoutbox], states()) == ([["bob@example.com"]], [State.SENT])


def test_a_user_who_is_deleted_while_a_confirmation_is_being_sent_stops_nothing(alice, bob, mailoutbox):
    prefer(alice, email="new@example.com")
    with transaction.atomic():
        ask_for_confirmation(user_id=alice.pk, address="new@example.com")
    confirmed(bob, "bob@example.com")
    tell(bob, cause="x", **OFFLINE)
    with after_the_claim("email_confirmations", lambda: User.objects.filter(pk=alice.pk).delete()):
        send_due_emails()
    assert [email.to for email in mailoutbox] == [["bob@example.com"]]


@pytest.fixture
def silent_machine(reader):
    """Alice's bitaxe-1 fell silent, and the e-mail about it is due."""
    last_share = timezone.now() - timedelta(minutes=31)
    machine = Worker.objects.create(
        user=reader, name="bitaxe-1", is_online=True, last_share_at=last_share, heard_at=last_share
    )
    tell_silent_workers(now=timezone.now())
    assert states() == [State.DUE]
    return machine


def test_a_machine_that_is_still_silent_is_mailed(silent_machine, mailoutbox):
    mining.hear_presence({(silent_machine.user_id, "bitaxe-1"): (True, time.time())})
    send_due_emails()
    assert [email.subject for email in mailoutbox] == ["Worker Offline"]


def test_a_machine_that_mines_again_is_not_mailed(silent_machine, mailoutbox):
    mining.hear_shares({(silent_machine.user_id, "bitaxe-1"): (time.time(), 1024, 2048)})
    send_due_emails()
    assert (mailoutbox, states()) == ([], [State.SKIPPED])


def test_another_machine_that_mines_again_changes_nothing(silent_machine, bob, mailoutbox):
    for who, name in ((silent_machine.user_id, "bitaxe-2"), (bob.pk, "bitaxe-1")):
        mining.hear_shares({(who, name): (time.time(), 1024, 2048)})
    send_due_emails()
    assert len(mailoutbox) == 1


def test_a_machine_that_is_back_when_a_retry_is_due_is_not_mailed(silent_machine, mail_server):
    mail_server.answers["RCPT"] = "451 later"
    send_due_emails()
    mail_server.answers["RCPT"] = "250 ok"
    mining.hear_shares({(silent_machine.user_id, "bitaxe-1"): (time.time(), 1024, 2048)})
    make_due()
    send_due_emails()
    assert (mail_server.taken, states()) == ([], [State.SKIPPED])


def test_a_machine_whose_alerts_were_switched_off_meanwhile_is_not_mailed(silent_machine, mailoutbox):
    path = f"/api/v1/users/me/workers/{silent_machine.pk}"
    assert client_of(silent_machine.user).patch(path, {"alerts": False}, format="json").status_code == 200
    send_due_emails()
    assert (mailoutbox, states()) == ([], [State.SKIPPED])


def test_only_kinds_worth_it_go_only_to_those_who_asked_and_gave_an_address(reader, bob, charlie, mailoutbox):
    dora = make_user("Dora")
    prefer(bob, email_notifications=True)
    confirmed(charlie, "charlie@example.com")
    prefer(charlie, email_notifications=False)
    prefer(dora, email_notifications=True, email="")
    eve = make_user("Eve")
    prefer(eve, email_notifications=True, email="eve@example.com")
    everyone = (reader, bob, charlie, dora, eve)
    tell(*everyone, cause="y")
    tell(*everyone, cause="x", **OFFLINE)
    assert states() == [State.DUE]
    send_due_emails()
    assert [email.to for email in mailoutbox] == [[ADDRESS]]


def test_what_is_not_created_is_not_mailed(reader):
    prefer(reader, in_app=False)
    tell(reader, cause="x", **OFFLINE)
    assert states() == []


def test_a_repeated_cause_and_a_repeated_job_mail_once(reader, mailoutbox):
    for _ in range(2):
        tell(reader, cause="x", **OFFLINE)
        send_due_emails()
    assert (len(mailoutbox), states()) == (1, [State.SENT])


@pytest.mark.parametrize(
    "change",
    [
        {"email_notifications": False},
        {"email": None},
        {"email": ""},
        {"email": "new@example.com"},
        {"email_state": "unconfirmed"},
        {"email_state": "refused"},
        {"email_state": "bounced"},
        {"email_state": "complained"},
        {"email_state": "unsubscribed"},
        {"in_app": False},
        {"personal_best": False},
    ],
)
def test_preferences_are_looked_at_again_just_before_sending(reader, mailoutbox, change):
    tell(reader, kind="personal_best", variant="first", cause="x", difficulty=5)
    prefer(reader, **change)
    send_due_emails()
    assert (mailoutbox, states()) == ([], [State.SKIPPED])


def test_the_suspended_and_the_expired_are_not_mailed(reader, bob, mailoutbox):
    confirmed(bob, "bob@example.com")
    tell(reader, bob, cause="x", **OFFLINE)
    reader.is_active = False
    reader.save()
    Notification.objects.filter(user=bob).update(expires_at=timezone.now())
    send_due_emails()
    assert (mailoutbox, states()) == ([], [State.SKIPPED, State.SKIPPED])


def test_everyone_is_mailed_in_the_same_way(reader, mailoutbox):
    with transaction.atomic():
        announce_to_everyone(kind="maintenance", cause="x", description="The pool restarts.")
    resume_broadcasts()
    send_due_emails()
    assert [(email.subject, email.to) for email in mailoutbox] == [("Scheduled Maintenance", [ADDRESS])]


@pytest.mark.django_db(transaction=True)
def test_the_worker_mails_after_the_commit(reader, mailoutbox, valkey):
    get_queue("default").empty()
    tell(reader, cause="x", **OFFLINE)
    assert mailoutbox == []
    SimpleWorker([get_queue("default")], connection=get_queue("default").connection).work(burst=True)
    assert (len(mailoutbox), states()) == (1, [State.SENT])


@pytest.mark.django_db(transaction=True)
def test_nothing_is_queued_when_nobody_is_mailed(alice, valkey):
    get_queue("default").empty()
    tell(alice, cause="x", **OFFLINE)
    assert get_queue("default").count == 0


@pytest.mark.django_db(transaction=True)
def test_many_workers_send_each_email_once(reader, at_once, mailoutbox):
    for number in range(20):
        tell(reader, cause=f"{number}", **OFFLINE)
    assert at_once([send_due_emails] * 4) == [None] * 4
    assert states() == [State.SENT] * 20
    assert len({email.extra_headers["Message-ID"] for email in mailoutbox}) == len(mailoutbox) == 20


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("limit", "value", "sent"), [("EMAILS_PER_JOB", 2, 2), ("SENDING_SECONDS", -1, 1)])
def test_more_than_a_job_sends_are_left_to_the_next_one(reader, mailoutbox, monkeypatch, valkey, limit, value, sent):
    monkeypatch.setattr(f"notifications.jobs.{limit}", value)
    for number in range(3):
        tell(reader, cause=f"{number}", **OFFLINE)
    get_queue("default").empty()
    send_due_emails()
    assert states() == [State.SENT] * sent + [State.DUE] * (3 - sent)
    SimpleWorker([get_queue("default")], connection=get_queue("default").connection).work(burst=True)
    assert (states(), len(mailoutbox)) == ([State.SENT] * 3, 3)


def test_a_mail_server_gets_a_whole_message(reader, mail_server):
    tell(reader, cause="x", **OFFLINE)
    send_due_emails()
    (text,) = mail_server.taken
    message = message_from_string(text, policy=modern)
    assert message["To"] == ADDRESS
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert message["Message-ID"].startswith(f"<notification-{Notification.objects.get().pk}@")
    assert [part.get_content_type() for part in message.walk()] == ["multipart/alternative", "text/plain", "text/html"]
    assert states() == [State.SENT]


def test_an_unreachable_server_is_tried_again_and_nothing_is_lost(reader, mail_server, settings):
    port, settings.EMAIL_PORT = settings.EMAIL_PORT, 1
    tell(reader, cause="x", **OFFLINE)
    send_due_emails()
    assert (states(), EmailDelivery.objects.get().attempts) == ([State.DUE], 0)
    settings.EMAIL_PORT = port
    send_due_emails()
    assert (states(), len(mail_server.taken)) == ([State.SENT], 1)


def test_a_refusal_for_now_is_tried_again_later(reader, mail_server):
    mail_server.answers["RCPT"] = "451 later"
    tell(reader, cause="x", **OFFLINE)
    send_due_emails()
    delivery = EmailDelivery.objects.get()
    assert (delivery.state, delivery.attempts, delivery.finished_at) == (State.DUE, 1, None)
    assert delivery.error == "recipient refused: [451]"
    assert delivery.due_at > timezone.now() + timedelta(seconds=50)
    send_due_emails()
    assert EmailDelivery.objects.get().attempts == 1
    mail_server.answers["RCPT"] = "250 ok"
    make_due()
    send_due_emails()
    assert (states(), len(mail_server.taken)) == ([State.SENT], 1)


def test_after_five_retries_it_is_given_up(reader, mail_server):
    mail_server.answers["END"] = "452 full"
    tell(reader, cause="x", **OFFLINE)
    for attempt in range(1, 8):
        make_due()
        send_due_emails()
        assert EmailDelivery.objects.get().attempts == min(attempt, 6)
    assert (states(), mail_server.taken) == ([State.FAILED], [])
    assert EmailDelivery.objects.get().error == "SMTPDataError 452"


@pytest.mark.parametrize("stage", ["MAIL", "RCPT", "DATA", "END"])
def test_a_refusal_for_good_is_not_repeated(reader, mail_server, stage):
    mail_server.answers[stage] = "550 no <alice@example.com> here"
    tell(reader, cause="x", **OFFLINE)
    for _ in range(2):
        make_due()
        send_due_emails()
    delivery = EmailDelivery.objects.get()
    assert (delivery.state, delivery.attempts, mail_server.taken) == (State.FAILED, 1, [])
    assert "alice" not in delivery.error


def test_a_server_that_hangs_up_after_the_text_may_have_taken_it_and_gets_no_second_copy(reader, mail_server):
    mail_server.answers["END"] = None
    tell(reader, cause="x", **OFFLINE)
    tell(reader, cause="y", **OFFLINE)
    send_due_emails()
    assert states() == [State.UNKNOWN, State.UNKNOWN]
    mail_server.answers["END"] = "250 taken"
    make_due()
    send_due_emails()
    assert mail_server.taken == []


def test_a_hang_up_spoils_only_its_own_email(reader, bob, mail_server):
    confirmed(bob, "bob@example.com")
    tell(reader, cause="x", **OFFLINE)
    tell(bob, cause="x", **OFFLINE)
    with DjangoEmailService() as service:
        mail_server.answers["MAIL"] = "421 closing"
        assert send_next_email(service, now=timezone.now())
        mail_server.answers["MAIL"] = "250 ok"
        assert send_next_email(service, now=timezone.now())
        assert not send_next_email(service, now=timezone.now())
    assert states() == [State.DUE, State.SENT]


def test_a_server_that_vanishes_between_two_emails_has_refused_the_second(mail_server, settings):
    service = DjangoEmailService()
    with service:
        service._connection.close()
        service._connection.port = 1
        with pytest.raises(EmailRefused) as refused:
            service.send(EmailMultiAlternatives("a", "b", to=[ADDRESS]))
    assert not refused.value.is_final


def test_what_a_dead_worker_left_half_way_is_unknown_and_not_sent_again(reader, mailoutbox):
    tell(reader, cause="x", **OFFLINE)
    began = timezone.now()
    EmailDelivery.objects.update(state=State.SENDING, attempts=1, due_at=began)
    assert give_up_interrupted(now=began + timedelta(minutes=15)) == 0
    assert give_up_interrupted(now=began + timedelta(minutes=16)) == 1
    send_due_emails()
    assert (states(), mailoutbox) == ([State.UNKNOWN], [])


def test_the_mark_stands_before_the_service_is_asked(reader):
    """A worker that dies in the middle of sending leaves the mark behind."""

    class Dying:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def send(self, email):
            assert states() == [State.SENDING]
            raise KeyboardInterrupt

    tell(reader, cause="x", **OFFLINE)
    with pytest.raises(KeyboardInterrupt):
        send_next_email(Dying(), now=timezone.now())
    assert states() == [State.SENDING]


def test_news_of_three_days_ago_is_not_sent(reader, mailoutbox):
    tell(reader, cause="x", **OFFLINE)
    Notification.objects.update(created_at=timezone.now() - timedelta(days=3))
    send_due_emails()
    assert (states(), mailoutbox) == ([State.FAILED], [])


@pytest.mark.parametrize(
    ("error", "kind", "is_final"),
    [
        (AnymailAPIError("no", status_code=429), EmailRefused, False),
        (AnymailAPIError("no", status_code=503), EmailRefused, False),
        (AnymailAPIError("no", status_code=400), EmailRefused, True),
        (AnymailAPIError("timeout"), EmailUncertain, None),
        (AnymailRecipientsRefused("no"), EmailRefused, True),
        (AnymailInvalidAddress("no"), EmailRefused, True),
        (smtplib.SMTPServerDisconnected("gone"), EmailUncertain, None),
        (TimeoutError(), EmailUncertain, None),
        (ValueError("header"), EmailRefused, True),
    ],
)
def test_what_the_services_errors_mean(error, kind, is_final):
    outcome = messages._as_outcome(error)
    assert type(outcome) is kind
    assert getattr(outcome, "is_final", None) is is_final
    blames_recipient = isinstance(error, AnymailRecipientsRefused | AnymailInvalidAddress)
    assert getattr(outcome, "blames_recipient", False) is blames_recipient


def test_one_click_unsubscribes_without_a_sign_in(reader, mailoutbox):
    tell(reader, cause="x", **OFFLINE)
    client = client_of(None)
    for _ in range(2):
        answer = client.post(
            unsubscribe_path(reader.pk, ADDRESS),
            "List-Unsubscribe=One-Click",
            content_type="application/x-www-form-urlencoded",
        )
        assert (answer.status_code, answer.json()) == (200, {"detail": "You will get no more e-mail."})
    assert not NotificationPreferences.objects.get(user=reader).email_notifications
    send_due_emails()
    assert (mailoutbox, states()) == ([], [State.SKIPPED])


def test_following_the_link_only_asks(reader):
    answer = client_of(None).get(unsubscribe_path(reader.pk, ADDRESS))
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    page = answer.content.decode()
    assert re.search(r'<form method="post" action="\?token=[^"]+"><button>Unsubscribe</button></form>', page)
    assert "http" not in page
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert NotificationPreferences.objects.get(user=reader).email_notifications


def test_the_pages_button_posts_the_token_alone(reader):
    """Programs that count clicks add parameters to the link, and a write refuses what it does not know."""
    link = unsubscribe_path(reader.pk, ADDRESS)
    page = client_of(None).get(f"{link}&utm_source=mail&utm_medium=%22%3E").content.decode()
    action = re.search(r'action="([^"]+)"', page).group(1)
    assert link.endswith(action)
    assert client_of(None).post(f"{link}&utm_source=mail").status_code == 400
    assert NotificationPreferences.objects.get(user=reader).email_notifications
    assert client_of(None).post(urlsplit(link).path + action).status_code == 200
    assert not NotificationPreferences.objects.get(user=reader).email_notifications


def test_the_pages_button_unsubscribes_and_says_so(reader):
    answer = client_of(None).post(unsubscribe_path(reader.pk, ADDRESS), headers={"Accept": "text/html,*/*;q=0.8"})
    assert "You will get no more e-mail" in answer.content.decode()
    assert not NotificationPreferences.objects.get(user=reader).email_notifications


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("token", ["", "x", "1", "1:x", "\x00", "a" * 200, "{own}x", "2{own}", "{old}"])
def test_other_tokens_change_nothing(reader, method, token):
    own = unsubscribe_path(reader.pk, ADDRESS).partition("=")[2]
    by_user_only = Signer(salt="notifications.emails.unsubscribe").sign(str(reader.pk))
    send = getattr(client_of(None), method)
    answer = send("/api/v1/email/unsubscribe", query_params={"token": token.format(own=unquote(own), old=by_user_only)})
    assert answer.status_code == 400
    assert answer.json()["code"] in ("invalid_token", "invalid_input")
    assert NotificationPreferences.objects.get(user=reader).email_notifications


def test_a_missing_token_and_a_deleted_user(reader):
    client = client_of(None)
    assert client.post("/api/v1/email/unsubscribe").status_code == 400
    assert client.post(unsubscribe_path(10**12, ADDRESS)).status_code == 200
