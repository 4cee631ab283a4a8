"""Refusals of requests, and mistakes of calling code. A mistake ends in a log, never in an answer."""

from bitcoingame.core.errors import DomainError, NotFound


class NotificationNotFound(NotFound):
    code = "notification_not_found"
    detail = "There is no such notification."


class InvalidUnsubscribeToken(DomainError):
    code = "invalid_token"
    detail = "This link to unsubscribe is not valid."


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
