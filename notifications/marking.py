"""Marking notifications read or unread, and dismissing them.

The user's counter row is locked first, as it is when notifications are created, so that nobody sees half of a change.
"""

from collections.abc import Iterator, Sequence
from functools import partial

from django.db import connection, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from notifications import realtime
from notifications.counting import minus_by_type, place_of, tally_by_type
from notifications.deleting import delete_notifications
from notifications.errors import NotificationNotFound
from notifications.frames import Change, change_event
from notifications.models import DeletedNotification, Notification, NotificationCounter
from notifications.selectors import count_unread, find_newest_before

# So many ids fit into one message to the sockets, with room to spare.
IDS_PER_MESSAGE = 1000

_MARK = """
WITH changed AS (
    UPDATE notifications SET read = %(read)s WHERE id = %(id)s AND read <> %(read)s RETURNING 1
)
UPDATE notification_counters
SET unread = unread + %(change)s, unread_by_type[%(type)s] = unread_by_type[%(type)s] + %(change)s
WHERE user_id = %(user_id)s AND EXISTS (SELECT FROM changed)
"""
_READ_ALL = f"""
WITH changed AS (
    UPDATE notifications SET read = true
    WHERE user_id = %(user_id)s AND NOT read AND seq <= %(last_seq)s AND (%(type)s::text IS NULL OR type = %(type)s)
    RETURNING id, type, expires_at IS NULL OR expires_at > statement_timestamp() AS is_shown
), tally AS (
    SELECT count(*) AS rows, {tally_by_type()} AS by_type, array_agg(id ORDER BY id) FILTER (WHERE is_shown) AS shown
    FROM changed
), counted AS (
    UPDATE notification_counters
    SET unread = unread - tally.rows, unread_by_type = {minus_by_type("unread_by_type", "tally.by_type")}
    FROM tally WHERE user_id = %(user_id)s AND tally.rows > 0
)
SELECT coalesce(shown, '{{}}') FROM tally
"""  # noqa: S608 - constants


@transaction.atomic
def mark_read(*, user_id: int, notification_id: int) -> None:
    """Marks one of the user's notifications read and tells the user's sockets. A second call changes nothing.

    Raises NotificationNotFound, also if the notification belongs to another user or is deleted.
    """
    _lock_counter(user_id)
    _mark(user_id, _find(Notification.objects.filter(user_id=user_id), notification_id), is_read=True)


@transaction.atomic
def mark_unread(*, user_id: int, notification_id: int) -> None:
    """Marks one of the user's notifications unread and tells the user's sockets. A second call changes nothing.

    Raises NotificationNotFound, also if the notification belongs to another user, is deleted or has expired.
    """
    _lock_counter(user_id)
    own = Notification.objects.filter(user_id=user_id).exclude(expires_at__lte=Now())
    _mark(user_id, _find(own, notification_id), is_read=False)


@transaction.atomic
def mark_all_read(*, user_id: int, type_: str | None = None, before: int | None = None) -> int:
    """Marks the user's notifications read and tells the user's sockets.

    All of them, or those of one type, or those older than the one with the id `before`. Returns how many were unread,
    without the expired ones. Notifications that commit meanwhile stay unread and counted. Raises NotificationNotFound
    if `before` is another user's.
    """
    # Read before the lock: the lock may wait for a transaction that adds a notification the user has not seen yet.
    last_seq = NotificationCounter.objects.values_list("last_seq", flat=True).get(pk=user_id)
    if before is not None:
        last_seq = min(last_seq, find_newest_before(user_id=user_id, before=before))
    _lock_counter(user_id)
    with connection.cursor() as cursor:
        cursor.execute(_READ_ALL, {"user_id": user_id, "last_seq": last_seq, "type": type_})
        shown: list[int] = cursor.fetchone()[0]
    if shown:
        _tell_sockets(user_id, "read", None if type_ is None and before is None else shown)
    return len(shown)


@transaction.atomic
def dismiss(*, user_id: int, notification_id: int) -> None:
    """Deletes one of the user's notifications and tells the user's sockets. A second call changes nothing.

    An e-mail of it that is still due goes with it. The user is not notified of its cause again. Raises
    NotificationNotFound, also if the notification belongs to another user.
    """
    _lock_counter(user_id)
    if Notification.objects.filter(pk=notification_id, user_id=user_id).exists():
        delete_notifications([notification_id])
        _tell_sockets(user_id, "dismissed", [notification_id])
    elif not DeletedNotification.objects.filter(pk=notification_id, user_id=user_id).exists():
        raise NotificationNotFound


def _find(own: QuerySet[Notification], notification_id: int) -> Notification:
    found = own.only("type", "read").filter(pk=notification_id).first()
    if found is None:
        raise NotificationNotFound
    return found


def _mark(user_id: int, notification: Notification, *, is_read: bool) -> None:
    if notification.read == is_read:
        return
    values = {
        "id": notification.pk,
        "user_id": user_id,
        "type": place_of(notification.type),
        "read": is_read,
        "change": -1 if is_read else 1,
    }
    with connection.cursor() as cursor:
        cursor.execute(_MARK, values)
    _tell_sockets(user_id, "read" if is_read else "unread", [notification.pk])


def _lock_counter(user_id: int) -> None:
    NotificationCounter.objects.select_for_update(no_key=True).only("pk").get(pk=user_id)


def _tell_sockets(user_id: int, change: Change, ids: Sequence[int] | None) -> None:
    unread = count_unread(user_id=user_id)
    messages = [(user_id, change_event(change, some, unread)) for some in _parts(ids)]
    transaction.on_commit(partial(realtime.publish, messages), robust=True)


def _parts(ids: Sequence[int] | None) -> Iterator[Sequence[int] | None]:
    if ids is None:
        yield None
        return
    for start in range(0, len(ids), IDS_PER_MESSAGE):
        yield ids[start : start + IDS_PER_MESSAGE]
