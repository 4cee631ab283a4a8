"""A user's own notifications over HTTP, and unsubscribing from e-mail."""

from django.http import HttpResponse
from django.template.loader import render_to_string
from drf_spectacular.utils import extend_schema
from rest_framework import viewsets
from rest_framework.decorators import action
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from bitcoingame.core.api.pages import requested_page
from bitcoingame.core.api.schema import refusals
from bitcoingame.core.api.serializers import DetailBody, parsed
from notifications import marking, selectors
from notifications.email import messages
from notifications.selectors import Filters
from notifications.serializers import (
    NotificationListOut,
    NotificationOut,
    NotificationQuery,
    UnreadCountOut,
    UnsubscribeQuery,
)
from profiles.services import switch_email_off
from profiles.sign_in.bearer import UserRequest

_PAGE_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'",
    "Referrer-Policy": "no-referrer",
}


class NotificationViewSet(viewsets.ViewSet):
    lookup_value_regex = "[0-9]{1,18}"

    @extend_schema(parameters=[NotificationQuery], responses={200: NotificationListOut, **refusals(400, 404)})
    def list(self, request: UserRequest) -> Response:
        """One's notifications, newest first."""
        page = requested_page(request)
        rows, total = selectors.list_notifications(user_id=request.user.pk, page=page, filters=_filters(request))
        return Response(page.envelope("notifications", [NotificationOut.of(row) for row in rows], total))

    @extend_schema(request=None, responses={200: DetailBody, **refusals(404)})
    @action(detail=True, methods=["post"])
    def read(self, request: UserRequest, pk: str) -> Response:
        """Mark one read."""
        marking.mark_read(user_id=request.user.pk, notification_id=int(pk))
        return Response({"detail": "The notification is marked as read."})

    @extend_schema(request=None, responses={200: DetailBody})
    @action(detail=False, methods=["post"], url_path="read-all")
    def read_all(self, request: UserRequest) -> Response:
        """Mark all read."""
        count = marking.mark_all_read(user_id=request.user.pk)
        return Response({"detail": f"{count} notification{'' if count == 1 else 's'} marked as read."})

    @extend_schema(responses={200: UnreadCountOut})
    @action(detail=False, url_path="unread-count")
    def unread_count(self, request: UserRequest) -> Response:
        """How many are unread."""
        return Response({"unread_count": selectors.count_unread(user_id=request.user.pk)})


class UnsubscribeView(APIView):
    """The unsubscribe links in e-mails lead here. No sign-in is needed, because mail services post by themselves.

    GET only shows a page with a button, because programs that scan an e-mail follow its links too.
    """

    authentication_classes = ()
    permission_classes = (AllowAny,)

    @extend_schema(parameters=[UnsubscribeQuery], responses={(200, "text/html"): str, **refusals(400)})
    def get(self, request: Request) -> HttpResponse:
        """The page that asks."""
        _unsubscriber(request)
        return _page(is_done=False)

    @extend_schema(parameters=[UnsubscribeQuery], request=None, responses={200: DetailBody, **refusals(400)})
    def post(self, request: Request) -> HttpResponse:
        """Get no more e-mail (RFC 8058); again is fine. A browser gets a page."""
        switch_email_off(user_id=_unsubscriber(request))
        if "text/html" in request.headers.get("Accept", ""):
            return _page(is_done=True)
        return Response({"detail": "You will get no more e-mail."})


def _unsubscriber(request: Request) -> int:
    return messages.read_unsubscribe_token(parsed(UnsubscribeQuery, request.query_params)["token"])


def _page(*, is_done: bool) -> HttpResponse:
    page = render_to_string("notifications/unsubscribe.html", {"is_done": is_done})
    return HttpResponse(page, headers=_PAGE_HEADERS)


def _filters(request: UserRequest) -> Filters:
    if request.query_params.keys().isdisjoint(Filters._fields):
        return Filters()
    query = parsed(NotificationQuery, request.query_params)
    before = query.get("before")
    return Filters(
        type=query.get("type"),
        unread=query.get("unread") == "true",
        before=int(before) if before is not None else None,
    )
