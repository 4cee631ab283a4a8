"""Which notifications a user wants: the switches of NotificationPreferences, under their names on the wire."""

from collections.abc import Mapping
from typing import Any

from notifications.errors import UnknownKind
from notifications.kinds import find_kind
from profiles.models import NotificationPreferences


def default_preferences() -> dict[str, Any]:
    """The preferences of a user who never changed them: {wire name: value}."""
    return {
        wire_name(field.name): field.get_default()
        for field in NotificationPreferences._meta.concrete_fields
        if field.editable and not field.primary_key
    }


def should_deliver(preferences: Mapping[str, Any], type: str, subtype: str) -> bool:
    """Whether a user with these preferences ({wire name: value}) gets this kind. A missing switch has its default.

    Raises UnknownKind if the catalogue does not have the subtype, or has it under another type.
    """
    kind = find_kind(subtype)
    if kind.type != type:
        raise UnknownKind(f"{subtype} is of type {kind.type}, not {type!r}.")
    switches = default_preferences() | dict(preferences)
    return bool(switches["inApp"]) and (kind.preference is None or bool(switches[wire_name(kind.preference)]))


def wire_name(column: str) -> str:
    """personal_best is personalBest on the wire."""
    first, *others = column.split("_")
    return first + "".join(word.capitalize() for word in others)
