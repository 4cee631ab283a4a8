"""How our e-mails are written, and the service that takes them."""

import re
import smtplib
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Protocol, Self
from urllib.parse import urlsplit
from uuid import UUID

from anymail.exceptions import (  # type: ignore[import-untyped]
    AnymailError,
    AnymailInvalidAddress,
    AnymailRecipientsRefused,
)
from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection
from django.template.loader import render_to_string

from notifications.email.links import confirmation_path, unsubscribe_path
from notifications.email.unlinking import without_links

_ENHANCED_CODE = re.compile(r"5\.(\d+)\.\d+")


class EmailRefused(Exception):
    """The service answered that it does not take the e-mail. `is_final` means that it never will.

    `blames_recipient` means that it never takes one to this recipient.
    """

    def __init__(self, reason: str, *, is_final: bool, blames_recipient: bool = False) -> None:
        self.is_final = is_final
        self.blames_recipient = blames_recipient
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
            answers = list(error.recipients.values())
            return EmailRefused(
                f"recipient refused: {[code for code, _ in answers]}",
                is_final=all(code >= 500 for code, _ in answers),
                blames_recipient=all(_is_about_mailbox(code, text) for code, text in answers),
            )
        case smtplib.SMTPDataError():
            return EmailRefused(
                _describe(error),
                is_final=error.smtp_code >= 500,
                blames_recipient=_is_about_mailbox(error.smtp_code, error.smtp_error),
            )
        case smtplib.SMTPResponseException():
            return EmailRefused(_describe(error), is_final=error.smtp_code >= 500)
        case AnymailRecipientsRefused() | AnymailInvalidAddress():
            return EmailRefused(_describe(error), is_final=True, blames_recipient=True)
        case AnymailError() if error.status_code is not None:
            may_pass = error.status_code == 429 or error.status_code >= 500
            return EmailRefused(_describe(error), is_final=not may_pass)
        case ValueError():
            return EmailRefused(_describe(error), is_final=True)
    return EmailUncertain(_describe(error))


def _is_about_mailbox(code: int, text: bytes | str) -> bool:
    """Whether a final refusal concerns the mailbox, and not our server, our e-mail or a rule about both.

    A server that also gives an enhanced code (RFC 3463) says so by its second number: 1 is the address, 2 the mailbox.
    Without one, we take any final refusal but those of syntax and sign-in (50x, 53x) as the mailbox's.
    """
    if code < 500:
        return False
    words = text.decode(errors="replace") if isinstance(text, bytes) else text
    enhanced = _ENHANCED_CODE.match(words)
    return enhanced[1] in ("0", "1", "2") if enhanced else code // 10 not in (50, 53)


def _describe(error: Exception) -> str:
    """Leaves the server's words out, because they tend to repeat the recipient."""
    code = getattr(error, "smtp_code", None) or getattr(error, "status_code", None)
    return f"{type(error).__name__} {code}" if code else type(error).__name__


def write_email(notification: Mapping[str, Any], *, address: str) -> EmailMultiAlternatives:
    """One notification, given by its columns, in plain text and HTML, with the one-click unsubscribe of RFC 8058.

    The Message-ID is made of the notification's id, so that mailboxes recognise two copies as one e-mail. People chose
    some of the words, so nothing in them becomes a link or a header of its own.
    """
    unsubscribe_url = f"{settings.PUBLIC_URL}{unsubscribe_path(notification['user_id'], address)}"
    title = without_links(notification["title"])
    context = {
        "title": title,
        "description": without_links(notification["description"] or ""),
        "action_label": notification["action_label"],
        "action_url": f"{settings.DASHBOARD_ORIGINS[0]}{notification['action_url']}",
        "unsubscribe_url": unsubscribe_url,
    }
    headers = {"List-Unsubscribe": f"<{unsubscribe_url}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}
    return _compose(
        "email", context, subject=title, address=address, id_=f"notification-{notification['id']}", headers=headers
    )


def write_confirmation(*, user_id: int, nonce: UUID, address: str) -> EmailMultiAlternatives:
    """The e-mail that asks for a confirmation of the address. Its link works for 24 hours from now."""
    return _compose(
        "confirmation",
        {"confirm_url": f"{settings.PUBLIC_URL}{confirmation_path(user_id, nonce)}"},
        subject="Confirm your e-mail address",
        address=address,
        id_=f"confirmation-{nonce.hex}",
    )


def _compose(
    template: str,
    context: Mapping[str, Any],
    *,
    subject: str,
    address: str,
    id_: str,
    headers: Mapping[str, str] | None = None,
) -> EmailMultiAlternatives:
    email = EmailMultiAlternatives(
        subject=subject,
        body=render_to_string(f"notifications/{template}.txt", context),
        to=[address],
        headers={
            "Message-ID": f"<{id_}@{urlsplit(settings.PUBLIC_URL).hostname}>",
            # Without these, mailboxes answer us with absence notices. We send no Precedence: RFC 3834 made it needless,
            # and mailboxes file its bulk as advertising.
            "Auto-Submitted": "auto-generated",
            "X-Auto-Response-Suppress": "All",
            **(headers or {}),
        },
    )
    email.attach_alternative(render_to_string(f"notifications/{template}.html", context), "text/html")
    return email
