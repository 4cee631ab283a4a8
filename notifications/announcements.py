"""Staff tell everyone of maintenance: once, with a reason, in the audit log."""

from datetime import datetime

from django.db import connection, transaction

from notifications.errors import AnnouncedAlready, StartsInThePast
from notifications.kinds import Text, write_text
from notifications.models import Broadcast
from notifications.services import announce_to_everyone
from profiles.audit import Target, clean_reason, record_staff_action
from profiles.models import User

_COUNT_RECIPIENTS = """
SELECT count(*) FROM users JOIN notification_preferences wish ON wish.user_id = users.id
WHERE users.id > 0 AND users.is_active AND wish.in_app
"""


def preview_maintenance(*, description: str, starts_at: datetime | None) -> Text:
    """What everyone would read. Raises BadValue."""
    return write_text("maintenance", *_variant(description, starts_at))


def count_recipients() -> int:
    """How many would be told now: active miners who want notifications at all."""
    with connection.cursor() as cursor:
        cursor.execute(_COUNT_RECIPIENTS)
        return int(cursor.fetchone()[0])


@transaction.atomic
def announce_maintenance(
    *, staff: User, reason: str, description: str, starts_at: datetime | None, cause: str, now: datetime
) -> Broadcast:
    """Tells everyone, in batches after the commit. The same cause announces once, however often it is sent.

    Raises ReasonMissing, StartsInThePast, AnnouncedAlready; BadValue for a text that is no text.
    """
    clean_reason(reason)
    if starts_at is not None and starts_at <= now:
        raise StartsInThePast
    variant, values = _variant(description, starts_at)
    if not announce_to_everyone(kind="maintenance", cause=cause, variant=variant, **values):
        raise AnnouncedAlready
    broadcast = Broadcast.objects.get(cause=cause)
    target = Target("announcement", broadcast.pk, broadcast.title)
    details = {"description": broadcast.description}
    record_staff_action(action="announce_maintenance", target=target, staff=staff, reason=reason, details=details)
    return broadcast


def _variant(description: str, starts_at: datetime | None) -> tuple[str, dict[str, object]]:
    if starts_at is None:
        return "", {"description": description}
    return "scheduled", {"description": description, "starts_at": starts_at}
