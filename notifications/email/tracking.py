"""What the e-mail service reports of e-mails it took: bounces and complaints pause an address.

Anymail knows the formats and the signatures. Its views are used without its signal, because what follows a report is a
call that one can read.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from anymail.exceptions import AnymailError, AnymailWebhookValidationFailure  # type: ignore[import-untyped]
from anymail.signals import AnymailTrackingEvent, EventType, RejectReason  # type: ignore[import-untyped]
from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone
from django.utils.module_loading import import_string

from bitcoingame.core.errors import NotFound
from notifications.errors import InvalidWebhookSignature, UnreadableReport
from profiles.models import EmailState
from profiles.services import pause_email

_VIEWS = {
    "sendgrid": "anymail.webhooks.sendgrid.SendGridTrackingWebhookView",
    "ses": "anymail.webhooks.amazon_ses.AmazonSESTrackingWebhookView",
}
_SIGNED_BY = {
    "sendgrid": ("WEBHOOK_SECRET", "SENDGRID_TRACKING_WEBHOOK_VERIFICATION_KEY"),
    # Anymail does not check Amazon's signature, so the secret is what proves who reports.
    "ses": ("WEBHOOK_SECRET",),
}
_FAULTS = (AnymailError, AttributeError, KeyError, TypeError, ValueError, OverflowError)


def read_reports(request: HttpRequest, service: str) -> list[AnymailTrackingEvent]:
    """The events of one signed report of the service in use, in Anymail's form.

    Raises NotFound if no reports are expected from `service`, InvalidWebhookSignature, or UnreadableReport.
    """
    if service != settings.EMAIL_SERVICE or not any(settings.ANYMAIL.get(name) for name in _SIGNED_BY.get(service, ())):
        raise NotFound
    view = import_string(_VIEWS[service])()
    try:
        view.run_validators(request)
        return list(view.parse_events(request))
    except AnymailWebhookValidationFailure:
        raise InvalidWebhookSignature from None
    except _FAULTS:
        raise UnreadableReport from None


def take_reports(events: Iterable[AnymailTrackingEvent], *, now: datetime | None = None) -> int:
    """Pauses the addresses of which final bounces and complaints are reported. Returns how many users that concerns.

    A report that comes again, or late, changes nothing if its address was confirmed since.
    """
    paused = 0
    for event in events:
        reason, address = _reason_to_pause(event), event.recipient
        if reason is not None and isinstance(address, str) and address.isascii() and address.isprintable():
            paused += pause_email(address=address, reason=reason, at=event.timestamp or now or timezone.now())
    return paused


def _reason_to_pause(event: AnymailTrackingEvent) -> EmailState | None:
    match event.event_type:
        case EventType.BOUNCED if not _is_soft(event):
            return EmailState.BOUNCED
        case EventType.COMPLAINED:
            return EmailState.COMPLAINED
        case EventType.UNSUBSCRIBED:
            return EmailState.UNSUBSCRIBED
        case EventType.REJECTED if event.reject_reason in (RejectReason.INVALID, RejectReason.BOUNCED):
            return EmailState.REFUSED
    return None


def _is_soft(event: AnymailTrackingEvent) -> bool:
    """Whether the bounce may pass: SendGrid calls it blocked, Amazon anything but permanent."""
    report: Any = event.esp_event if isinstance(event.esp_event, dict) else {}
    bounce = report.get("bounce")
    kind = bounce.get("bounceType", "Permanent") if isinstance(bounce, dict) else "Permanent"
    return report.get("type") == "blocked" or kind != "Permanent"
