"""Serves the WebSocket on /ws and on no other path, and keeps the hub running as long as the server runs."""

from typing import Any
from urllib.parse import parse_qsl

from notifications.websocket.consumers import NotificationsConsumer
from notifications.websocket.hub import running_hub, stop_hub

PATH = "/ws"
SUBPROTOCOL = "bearer."
MAX_FIELDS = 10

_consumer = NotificationsConsumer.as_asgi()


async def websocket(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Takes the token out of the scope's URL first, because servers log that URL when a socket is accepted."""
    if scope["path"] == PATH:
        await _consumer(_take_query(scope), receive, send)
    else:
        _take_query(scope)
        await receive()
        await send({"type": "websocket.close"})


async def lifespan(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Starts the hub with the server and stops it with the server."""
    await receive()
    await running_hub()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await stop_hub()
    await send({"type": "lifespan.shutdown.complete"})


def _take_query(scope: dict[str, Any]) -> dict[str, Any]:
    query = scope.get("query_string") or b""
    scope["query_string"] = b""
    return scope | _presented(query, scope.get("subprotocols") or [])


def _presented(query: bytes, subprotocols: list[str]) -> dict[str, Any]:
    """The token ("" if there is none), the subprotocol to answer, and `since`: None if not given, -1 if no number."""
    fields = dict(_parse(query))
    offered = next((name for name in subprotocols if name.startswith(SUBPROTOCOL)), None)
    token = fields.get("token") or (offered or "").removeprefix(SUBPROTOCOL)
    return {"token": token, "accepted_subprotocol": offered, "since": _number(fields.get("since"))}


def _parse(query: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(query.decode("latin-1"), max_num_fields=MAX_FIELDS)
    except ValueError:
        return []


def _number(text: str | None) -> int | None:
    if text is None:
        return None
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else -1
