"""Deleting notifications. No other code deletes rows of notifications, but for the cascade from a deleted user."""

from collections.abc import Iterable
from datetime import datetime

from bitcoingame.core.postgresql.statements import fetch
from notifications.counting import minus_by_type, tally_by_type

_DELETE = f"""
WITH gone AS (
    DELETE FROM notifications
    WHERE id = ANY(%(ids)s) AND (%(old_at)s::timestamptz IS NULL OR read OR expires_at <= %(old_at)s)
    RETURNING id, user_id, type, read, cause
), kept AS (
    INSERT INTO deleted_notifications (notification_id, user_id, cause) SELECT id, user_id, cause FROM gone
    ON CONFLICT DO NOTHING
), tally AS (
    SELECT user_id, count(*) FILTER (WHERE NOT read) AS unread,
           {tally_by_type()} AS stored_by_type, {tally_by_type("NOT read")} AS unread_by_type
    FROM gone GROUP BY user_id
), counted AS (
    UPDATE notification_counters counter
    SET unread = counter.unread - tally.unread,
        stored_by_type = {minus_by_type("counter.stored_by_type", "tally.stored_by_type")},
        unread_by_type = {minus_by_type("counter.unread_by_type", "tally.unread_by_type")}
    FROM tally WHERE counter.user_id = tally.user_id
)
SELECT count(*) FROM gone
"""  # noqa: S608 - constants


def delete_notifications(ids: Iterable[int], *, old_at: datetime | None = None) -> int:
    """Deletes these notifications, or with `old_at` only those that are read or had expired by then. Returns how many.

    The counters go down with them. Their ids and causes stay in deleted_notifications, so that nobody is notified twice
    of one cause. The caller has locked the counters of their users, and asks for no more rows than one statement should
    delete.
    """
    return int(fetch(_DELETE, {"ids": list(ids), "old_at": old_at})[0][0])
