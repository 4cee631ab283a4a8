"""Sending the e-mails that are due, each at most once.

A delivery is marked as being sent, and that mark is committed, before the service is asked. A worker that dies in
between leaves the mark, and nobody can tell any more whether the e-mail went out. Such a delivery counts as unknown and
is not sent again, because the notification itself is in the app and a second copy would annoy. An e-mail that the
service refuses is tried again.
"""

import logging
from datetime import datetime, timedelta
from typing import Required, TypedDict

from django.db import connection

from notifications.email.messages import EmailRefused, EmailService, EmailUncertain, write_email
from notifications.models import EmailDelivery
from notifications.preferences import should_deliver, wire_name
from profiles.models import NotificationPreferences

logger = logging.getLogger(__name__)

RETRY_AFTER = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 30, 120, 360))
# Longer than a job may run, so that no worker can still be sending.
INTERRUPTED_AFTER = timedelta(minutes=15)
# An e-mail that could not be sent for this long is no news any more.
WORTH_SENDING = timedelta(days=2)

_State = EmailDelivery.State
_CLAIM = """
UPDATE email_deliveries SET state = 'sending', attempts = attempts + 1, due_at = %(now)s
WHERE notification_id = (
    SELECT notification_id FROM email_deliveries WHERE state = 'due' AND due_at <= %(now)s
    ORDER BY due_at, notification_id LIMIT 1 FOR UPDATE SKIP LOCKED
)
RETURNING notification_id
"""


class _Outcome(TypedDict, total=False):
    """The fields of EmailDelivery that an attempt changes."""

    state: Required[EmailDelivery.State]
    error: str | None
    due_at: datetime


def has_due_emails(*, now: datetime) -> bool:
    return EmailDelivery.objects.filter(state=_State.DUE, due_at__lte=now).exists()


def send_next_email(service: EmailService, *, now: datetime) -> bool:
    """Sends one e-mail that is due, if its user still wants it, and records the outcome. False if none is due.

    Call it outside a transaction. Several workers may call it at once, because each takes a different e-mail.
    """
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, {"now": now})
        claimed = cursor.fetchone()
    if claimed is None:
        return False
    delivery = EmailDelivery.objects.select_related("notification__user").get(pk=claimed[0])
    _settle(delivery, now, _attempt(delivery, service, now))
    return True


def give_up_interrupted(*, now: datetime) -> int:
    """Marks the e-mails as unknown that a worker was sending when it died. Returns how many."""
    interrupted = EmailDelivery.objects.filter(state=_State.SENDING, due_at__lt=now - INTERRUPTED_AFTER)
    return interrupted.update(state=_State.UNKNOWN, finished_at=now, error="the worker died while sending")


def _attempt(delivery: EmailDelivery, service: EmailService, now: datetime) -> _Outcome:
    notification = delivery.notification
    preferences = NotificationPreferences.objects.get(user_id=notification.user_id)
    if not _is_wanted(delivery, preferences, now):
        return {"state": _State.SKIPPED}
    if notification.created_at < now - WORTH_SENDING:
        return {"state": _State.FAILED, "error": "could not be sent in time"}
    try:
        service.send(write_email(vars(notification), address=preferences.email or ""))
    except EmailRefused as refused:
        if refused.is_final or delivery.attempts > len(RETRY_AFTER):
            return {"state": _State.FAILED, "error": str(refused)}
        return {"state": _State.DUE, "error": str(refused), "due_at": now + RETRY_AFTER[delivery.attempts - 1]}
    except EmailUncertain as uncertain:
        return {"state": _State.UNKNOWN, "error": str(uncertain)}
    return {"state": _State.SENT, "error": None}


def _is_wanted(delivery: EmailDelivery, preferences: NotificationPreferences, now: datetime) -> bool:
    notification = delivery.notification
    switches = {wire_name(name): value for name, value in vars(preferences).items() if not name.startswith("_")}
    return bool(
        notification.user.is_active
        and preferences.email_notifications
        and preferences.email
        and should_deliver(switches, notification.type, notification.subtype)
        and (notification.expires_at is None or notification.expires_at > now)
    )


def _settle(delivery: EmailDelivery, now: datetime, outcome: _Outcome) -> None:
    is_finished = outcome["state"] != _State.DUE
    fields = {**outcome, "finished_at": now if is_finished else None}
    EmailDelivery.objects.filter(pk=delivery.pk).update(**fields)
    if outcome["state"] in (_State.FAILED, _State.UNKNOWN):
        logger.warning("E-mail of notification %d is %s: %s", delivery.pk, outcome["state"], outcome["error"])
