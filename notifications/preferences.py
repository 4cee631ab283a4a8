"""What a user wants to be told: the switches of NotificationPreferences, under the names they have on the wire."""

from collections.abc import Mapping
from typing import Any

from notifications.errors import UnknownKind
from notifications.kinds import find_kind
from profiles.models import NotificationPreferences


def default_preferences() -> dict[str, Any]:
    """The preferences of a user who never touched them."""
    return {
        wire_name(field.name): field.get_default()
        for field in NotificationPreferences._meta.concrete_fields
        if not field.primary_key
    }


def should_deliver(preferences: Mapping[str, Any], type: str, subtype: str) -> bool:
    """Whether a user with these preferences is told of this kind; a switch left out is as by default.

    Raises UnknownKind for what the catalogue does not have.
    """
    kind = find_kind(subtype)
    if kind.type != type:
        raise UnknownKind(f"{subtype} is of type {kind.type}, not {type!r}.")
    switches = default_preferences() | dict(preferences)
    return bool(switches["inApp"]) and (kind.preference is None or bool(switches[wire_name(kind.preference)]))


def wire_name(column: str) -> str:
    first, *others = column.split("_")
    return first + "".join(word.capitalize() for word in others)
