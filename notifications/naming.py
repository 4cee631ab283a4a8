"""Whom stored texts name, and to whom. may_be_named (notifications/sql/names.sql) has the rule.

A text is asked about when it is delivered and again at each read, so a name is gone for its readers the moment its user
takes it back. notifications/withdrawals.py then takes it out of the tables.
"""

from django.db import transaction

from bitcoingame.core.postgresql.statements import execute, fetch
from notifications.kinds import Person, Text
from notifications.models import Notification

SHOWN_DESCRIPTION = """
CASE WHEN named_user_id IS NULL OR may_be_named(named_user_id, named_as, user_id)
     THEN description ELSE anonymous_description END AS description
"""
"""A column over rows of `notifications`: the description as the user of the row may see it now."""

TURN = "description = anonymous_description, named_user_id = NULL, named_as = NULL, anonymous_description = NULL"
"""What an UPDATE sets in a row whose text may not name its person any more. There is no way back."""

_READ = f"SELECT {SHOWN_DESCRIPTION} FROM notifications WHERE id = %s"  # noqa: S608 - a constant
_HOLD = "SELECT hold_people(%s::bigint[])"
_NAME_IN_BROADCAST = """
UPDATE broadcasts
SET description = CASE WHEN may_be_named(%(person)s, %(name)s, NULL) THEN %(named)s ELSE %(anonymous)s END,
    named_user_id = %(person)s, named_as = %(name)s,
    named_description = %(named)s, anonymous_description = %(anonymous)s
WHERE id = %(id)s AND may_be_named(%(person)s, %(name)s, %(person)s)
"""
_WHICH = "named_user_id = %(user_id)s AND (%(broadcast_id)s::bigint IS NULL OR id = %(broadcast_id)s)"
_HIDE_IN_BROADCASTS = f"""
UPDATE broadcasts SET description = anonymous_description
WHERE {_WHICH} AND NOT may_be_named(named_user_id, named_as, NULL)
"""  # noqa: S608 - a constant
# Until it is delivered a broadcast keeps a name that some may see, because each batch decides who is told.
_FORGET_IN_BROADCASTS = f"""
UPDATE broadcasts SET named_user_id = NULL, named_as = NULL, named_description = NULL, anonymous_description = NULL
WHERE {_WHICH} AND (%(from_everyone)s OR NOT may_be_named(
    named_user_id, named_as, CASE WHEN finished_at IS NULL THEN named_user_id END))
"""  # noqa: S608 - a constant


def read_description(notification_id: int) -> str | None:
    """The notification's description as its user may see it now. Raises Notification.DoesNotExist."""
    rows = fetch(_READ, [notification_id])
    if not rows:
        raise Notification.DoesNotExist
    description: str | None = rows[0][0]
    return description


def hold_person(person: Person) -> None:
    """Keeps anybody from renaming, hiding, suspending or deleting the user until the caller's transaction ends."""
    fetch(_HOLD, [[person.id]])


def name_in_broadcast(broadcast_id: int, text: Text) -> None:
    """Gives a new broadcast the name of the person whom the text names, and who is held, for those who may see it."""
    assert text.person is not None
    columns = {"person": text.person.id, "name": text.person.name, "named": text.description}
    execute(_NAME_IN_BROADCAST, {"id": broadcast_id, "anonymous": text.anonymous, **columns})


def turn_broadcasts(*, user_id: int, from_everyone: bool) -> None:
    """Takes this user's name out of the broadcasts that may not say it any more; `from_everyone` means out of all."""
    with transaction.atomic():
        _turn_broadcasts(user_id=user_id, broadcast_id=None, from_everyone=from_everyone)


def turn_delivered_broadcast(broadcast_id: int, *, user_id: int) -> None:
    """Takes this user's name out of a broadcast that only some could be told, now that it is delivered."""
    _turn_broadcasts(user_id=user_id, broadcast_id=broadcast_id, from_everyone=False)


def _turn_broadcasts(**which: int | bool | None) -> None:
    execute(_HIDE_IN_BROADCASTS, which)
    execute(_FORGET_IN_BROADCASTS, which)
