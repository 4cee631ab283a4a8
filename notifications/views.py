"""A user's own notifications over HTTP."""

from drf_spectacular.utils import extend_schema
from rest_framework import viewsets
from rest_framework.decorators import action
from rest_framework.response import Response

from bitcoingame.api import DetailBody, Page, parsed, refusals
from notifications import reading, selectors
from notifications.selectors import Filters
from notifications.serializers import NotificationListOut, NotificationOut, NotificationQuery, UnreadCountOut
from profiles.authentication import UserRequest


class NotificationViewSet(viewsets.ViewSet):
    lookup_value_regex = "[0-9]{1,18}"

    @extend_schema(parameters=[NotificationQuery], responses={200: NotificationListOut, **refusals(400, 401, 403, 404)})
    def list(self, request: UserRequest) -> Response:
        """One's notifications, newest first."""
        page, filters = _window(request)
        rows, total = selectors.list_notifications(user_id=request.user.pk, page=page, filters=filters)
        return Response(page.envelope("notifications", [NotificationOut.of(row) for row in rows], total))

    @extend_schema(request=None, responses={200: DetailBody, **refusals(401, 403, 404)})
    @action(detail=True, methods=["post"])
    def read(self, request: UserRequest, pk: str) -> Response:
        """Mark one read."""
        reading.mark_read(user_id=request.user.pk, notification_id=int(pk))
        return Response({"detail": "The notification is marked as read."})

    @extend_schema(request=None, responses={200: DetailBody, **refusals(401, 403)})
    @action(detail=False, methods=["post"], url_path="read-all")
    def read_all(self, request: UserRequest) -> Response:
        """Mark all read."""
        count = reading.mark_all_read(user_id=request.user.pk)
        return Response({"detail": f"{count} notification{'' if count == 1 else 's'} marked as read."})

    @extend_schema(responses={200: UnreadCountOut, **refusals(401, 403)})
    @action(detail=False, url_path="unread-count")
    def unread_count(self, request: UserRequest) -> Response:
        """How many are unread."""
        return Response({"unread_count": selectors.count_unread(user_id=request.user.pk)})


def _window(request: UserRequest) -> tuple[Page, Filters]:
    if not request.query_params:
        return Page(), Filters()
    query = parsed(NotificationQuery, request.query_params)
    before = query.get("before")
    return Page(query["page"], query["per_page"]), Filters(
        type=query.get("type"),
        unread=query.get("unread") == "true",
        before=int(before) if before is not None else None,
    )
