"""Reads of one user's notifications. Totals come from the user's counters, so they cost the same for any number."""

from typing import Any, NamedTuple

from django.db import connection

from bitcoingame.api import Page
from notifications.counting import place_of, sum_by_type
from notifications.errors import NotificationNotFound
from notifications.models import Notification

Row = dict[str, Any]

COLUMNS = ("id", "type", "subtype", "title", "description", "created_at", "read", "action_url", "action_label")

# By hand, for every poll of the dashboard pays it: the ORM takes longer to build these than PostgreSQL to answer.
_TOTAL = """
SELECT {counted} - (
    SELECT count(*) FROM notifications
    WHERE user_id = %(user_id)s AND expires_at <= statement_timestamp() {filters}
)
FROM notification_counters WHERE user_id = %(user_id)s
"""
_PAGE = f"""
SELECT {", ".join(COLUMNS)} FROM notifications
WHERE user_id = %(user_id)s AND (expires_at IS NULL OR expires_at > statement_timestamp()) {{filters}}
ORDER BY seq DESC LIMIT %(limit)s OFFSET %(offset)s
"""  # noqa: S608 - constants


class Filters(NamedTuple):
    """Which of a user's notifications: of one type, only the unread, only those older than the one with id `before`."""

    type: str | None = None
    unread: bool = False
    before: int | None = None


def list_notifications(*, user_id: int, page: Page, filters: Filters) -> tuple[list[Row], int]:
    """One page, newest first, and how many there are in all; `before` moves the page, not the total.

    Expired ones are neither listed nor counted. Raises NotificationNotFound for a `before` that is not the user's.
    """
    conditions = _conditions(filters)
    arguments: Row = {"user_id": user_id, "type": filters.type, "limit": page.per_page, "offset": page.window.start}
    with connection.cursor() as cursor:
        cursor.execute(_TOTAL.format(counted=_counted(filters), filters=conditions), arguments)
        total = cursor.fetchone()[0]
        if filters.before is not None:
            arguments["before"] = _seq_of(user_id, filters.before)
            conditions += " AND seq < %(before)s"
        if page.window.start >= total:
            return [], total
        cursor.execute(_PAGE.format(filters=conditions), arguments)
        return [dict(zip(COLUMNS, row, strict=True)) for row in cursor.fetchall()], total


def count_unread(*, user_id: int) -> int:
    """How many of the user's notifications are unread and have not expired: one query, whatever the number."""
    filters = Filters(unread=True)
    with connection.cursor() as cursor:
        query = _TOTAL.format(counted=_counted(filters), filters=_conditions(filters))
        cursor.execute(query, {"user_id": user_id})
        return int(cursor.fetchone()[0])


def _counted(filters: Filters) -> str:
    counter = "unread_by_type" if filters.unread else "stored_by_type"
    return f"{counter}[{place_of(filters.type)}]" if filters.type else sum_by_type(counter)


def _conditions(filters: Filters) -> str:
    return ("AND type = %(type)s " if filters.type else "") + ("AND NOT read" if filters.unread else "")


def _seq_of(user_id: int, notification_id: int) -> int:
    seq = Notification.objects.filter(pk=notification_id, user_id=user_id).values_list("seq", flat=True).first()
    if seq is None:
        raise NotificationNotFound
    return seq
