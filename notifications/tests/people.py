"""Notifies users, and reads what is then in the database."""

from typing import Any

from django.db import connection, transaction

from notifications.models import TYPES, Notification, NotificationCounter
from notifications.services import create_notification
from profiles.models import NotificationPreferences, User


def prefer(user: User, **preferences: Any) -> None:
    NotificationPreferences.objects.filter(user=user).update(**preferences)


def confirmed(user: User, address: str) -> None:
    """The user wants e-mail, and confirmed this address."""
    prefer(user, email_notifications=True, email=address)
    prefer(user, email_state="confirmed")


def tell(*users: User, kind: str = "worker_online", cause: str, variant: str = "", **values: Any) -> int:
    """Calls create_notification in a transaction of its own. The default kind says that bitaxe-1 mines again."""
    if kind == "worker_online":
        values = values or {"worker": "bitaxe-1"}
    with transaction.atomic():
        return create_notification(
            kind=kind, recipients=[user.pk for user in users], cause=cause, variant=variant, **values
        )


def seqs(user: User) -> list[int]:
    return list(Notification.objects.filter(user=user).order_by("seq").values_list("seq", flat=True))


def counter(user: User) -> tuple[int, int]:
    """(last seq, unread)"""
    row = NotificationCounter.objects.get(user=user)
    return row.last_seq, row.unread


def assert_counters_equal_rows() -> None:
    """Every counter says exactly what the rows say."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT counter.user_id, last_seq, unread, stored_by_type, unread_by_type,
                   coalesce(max(seq), 0), count(seq) FILTER (WHERE NOT read),
                   ARRAY(SELECT (SELECT count(*) FROM notifications
                                 WHERE user_id = counter.user_id AND type = named.type)::int
                         FROM unnest(%(types)s::text[]) WITH ORDINALITY named (type, place) ORDER BY place),
                   ARRAY(SELECT (SELECT count(*) FROM notifications
                                 WHERE user_id = counter.user_id AND type = named.type AND NOT read)::int
                         FROM unnest(%(types)s::text[]) WITH ORDINALITY named (type, place) ORDER BY place)
            FROM notification_counters counter LEFT JOIN notifications USING (user_id)
            GROUP BY counter.user_id
            """,
            {"types": list(TYPES)},
        )
        for user_id, last_seq, unread, stored, unread_by, highest, unread_rows, stored_rows, unread_by_rows in cursor:
            assert last_seq >= highest, user_id
            assert (unread, stored, unread_by) == (unread_rows, stored_rows, unread_by_rows), user_id
            assert sum(unread_by) == unread, user_id
