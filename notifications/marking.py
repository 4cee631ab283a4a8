"""Marking notifications read.

The user's counter row is locked first, as it is when notifications are created, so that nobody sees half of a change.
"""

from functools import partial

from django.db import connection, transaction

from notifications import realtime
from notifications.counting import minus_by_type, place_of, tally_by_type
from notifications.errors import NotificationNotFound
from notifications.frames import read_event
from notifications.models import Notification, NotificationCounter
from notifications.selectors import count_unread

_COUNT_ONE_READ = """
UPDATE notification_counters
SET unread = unread - 1, unread_by_type[%(type)s] = unread_by_type[%(type)s] - 1
WHERE user_id = %(user_id)s
"""
_READ_ALL = f"""
WITH changed AS (
    UPDATE notifications SET read = true WHERE user_id = %(user_id)s AND NOT read AND seq <= %(last_seq)s
    RETURNING type, expires_at
), tally AS (
    SELECT count(*) AS rows, {tally_by_type()} AS by_type,
           count(*) FILTER (WHERE expires_at IS NULL OR expires_at > statement_timestamp()) AS shown
    FROM changed
), counted AS (
    UPDATE notification_counters
    SET unread = unread - tally.rows, unread_by_type = {minus_by_type("unread_by_type", "tally.by_type")}
    FROM tally WHERE user_id = %(user_id)s AND tally.rows > 0
)
SELECT shown, rows FROM tally
"""  # noqa: S608 - constants


@transaction.atomic
def mark_read(*, user_id: int, notification_id: int) -> None:
    """Marks one of the user's notifications read and tells the user's sockets. A second call changes nothing.

    Raises NotificationNotFound, also if the notification belongs to another user.
    """
    _lock_counter(user_id)
    own = Notification.objects.filter(pk=notification_id, user_id=user_id)
    found = own.values_list("type", "read").first()
    if found is None:
        raise NotificationNotFound
    type_, is_read = found
    if is_read:
        return
    own.update(read=True)
    with connection.cursor() as cursor:
        cursor.execute(_COUNT_ONE_READ, {"user_id": user_id, "type": place_of(type_)})
    _tell_sockets(user_id, [notification_id])


@transaction.atomic
def mark_all_read(*, user_id: int) -> int:
    """Marks all of the user's notifications read and tells the user's sockets.

    Returns how many were unread, without the expired ones. Notifications that commit meanwhile stay unread and counted.
    """
    # Read before the lock: the lock may wait for a transaction that adds a notification the user has not seen yet.
    last_seq = NotificationCounter.objects.values_list("last_seq", flat=True).get(pk=user_id)
    _lock_counter(user_id)
    with connection.cursor() as cursor:
        cursor.execute(_READ_ALL, {"user_id": user_id, "last_seq": last_seq})
        shown, changed = cursor.fetchone()
    if changed:
        _tell_sockets(user_id, None)
    return int(shown)


def _lock_counter(user_id: int) -> None:
    NotificationCounter.objects.select_for_update(no_key=True).only("pk").get(pk=user_id)


def _tell_sockets(user_id: int, ids: list[int] | None) -> None:
    event = read_event(ids, count_unread(user_id=user_id))
    transaction.on_commit(partial(realtime.publish, [(user_id, event)]), robust=True)
