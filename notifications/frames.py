"""What is published on `ws:user:{id}` for the user's sockets; the names inside `data` are the dashboard's."""

from collections.abc import Iterable, Mapping
from typing import Any


def notification_event(row: Mapping[str, Any]) -> dict[str, Any]:
    """From a notification's columns."""
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
    """These have been read, or with None all of them; `unread` remain."""
    return {"event": "read", "data": {"ids": "all" if ids is None else [str(id) for id in ids], "unread": unread}}
