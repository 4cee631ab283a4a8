"""What requests are refused with, and the mistakes of code that calls: those end in a log, never in an answer."""

from bitcoingame.core.errors import DomainError, NotFound


class NotificationNotFound(NotFound):
    code = "notification_not_found"
    detail = "There is no such notification."


class InvalidUnsubscribeToken(DomainError):
    code = "invalid_token"
    detail = "This link to unsubscribe is not valid."


class NotificationMistake(ValueError):
    """A call that no notification can come from."""


class UnknownKind(NotificationMistake):
    """The kind, the type it was said to have, or its variant is not in the catalogue."""


class MissingValue(NotificationMistake):
    """The kind's texts speak of something the caller did not give."""


class UnknownValue(NotificationMistake):
    """The caller gave something the kind's texts do not speak of."""


class BadValue(NotificationMistake):
    """A value is not plain text of a bounded length, a number or a time."""


class TooManyRecipients(NotificationMistake):
    """More than one statement should carry; everyone is told by `announce_to_everyone`."""


class StartsInThePast(DomainError):
    code = "starts_in_the_past"
    detail = "The start of the maintenance lies in the past."


class AnnouncedAlready(DomainError):
    code = "announced_already"
    detail = "This announcement has been sent already."
