"""How a notification is written as an e-mail, and the service that takes it."""

import smtplib
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Protocol, Self
from urllib.parse import urlencode, urlsplit

from anymail.exceptions import AnymailError, AnymailRecipientsRefused  # type: ignore[import-untyped]
from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection
from django.core.signing import BadSignature, Signer
from django.template.loader import render_to_string
from django.urls import reverse

from notifications.errors import InvalidUnsubscribeToken


class EmailRefused(Exception):
    """The service answered that it does not take the e-mail. `is_final` means that it never will."""

    def __init__(self, reason: str, *, is_final: bool) -> None:
        self.is_final = is_final
        super().__init__(reason)


class EmailUncertain(Exception):
    """The service was asked and did not answer. It may or may not have taken the e-mail."""


class EmailUnavailable(Exception):
    """The service cannot be reached. Nothing was handed over."""


class EmailService(Protocol):
    """Hands over e-mails, one at a time, inside its `with` block. Entering the block raises EmailUnavailable."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def send(self, email: EmailMultiAlternatives) -> None:
        """Raises EmailRefused or EmailUncertain."""


class DjangoEmailService:
    """Delivers by the backend that settings.EMAIL_SERVICE names: console, SMTP, or a provider's API by anymail."""

    def __init__(self) -> None:
        self._connection = get_connection()

    def __enter__(self) -> Self:
        try:
            self._connection.open()
        except (OSError, smtplib.SMTPException) as error:
            raise EmailUnavailable(_describe(error)) from error
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def send(self, email: EmailMultiAlternatives) -> None:
        try:
            self._connection.open()
        except (OSError, smtplib.SMTPException) as error:
            raise EmailRefused(_describe(error), is_final=False) from error
        email.connection = self._connection
        try:
            email.send()
        except (OSError, smtplib.SMTPException, AnymailError, ValueError) as error:
            # A server that answered badly may have hung up; the next e-mail gets a connection of its own.
            self._connection.close()
            raise _as_outcome(error) from error


def _as_outcome(error: Exception) -> EmailRefused | EmailUncertain:
    match error:
        case smtplib.SMTPRecipientsRefused():
            codes = [code for code, _ in error.recipients.values()]
            return EmailRefused(f"recipient refused: {codes}", is_final=all(code >= 500 for code in codes))
        case smtplib.SMTPResponseException():
            return EmailRefused(_describe(error), is_final=error.smtp_code >= 500)
        case AnymailError() if error.status_code is not None:
            may_pass = error.status_code == 429 or error.status_code >= 500
            return EmailRefused(_describe(error), is_final=not may_pass)
        case ValueError() | AnymailRecipientsRefused():
            return EmailRefused(_describe(error), is_final=True)
    return EmailUncertain(_describe(error))


def _describe(error: Exception) -> str:
    """Leaves the server's words out, because they tend to repeat the recipient."""
    code = getattr(error, "smtp_code", None) or getattr(error, "status_code", None)
    return f"{type(error).__name__} {code}" if code else type(error).__name__


def write_email(notification: Mapping[str, Any], *, address: str) -> EmailMultiAlternatives:
    """One notification, given by its columns, in plain text and HTML, with the one-click unsubscribe of RFC 8058.

    The Message-ID is made of the notification's id, so that mailboxes recognise two copies as one e-mail.
    """
    unsubscribe_url = f"{settings.PUBLIC_URL}{unsubscribe_path(notification['user_id'])}"
    context = {
        **notification,
        "action_url": f"{settings.DASHBOARD_ORIGINS[0]}{notification['action_url']}",
        "unsubscribe_url": unsubscribe_url,
    }
    email = EmailMultiAlternatives(
        subject=notification["title"],
        body=render_to_string("notifications/email.txt", context),
        to=[address],
        headers={
            "Message-ID": f"<notification-{notification['id']}@{urlsplit(settings.PUBLIC_URL).hostname}>",
            "List-Unsubscribe": f"<{unsubscribe_url}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        },
    )
    email.attach_alternative(render_to_string("notifications/email.html", context), "text/html")
    return email


def unsubscribe_path(user_id: int) -> str:
    """The path and query of the user's unsubscribe link."""
    return f"{reverse('email-unsubscribe')}?{urlencode({'token': _signer().sign(str(user_id))})}"


def read_unsubscribe_token(token: str) -> int:
    """The id of the user the token was made for. A token never expires. Raises InvalidUnsubscribeToken."""
    try:
        return int(_signer().unsign(token))
    except (BadSignature, ValueError):
        raise InvalidUnsubscribeToken from None


def _signer() -> Signer:
    return Signer(salt="notifications.emails.unsubscribe")
