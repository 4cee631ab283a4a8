"""The activity feed: each user's own history, from a closed catalogue of kinds."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from django.db.models.functions import Now

from social.activity_texts import describe_activity
from social.models import UserActivity

TITLES: Mapping[str, str] = {
    "share_submitted": "Mining share submitted",
    "badge_earned": "Earned badge: {name}",
    "level_up": "Reached level {level}: {title}",
    "game_played": "Played {game_type}",
    "lottery_result": "Weekly lottery: ranked #{rank}",
    "coop_joined": "Joined cooperative: {name}",
    "coop_created": "Created cooperative: {name}",
    "streak_milestone": "Reached {weeks}-week mining streak",
    "worldcup_registered": "Registered for World Cup",
    "block_found": "Found Block #{height}!",
}
_TITLE_LENGTH = UserActivity._meta.get_field("title").max_length


class Activity(NamedTuple):
    """One line to record. `values` fill the title of the kind and are stored as metadata.

    `at` is when it happened, in Unix time; without it, it happens now.
    """

    user_id: int
    kind: str
    values: Mapping[str, Any] = {}
    description: str | None = None
    at: float | None = None


def record_activity(
    *, user_id: int, kind: str, description: str | None = None, metadata: Mapping[str, Any] | None = None, **values: Any
) -> None:
    """Adds one line to a user's feed, in the caller's transaction.

    `values` fill the title and are stored as metadata, together with `metadata`. Raises KeyError if the kind is not in
    the catalogue, or if its title names a value that is missing.
    """
    record_activities([Activity(user_id, kind, {**values, **(metadata or {})}, description)])


def record_activities(activities: Sequence[Activity]) -> None:
    """Adds many lines in one statement, in the caller's transaction. Raises KeyError as record_activity does."""
    UserActivity.objects.bulk_create(
        UserActivity(
            user_id=activity.user_id,
            activity_type=activity.kind,
            title=TITLES[activity.kind].format_map(activity.values)[:_TITLE_LENGTH],
            description=activity.description or describe_activity(activity.kind, activity.values),
            metadata=dict(activity.values),
            created_at=Now() if activity.at is None else datetime.fromtimestamp(activity.at, UTC),
        )
        for activity in activities
    )
