"""What users change about themselves."""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

import orjson
from django.conf import settings
from django.db import transaction
from django.db.models.functions import Lower, Trunc
from django.utils.module_loading import import_string

from bitcoingame.core.claims import claims_address
from bitcoingame.core.errors import InvalidInput
from profiles.models import MAX_SECTION_BYTES, DashboardSettings, EmailState, NotificationPreferences, User


class ConfirmationNeeded(Exception):
    """The change would send an e-mail that asks `address` to confirm, and the caller did not allow for one."""

    def __init__(self, address: str) -> None:
        self.address = address
        super().__init__("The change would send an e-mail.")


def update_profile(*, user: User, **changes: Any) -> User:
    """Changes display_name or country_code, and returns the user. Values are already clean; None clears a field.

    Raises InvalidInput for a name by which pages call another miner who has chosen none.
    """
    if claims_address(changes.get("display_name") or "", own_address=user.btc_address):
        raise InvalidInput({"display_name": ["This is how miners without a name are called."]})
    User.objects.filter(pk=user.pk).update(**changes)
    for field, value in changes.items():
        setattr(user, field, value)
    if "display_name" in changes:
        _call(settings.ON_NAME_CHANGE)
    return user


@transaction.atomic
def update_settings(
    *,
    user: User,
    notifications: Mapping[str, Any],
    privacy: Mapping[str, Any],
    kept: Mapping[str, dict[str, Any] | None] = MappingProxyType({}),
    may_mail: bool = False,
) -> None:
    """Changes the preferences and privacy settings given as {field: value}. The others stay as they are.

    `kept` are changes of the dashboard's own sections, as {section: {key: value}}: other keys stay, and None empties
    the section. Raises InvalidInput, and changes nothing, if a section would take more than MAX_SECTION_BYTES.

    A new address is unconfirmed, and is asked by e-mail to confirm. So is the old one if e-mail is paused and the user
    switches it on again. Raises ConfirmationNeeded, and changes nothing, unless the caller may cause that e-mail.
    """
    if kept:
        _change_sections(user.pk, kept)
    if privacy:
        User.objects.filter(pk=user.pk).update(**privacy)
        _call(settings.ON_NAME_CHANGE)
    if notifications:
        before = lock_preferences(user_id=user.pk)
        address = _address_to_ask(before, notifications)
        if address and not may_mail:
            raise ConfirmationNeeded(address)
        NotificationPreferences.objects.filter(user=user).update(**notifications)
        if address:
            _call(settings.ON_EMAIL_GIVEN, user_id=user.pk, address=address)


def lock_preferences(*, user_id: int) -> NotificationPreferences:
    """The user's preferences, locked until the end of the transaction. Raises NotificationPreferences.DoesNotExist."""
    return NotificationPreferences.objects.select_for_update(no_key=True).get(pk=user_id)


def confirm_email(*, user_id: int) -> None:
    """Lets the user's present address be mailed. Call it after lock_preferences, so that it is the right address."""
    NotificationPreferences.objects.filter(user_id=user_id).update(email_state=EmailState.CONFIRMED)


def switch_email_off(*, user_id: int) -> None:
    """Ends the user's e-mails until the address is confirmed again. A second call changes nothing."""
    NotificationPreferences.objects.filter(user_id=user_id).update(
        email_notifications=False, email_state=EmailState.UNSUBSCRIBED
    )


def pause_email(*, address: str, reason: EmailState, at: datetime) -> int:
    """Pauses the e-mail of all users with this address, and returns how many.

    Passes over those who gave or confirmed the address after `at`, and those who are paused already.
    """
    # The times that providers report have no fractions of seconds.
    since = Trunc("email_state_at", "second")
    return (
        NotificationPreferences.objects.alias(lower_email=Lower("email"), since=since)
        .filter(email__isnull=False, lower_email=address.lower())
        .filter(email_state__in=[EmailState.UNCONFIRMED, EmailState.CONFIRMED])
        .exclude(since__gt=at)
        .update(email_state=reason)
    )


def _call(path: str, **arguments: Any) -> None:
    """Calls a function that a setting names, because profiles may not import the packages above it."""
    import_string(path)(**arguments)


def _address_to_ask(before: NotificationPreferences, changes: Mapping[str, Any]) -> str | None:
    address: str | None = changes.get("email", before.email)
    if address != before.email:
        return address
    is_switched_on = changes.get("email_notifications", False) and not before.email_notifications
    return address if is_switched_on and before.email_paused else None


def _change_sections(user_id: int, changes: Mapping[str, dict[str, Any] | None]) -> None:
    DashboardSettings.objects.bulk_create([DashboardSettings(user_id=user_id)], ignore_conflicts=True)
    row = DashboardSettings.objects.select_for_update().get(pk=user_id)
    merged = {section: _merge(getattr(row, section), change) for section, change in changes.items()}
    too_large = [section for section, text in merged.items() if len(text) > MAX_SECTION_BYTES]
    if too_large:
        raise InvalidInput({section: [f"This may take at most {MAX_SECTION_BYTES} bytes."] for section in too_large})
    DashboardSettings.objects.filter(pk=user_id).update(**{name: text.decode() for name, text in merged.items()})


def _merge(present: str, change: dict[str, Any] | None) -> bytes:
    return orjson.dumps({} if change is None else orjson.loads(present) | change)
