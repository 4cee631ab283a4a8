"""A user's own notifications over HTTP, and the pages to which the links in e-mails lead."""

from urllib.parse import urlencode

from django.http import HttpResponse
from django.template.loader import render_to_string
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.parsers import FormParser, MultiPartParser
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from bitcoingame.core.api.json import JSONParser
from bitcoingame.core.api.pages import requested_page
from bitcoingame.core.api.refusals import error_response
from bitcoingame.core.api.schema import refusals
from bitcoingame.core.api.serializers import DetailBody, parsed
from bitcoingame.core.api.views import View, ViewSet
from bitcoingame.core.errors import DomainError
from notifications import marking, selectors
from notifications.email import consent, links, tracking
from notifications.errors import InvalidWebhookSignature
from notifications.selectors import Filters
from notifications.serializers import (
    NotificationListOut,
    NotificationOut,
    NotificationQuery,
    ReadAllQuery,
    TokenQuery,
    UnreadCountOut,
    UnsubscribeForm,
)
from profiles.sign_in.bearer import UserRequest
from profiles.throttles import spend_confirmation

FORMS = ("application/x-www-form-urlencoded", "multipart/form-data", "application/json")
_PAGE_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'",
    "Referrer-Policy": "no-referrer",
}


class NotificationViewSet(ViewSet):
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
        """Mark one read; again is fine."""
        marking.mark_read(user_id=request.user.pk, notification_id=int(pk))
        return Response({"detail": "The notification is marked as read."})

    @extend_schema(request=None, responses={200: DetailBody, **refusals(404)})
    @action(detail=True, methods=["post"])
    def unread(self, request: UserRequest, pk: str) -> Response:
        """Mark one unread; again is fine."""
        marking.mark_unread(user_id=request.user.pk, notification_id=int(pk))
        return Response({"detail": "The notification is marked as unread."})

    @extend_schema(request=None, responses={204: None, **refusals(404)})
    def destroy(self, request: UserRequest, pk: str) -> Response:
        """Dismiss one: it is deleted, and what it was about is not told again. Again is fine."""
        marking.dismiss(user_id=request.user.pk, notification_id=int(pk))
        return Response(status=204)

    @extend_schema(parameters=[ReadAllQuery], request=None, responses={200: DetailBody, **refusals(400, 404)})
    @action(detail=False, methods=["post"], url_path="read-all")
    def read_all(self, request: UserRequest) -> Response:
        """Mark all read, or all of one type, or all that are older than one."""
        # As a dict: DRF takes an empty value of a query for none, and would mark all read for `type=`.
        query = parsed(ReadAllQuery, request.query_params.dict())
        before = _id_of(query.get("before"))
        count = marking.mark_all_read(user_id=request.user.pk, type_=query.get("type"), before=before)
        return Response({"detail": f"{count} notification{'' if count == 1 else 's'} marked as read."})

    @extend_schema(responses={200: UnreadCountOut})
    @action(detail=False, url_path="unread-count")
    def unread_count(self, request: UserRequest) -> Response:
        """How many are unread."""
        return Response({"unread_count": selectors.count_unread(user_id=request.user.pk)})


class EmailLinkView(View):
    """The links in e-mails lead to such a page. No sign-in is needed, because mail services and phones have none.

    GET only shows a page with a button, because programs that scan an e-mail follow its links too.
    """

    authentication_classes = ()
    permission_classes = (AllowAny,)
    parser_classes = (FormParser, MultiPartParser, JSONParser)


class UnsubscribeView(EmailLinkView):
    @extend_schema(parameters=[TokenQuery], responses={(200, "text/html"): str, **refusals(400)})
    def get(self, request: Request) -> HttpResponse:
        """The page that asks."""
        links.read_unsubscribe_token(_token(request))
        return _page("Do you want no more e-mail from The Bitcoin Game?", button="Unsubscribe", token=_token(request))

    @extend_schema(
        parameters=[TokenQuery],
        request=dict.fromkeys(FORMS, UnsubscribeForm),
        responses={200: DetailBody, **refusals(400)},
    )
    def post(self, request: Request) -> HttpResponse:
        """Get no more e-mail at the address that got the link (RFC 8058); again is fine. A browser gets a page."""
        if consent.unsubscribe(_token(request)):
            detail = "You will get no more e-mail."
        else:
            detail = "This address gets no e-mail from us any more."
        return _page(detail) if _is_browser(request) else Response({"detail": detail})


class ConfirmEmailView(EmailLinkView):
    @extend_schema(parameters=[TokenQuery], responses={(200, "text/html"): str, **refusals(400, 410)})
    def get(self, request: Request) -> HttpResponse:
        """The page that asks. To a browser, a page too says why a link does not work."""
        try:
            consent.check_confirmation(_token(request))
        except DomainError as refusal:
            return _refusal(request, refusal)
        question = "Do you want e-mail from The Bitcoin Game at this address?"
        return _page(question, button="Confirm", token=_token(request))

    @extend_schema(parameters=[TokenQuery], request=None, responses={200: DetailBody, **refusals(400, 410)})
    def post(self, request: Request) -> HttpResponse:
        """Confirm the address that got the link. A link works once, for 24 hours. A browser gets a page."""
        try:
            consent.confirm(_token(request))
        except DomainError as refusal:
            return _refusal(request, refusal)
        detail = "Your e-mail address is confirmed."
        return _page(detail) if _is_browser(request) else Response({"detail": detail})


class EmailConfirmationView(View):
    @extend_schema(request=None, responses={202: DetailBody, **refusals(400, 429)})
    def post(self, request: UserRequest) -> Response:
        """Send the link once more that confirms the address in one's settings. Links sent before stop working."""
        spend_confirmation(request, consent.get_address_to_confirm(user_id=request.user.pk))
        consent.ask_again(user_id=request.user.pk)
        return Response({"detail": "An e-mail with a link is on its way."}, status=202)


class EmailReportView(APIView):
    """Where the e-mail service reports bounces and complaints, if it is configured to.

    The service decides what it sends, so this is not a `View`, which refuses what it does not know.
    """

    authentication_classes = ()
    permission_classes = (AllowAny,)

    @extend_schema(exclude=True)
    def post(self, request: Request, service: str) -> HttpResponse:
        """One signed report, in the service's own format."""
        try:
            reports = tracking.read_reports(request._request, service)
        except InvalidWebhookSignature as refusal:
            answer = error_response(refusal)
            # Amazon sends its password only when asked to.
            answer.headers["WWW-Authenticate"] = 'Basic realm="reports"'
            return answer
        tracking.take_reports(reports)
        return Response({"detail": "Taken."})


def _token(request: Request) -> str:
    return str(parsed(TokenQuery, request.query_params)["token"])


def _is_browser(request: Request) -> bool:
    return "text/html" in request.headers.get("Accept", "")


def _refusal(request: Request, refusal: DomainError) -> HttpResponse:
    if not _is_browser(request):
        raise refusal
    return _page(refusal.detail, status=refusal.status)


def _page(sentence: str, *, button: str = "", token: str = "", status: int = 200) -> HttpResponse:
    # The button posts the token alone, because programs add parameters to links in e-mails, and a write refuses them.
    values = {"sentence": sentence, "button": button, "query": urlencode({"token": token})}
    page = render_to_string("notifications/email_page.html", values)
    return HttpResponse(page, status=status, headers=_PAGE_HEADERS)


def _filters(request: UserRequest) -> Filters:
    if request.query_params.keys().isdisjoint(Filters._fields):
        return Filters()
    query = parsed(NotificationQuery, request.query_params)
    return Filters(type=query.get("type"), unread=query.get("unread") == "true", before=_id_of(query.get("before")))


def _id_of(text: str | None) -> int | None:
    return None if text is None else int(text)
