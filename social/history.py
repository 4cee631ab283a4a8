"""What people did lately, for staff's pages."""

from django.db import connection

from bitcoingame.core.staff.pages import Section, link_to_user, when
from profiles.models import fallback_name

# For each user the newest few by the index on (user_id, id), however long anyone's history is.
_LATEST = """
SELECT activity.user_id, users.display_name, users.btc_address, activity.title, activity.created_at
FROM unnest(%(user_ids)s::bigint[]) AS asked (user_id)
JOIN users ON users.id = asked.user_id
CROSS JOIN LATERAL (
    SELECT * FROM user_activity WHERE user_activity.user_id = asked.user_id ORDER BY id DESC LIMIT %(limit)s
) AS activity
ORDER BY activity.id DESC LIMIT %(limit)s
"""


def latest_activities(user_ids: list[int], limit: int) -> Section:
    with connection.cursor() as cursor:
        cursor.execute(_LATEST, {"user_ids": user_ids, "limit": limit})
        rows = cursor.fetchall()
    return Section(
        "Latest activity",
        ("Who", "What", "When"),
        [
            [link_to_user(user_id, name or fallback_name(address) or ""), title, when(at)]
            for user_id, name, address, title, at in rows
        ],
    )
