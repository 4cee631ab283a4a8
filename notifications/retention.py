"""Deleting old notifications in batches. Each batch is one short transaction that also adjusts the counters."""

from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction

from notifications.counting import lock_counters
from notifications.deleting import delete_notifications

KEPT = timedelta(days=90)

# The cursor (created_at, id) passes old rows that stay, unread and not expired, once and not once per batch.
_FIND = """
SELECT id, user_id, created_at FROM notifications
WHERE created_at < %(before)s AND created_at >= %(created_at)s AND (created_at, id) > (%(created_at)s, %(id)s)
  AND (read OR expires_at <= %(now)s)
ORDER BY created_at, id LIMIT %(batch_size)s
"""


def delete_old_notifications(*, now: datetime, batch_size: int = 1000) -> int:
    """Deletes the notifications that are read or expired and older than 90 days. Returns how many.

    `now` is a datetime with a zone. It commits batch by batch: call it outside a transaction.
    """
    deleted = 0
    cursor_at, cursor_id = datetime.min.replace(tzinfo=now.tzinfo), 0
    while True:
        with transaction.atomic(), connection.cursor() as cursor:
            place: dict[str, Any] = {"created_at": cursor_at, "id": cursor_id}
            cursor.execute(_FIND, place | {"before": now - KEPT, "now": now, "batch_size": batch_size})
            found = cursor.fetchall()
            if found:
                ids, user_ids, _ = zip(*found, strict=True)
                lock_counters(user_ids)
                # A row may have been marked unread or dismissed before the lock.
                deleted += delete_notifications(ids, old_at=now)
                cursor_id, _, cursor_at = found[-1]
        if len(found) < batch_size:
            return deleted
