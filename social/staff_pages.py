"""The section that the admin's pages of users and of cooperatives have in common."""

from bitcoingame.core.staff.pages import Section, link_to_user, when
from social.history import latest_activities


def list_latest_activities(user_ids: list[int], limit: int) -> Section:
    """The latest activities of these users, newest first; at most `limit` rows."""
    return Section(
        "Latest activity",
        ("Who", "What", "When"),
        [
            [link_to_user(activity.user_id, activity.user_name), activity.title, when(activity.created_at)]
            for activity in latest_activities(user_ids, limit)
        ],
    )
