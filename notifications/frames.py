"""Events for a user's sockets, published on `ws:user:{id}`. The names inside `data` are the dashboard's."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, TypedDict


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


def read_event(ids: Iterable[int] | None, unread: int) -> dict[str, Any]:
    """The event for notifications that were read: these ids, or all of them if None. `unread` are still unread."""
    return {"event": "read", "data": {"ids": "all" if ids is None else [str(id) for id in ids], "unread": unread}}
