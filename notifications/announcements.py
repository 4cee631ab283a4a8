"""Staff announce maintenance to everyone: once, with a reason, in the audit log."""

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
    """The text that everyone would get. Raises BadValue for a description that is not one line of plain text."""
    return write_text("maintenance", *_variant(description, starts_at))


def count_recipients() -> int:
    """How many users would get an announcement now: active miners whose inApp switch is on."""
    with connection.cursor() as cursor:
        cursor.execute(_COUNT_RECIPIENTS)
        return int(cursor.fetchone()[0])


@transaction.atomic
def announce_maintenance(
    *, staff: User, reason: str, description: str, starts_at: datetime | None, cause: str, now: datetime
) -> Broadcast:
    """Announces maintenance to everyone and writes it into the audit log. A job delivers in batches after the commit.

    `starts_at` and `now` are datetimes with a zone. Raises ReasonMissing; StartsInThePast; AnnouncedAlready for a cause
    that was announced before; BadValue for a description that is not one line of plain text.
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
