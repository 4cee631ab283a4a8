"""The record of what staff did. The database lets nobody change or delete an entry (profiles/sql/audit_entries.sql)."""

from collections.abc import Mapping
from typing import NamedTuple

from bitcoingame.core.text import BadText, clean_line
from profiles.errors import ReasonMissing
from profiles.models import AuditEntry, User

MAX_REASON = 500

ACTIONS: Mapping[str, str] = {
    "suspend_cooperative": "Suspended the cooperative",
    "restore_cooperative": "Restored the cooperative",
    "dissolve_cooperative": "Dissolved the cooperative",
    "rename_cooperative": "Renamed the cooperative",
    "regenerate_invite_code": "Gave the cooperative a new code",
    "remove_member": "Removed a member",
    "hand_over": "Handed the cooperative over",
    "suspend_user": "Suspended the user",
    "restore_user": "Restored the user",
    "delete_account": "Deleted the account",
    "announce_maintenance": "Announced maintenance",
    "retry_event": "Tried a set-aside event again",
}


class Target(NamedTuple):
    """What staff acted on. `type` is cooperative, user, announcement or event.

    `name` is kept as it was, because an entry outlives what it names.
    """

    type: str
    id: int
    name: str


def record_staff_action(
    *, action: str, target: Target, staff: User, reason: str, details: Mapping[str, object] | None = None
) -> AuditEntry:
    """Writes one entry of the audit log. Call it in the transaction of the action.

    `details` are stored as JSON. Raises ReasonMissing, and KeyError if the action is not in ACTIONS.
    """
    if action not in ACTIONS:
        raise KeyError(action)
    return AuditEntry.objects.create(
        staff_id=staff.pk,
        staff_name=staff.username or staff.shown_name,
        action=action,
        target_type=target.type,
        target_id=target.id,
        target_name=target.name,
        reason=clean_reason(reason),
        details=dict(details or {}),
    )


def clean_reason(reason: str) -> str:
    """The reason as one line of 1 to MAX_REASON characters. Raises ReasonMissing if it cannot be one."""
    try:
        return clean_line(reason, minimum=1, maximum=MAX_REASON)
    except BadText as error:
        raise ReasonMissing(f"Give a reason. {error}") from None
