"""The latest activities of users."""

from datetime import datetime
from typing import NamedTuple

from django.db import connection

from profiles.names import shown_name

# Reads the newest few of each user by the index on (user_id, created_at, id), so a long history costs no more than a
# short one.
_LATEST = """
SELECT activity.user_id, users.display_name, users.btc_address, activity.title, activity.created_at
FROM unnest(%(user_ids)s::bigint[]) AS asked (user_id)
JOIN users ON users.id = asked.user_id
CROSS JOIN LATERAL (
    SELECT * FROM user_activity WHERE user_activity.user_id = asked.user_id
    ORDER BY created_at DESC, id DESC LIMIT %(limit)s
) AS activity
ORDER BY activity.created_at DESC, activity.id DESC LIMIT %(limit)s
"""


class RecentActivity(NamedTuple):
    """One entry of a user's history: what the user did, in a few words, and when (UTC)."""

    user_id: int
    user_name: str
    title: str
    created_at: datetime


def latest_activities(user_ids: list[int], limit: int) -> list[RecentActivity]:
    """The latest activities of these users together, newest first; at most `limit` entries."""
    with connection.cursor() as cursor:
        cursor.execute(_LATEST, {"user_ids": user_ids, "limit": limit})
        rows = cursor.fetchall()
    return [
        RecentActivity(user_id, shown_name(name, address), title, created_at)
        for user_id, name, address, title, created_at in rows
    ]
