"""Refusals of requests, and mistakes of calling code. A mistake ends in a log, never in an answer."""

from bitcoingame.core.errors import DomainError, NotFound, NotSignedIn


class NotificationNotFound(NotFound):
    code = "notification_not_found"
    detail = "There is no such notification."


class InvalidUnsubscribeToken(DomainError):
    code = "invalid_token"
    detail = "This link to unsubscribe is not valid."


class InvalidConfirmationToken(DomainError):
    code = "invalid_token"
    detail = "This link to confirm an e-mail address is not valid."


class ConfirmationGone(DomainError):
    """The link was ours and works no more."""

    status = 410


class ConfirmationExpired(ConfirmationGone):
    code = "confirmation_expired"
    detail = "This link has expired. Ask for a new one in your settings."


class ConfirmationUsed(ConfirmationGone):
    code = "confirmation_used"
    detail = "This link has been used already."


class ConfirmationSuperseded(ConfirmationGone):
    """The user asked for a newer link, or changed the address."""

    code = "confirmation_superseded"
    detail = "This link is no longer valid, because a newer one was asked for or the address was changed."


class NoEmailGiven(DomainError):
    code = "no_email"
    detail = "There is no e-mail address in your settings."


class EmailConfirmedAlready(DomainError):
    code = "email_already_confirmed"
    detail = "Your e-mail address is confirmed already."


class InvalidWebhookSignature(NotSignedIn):
    code = "invalid_signature"
    detail = "The report is not signed by the e-mail service."


class UnreadableReport(DomainError):
    code = "invalid_input"
    detail = "The report cannot be read."


class NotificationMistake(ValueError):
    """The caller asked for a notification that cannot be created."""


class UnknownKind(NotificationMistake):
    """The catalogue does not have this kind, this variant of it, or has it under another type."""


class MissingValue(NotificationMistake):
    """The kind's texts name a value that the caller did not give."""


class UnknownValue(NotificationMistake):
    """The caller gave a value that the kind's texts do not name."""


class BadValue(NotificationMistake):
    """A value is not a bounded line of plain text, a number or a time with its zone.

    It is raised too for a cause or a title of a wrong length.
    """


class TooManyRecipients(NotificationMistake):
    """More recipients than one statement should carry. Use `announce_to_everyone` to reach everyone."""


class StartsInThePast(DomainError):
    code = "starts_in_the_past"
    detail = "The start of the maintenance lies in the past."


class AnnouncedAlready(DomainError):
    code = "announced_already"
    detail = "This announcement has been sent already."
