"""What users change about themselves."""

from typing import Any

from django.db import transaction

from profiles.models import NotificationPreferences, User


def update_profile(*, user: User, **changes: Any) -> User:
    """Changes display_name or country_code, and returns the user. Values are already clean; None clears a field."""
    User.objects.filter(pk=user.pk).update(**changes)
    for field, value in changes.items():
        setattr(user, field, value)
    return user


def switch_email_off(*, user_id: int) -> None:
    """Ends the user's e-mails. Does nothing if they have ended already."""
    NotificationPreferences.objects.filter(user_id=user_id, email_notifications=True).update(email_notifications=False)


@transaction.atomic
def update_settings(*, user: User, notifications: dict[str, Any], privacy: dict[str, Any]) -> None:
    """Changes the preferences and privacy settings given as {field: value}. The others stay as they are."""
    if privacy:
        User.objects.filter(pk=user.pk).update(**privacy)
    if notifications:
        NotificationPreferences.objects.filter(user=user).update(**notifications)
