"""Events for a user's sockets, published on `ws:user:{id}`. The names inside `data` are the dashboard's."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Literal, TypedDict, get_args

# What becomes of stored notifications. "expired" is found by each process with sockets, and never published.
Change = Literal["read", "unread", "dismissed", "expired"]
CHANGES: frozenset[str] = frozenset(get_args(Change))


class NotificationRow(TypedDict):
    """The columns of a notification that its user's sockets get."""

    id: int
    seq: int
    type: str
    subtype: str
    title: str
    description: str | None
    created_at: datetime
    read: bool
    action_url: str | None
    action_label: str | None


def notification_event(row: NotificationRow) -> dict[str, Any]:
    """The event for one notification: {"event": "notification", "data": {…}}. The id becomes a string."""
    return {
        "event": "notification",
        "data": {
            "id": str(row["id"]),
            "type": row["type"],
            "subtype": row["subtype"],
            "title": row["title"],
            "description": row["description"],
            "timestamp": row["created_at"],
            "read": row["read"],
            "actionUrl": row["action_url"],
            "actionLabel": row["action_label"],
            "seq": row["seq"],
        },
    }


def change_event(event: Change, ids: Iterable[int] | None, unread: int) -> dict[str, Any]:
    """The event for notifications that changed: these ids, or all of them if None. `unread` are unread now."""
    return {"event": event, "data": {"ids": "all" if ids is None else [str(id) for id in ids], "unread": unread}}


def change_frame(event: str, data: Any) -> dict[str, Any] | None:
    """The frame for an event of CHANGES, or None for any other event. It has a `type` and no `channel`.

    Clients take what has a `channel` for a notification.
    """
    if event not in CHANGES or not isinstance(data, dict):
        return None
    return {"type": event, "ids": data.get("ids"), "unread": data.get("unread")}
