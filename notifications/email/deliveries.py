"""Sending the e-mails that are due, each at most once.

An e-mail is marked as being sent, and that mark is committed, before the service is asked. A worker that dies in
between leaves the mark, and nobody can tell any more whether the e-mail went out. Such an e-mail counts as unknown and
is not sent again, because the notification itself is in the app, a confirmation can be asked for again, and a second
copy would annoy. An e-mail that the service refuses is tried again.
"""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple, Required, TypedDict

from django.core.exceptions import ObjectDoesNotExist
from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.db.models import QuerySet

from notifications.email.links import CONFIRMATION_LASTS
from notifications.email.messages import EmailRefused, EmailService, EmailUncertain, write_confirmation, write_email
from notifications.models import EmailConfirmation, EmailDelivery, Notification, OutgoingEmail
from notifications.naming import read_description
from notifications.preferences import should_deliver, wire_name
from profiles.mining import is_silence_news
from profiles.models import EmailState, NotificationPreferences
from profiles.services import pause_email

logger = logging.getLogger(__name__)

RETRY_AFTER = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 30, 120, 360))
# Longer than a job may run, so that no worker can still be sending.
INTERRUPTED_AFTER = timedelta(minutes=15)
# An e-mail that could not be sent for this long is no news any more.
WORTH_SENDING = timedelta(days=2)

_State = OutgoingEmail.State


class _Outcome(TypedDict, total=False):
    """The fields of OutgoingEmail that an attempt changes."""

    state: Required[OutgoingEmail.State]
    error: str | None
    due_at: datetime


class _Letter(NamedTuple):
    """What one attempt would send. `is_wanted` and `address` hold now, `worth_until` is when it stops being news."""

    address: str
    is_wanted: bool
    worth_until: datetime
    write: Callable[[], EmailMultiAlternatives]


def has_due_emails(*, now: datetime) -> bool:
    return any(rows.filter(state=_State.DUE, due_at__lte=now).exists() for rows in _outboxes())


def send_next_email(service: EmailService, *, now: datetime) -> bool:
    """Sends one e-mail that is due, if its user still wants it, and records the outcome. False if none is due.

    Confirmations go first, because somebody waits for them. Call it outside a transaction. Several workers may call it
    at once, because each takes a different e-mail.
    """
    for rows in _outboxes():
        email = _claim(rows, now)
        if email is not None:
            _settle(email, now, _attempt(email, service, now))
            return True
    return False


def give_up_interrupted(*, now: datetime) -> int:
    """Marks the e-mails as unknown that a worker was sending when it died. Returns how many."""
    given_up = 0
    for rows in _outboxes():
        interrupted = rows.filter(state=_State.SENDING, due_at__lt=now - INTERRUPTED_AFTER)
        given_up += interrupted.update(state=_State.UNKNOWN, finished_at=now, error="the worker died while sending")
    return given_up


def _outboxes() -> tuple[QuerySet[EmailConfirmation], QuerySet[EmailDelivery]]:
    return EmailConfirmation.objects.all(), EmailDelivery.objects.all()


@transaction.atomic(durable=True)
def _claim(rows: QuerySet[EmailConfirmation] | QuerySet[EmailDelivery], now: datetime) -> OutgoingEmail | None:
    due = rows.filter(state=_State.DUE, due_at__lte=now).order_by("due_at", "pk")
    email: OutgoingEmail | None = due.select_for_update(skip_locked=True).first()
    if email is not None:
        email.state, email.attempts, email.due_at = _State.SENDING, email.attempts + 1, now
        email.save(update_fields=["state", "attempts", "due_at"])
    return email


def _attempt(email: OutgoingEmail, service: EmailService, now: datetime) -> _Outcome:
    try:
        letter = _letter_of(email, now)
    except ObjectDoesNotExist:
        # The notification or its user was deleted after the claim, and the row of this e-mail with it.
        return {"state": _State.SKIPPED}
    if not letter.is_wanted:
        return {"state": _State.SKIPPED}
    if letter.worth_until < now:
        return {"state": _State.FAILED, "error": "could not be sent in time"}
    try:
        service.send(letter.write())
    except EmailRefused as refused:
        if refused.is_final and refused.blames_recipient:
            pause_email(address=letter.address, reason=EmailState.REFUSED, at=now)
        if refused.is_final or email.attempts > len(RETRY_AFTER):
            return {"state": _State.FAILED, "error": str(refused)}
        return {"state": _State.DUE, "error": str(refused), "due_at": now + RETRY_AFTER[email.attempts - 1]}
    except EmailUncertain as uncertain:
        return {"state": _State.UNKNOWN, "error": str(uncertain)}
    return {"state": _State.SENT, "error": None}


def _letter_of(email: OutgoingEmail, now: datetime) -> _Letter:
    match email:
        case EmailConfirmation():
            return _confirmation_letter(email)
        case EmailDelivery():
            return _notification_letter(email, now)
    raise TypeError(f"{type(email).__name__} is no e-mail of ours.")


def _confirmation_letter(confirmation: EmailConfirmation) -> _Letter:
    user = confirmation.user
    preferences = NotificationPreferences.objects.get(user_id=user.pk)
    asked_for = preferences.email == confirmation.address and not preferences.is_email_confirmed
    return _Letter(
        address=confirmation.address,
        is_wanted=user.is_active and asked_for,
        worth_until=confirmation.asked_at + CONFIRMATION_LASTS,
        write=lambda: write_confirmation(user_id=user.pk, nonce=confirmation.nonce, address=confirmation.address),
    )


def _notification_letter(delivery: EmailDelivery, now: datetime) -> _Letter:
    notification = Notification.objects.select_related("user").get(pk=delivery.pk)
    preferences = NotificationPreferences.objects.get(user_id=notification.user_id)
    address = preferences.email or ""
    columns = {**vars(notification), "description": read_description(notification.pk)}
    return _Letter(
        address=address,
        is_wanted=_is_wanted(notification, preferences) and _is_still_true(notification, now),
        worth_until=notification.created_at + WORTH_SENDING,
        write=lambda: write_email(columns, address=address),
    )


def _is_wanted(notification: Notification, preferences: NotificationPreferences) -> bool:
    switches = {wire_name(name): value for name, value in vars(preferences).items() if not name.startswith("_")}
    return bool(
        notification.user.is_active
        and preferences.email_notifications
        and preferences.email
        and preferences.is_email_confirmed
        and should_deliver(switches, notification.type, notification.subtype)
    )


def _is_still_true(notification: Notification, now: datetime) -> bool:
    """False if the user has read it by now, or if it no longer holds."""
    if notification.read or (notification.expires_at is not None and notification.expires_at <= now):
        return False
    if notification.subtype != "worker_offline":
        return True
    return is_silence_news(
        user_id=notification.user_id,
        name=notification.metadata.get("worker", ""),
        worker_id=notification.metadata.get("worker_id"),
    )


def _settle(email: OutgoingEmail, now: datetime, outcome: _Outcome) -> None:
    is_finished = outcome["state"] != _State.DUE
    fields = {**outcome, "finished_at": now if is_finished else None}
    if isinstance(email, EmailConfirmation):
        # A newer one may have taken its place meanwhile, with a nonce of its own. That one is still to be sent.
        EmailConfirmation.objects.filter(pk=email.pk, nonce=email.nonce).update(**fields)
    else:
        EmailDelivery.objects.filter(pk=email.pk).update(**fields)
    if outcome["state"] in (_State.FAILED, _State.UNKNOWN):
        logger.warning("%s %d is %s: %s", type(email).__name__, email.pk, outcome["state"], outcome["error"])
