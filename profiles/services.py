"""What users change about themselves."""

from typing import Any

from django.db import transaction

from profiles.models import NotificationPreferences, User


def update_profile(*, user: User, **changes: Any) -> User:
    """Changes display_name or country_code, already clean; None clears."""
    User.objects.filter(pk=user.pk).update(**changes)
    for field, value in changes.items():
        setattr(user, field, value)
    return user


def switch_email_off(*, user_id: int) -> None:
    """Ends the user's e-mails; again is fine."""
    NotificationPreferences.objects.filter(user_id=user_id, email_notifications=True).update(email_notifications=False)


@transaction.atomic
def update_settings(*, user: User, notifications: dict[str, Any], privacy: dict[str, Any]) -> None:
    """Changes the given preferences and privacy settings, by field name; the others stay."""
    if privacy:
        User.objects.filter(pk=user.pk).update(**privacy)
    if notifications:
        NotificationPreferences.objects.filter(user=user).update(**notifications)
