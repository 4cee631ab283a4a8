"""Cooperatives and the activity feed over HTTP: parse, call one service or selector, answer."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.permissions import AllowAny, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from bitcoingame.core.api.pages import requested_page
from bitcoingame.core.api.schema import refusals
from bitcoingame.core.api.serializers import DetailBody, parsed
from bitcoingame.core.api.views import View, ViewSet
from profiles.sign_in.bearer import UserRequest
from social import selectors, services
from social.errors import CooperativeNotFound
from social.permissions import IsCooperativeAdmin
from social.serializers import (
    HOURS_OF_WINDOW,
    ActivityFeedOut,
    ActivityOut,
    ActivityQuery,
    CooperativeForm,
    CooperativeListOut,
    CooperativeOut,
    CooperativeQuery,
    CooperativeStatsOut,
    HashratePointOut,
    HashrateQuery,
    HashratesOut,
    InvitationOut,
    InviteCodeForm,
    InviteCodeOut,
    MemberForm,
    NameAvailableOut,
    NameQuery,
)
from social.throttles import bounded_guess

PUBLIC = {"list", "retrieve", "stats", "hashrate", "invite", "name_available"}
FOR_ADMINS = {"update", "destroy", "remove_member", "regenerate_code"}


class CooperativeViewSet(ViewSet):
    lookup_value_regex = "[0-9]{1,18}"

    def get_permissions(self) -> list[Any]:
        if self.action in PUBLIC:
            return [AllowAny()]
        return [IsAuthenticated(), IsCooperativeAdmin()] if self.action in FOR_ADMINS else [IsAuthenticated()]

    @extend_schema(parameters=[CooperativeQuery], responses={200: CooperativeListOut, **refusals(400)})
    def list(self, request: Request) -> Response:
        """The active cooperatives, best weekly rank first."""
        page, search = requested_page(request), request.query_params.get("search", "").strip()
        if search:
            search = parsed(CooperativeQuery, request.query_params)["search"]
        rows, total = selectors.list_cooperatives(page=page, search=search)
        return Response(page.envelope("cooperatives", [CooperativeOut.of(row) for row in rows], total))

    @extend_schema(request=CooperativeForm, responses={201: CooperativeOut, **refusals(400)})
    def create(self, request: UserRequest) -> Response:
        """Found a cooperative; the founder becomes its admin and first member."""
        cooperative = services.create_cooperative(user=request.user, **parsed(CooperativeForm, request.data))
        return Response(self._as_seen(request, cooperative.pk), status=201)

    @extend_schema(responses={200: CooperativeOut, **refusals(404)})
    def retrieve(self, request: Request, pk: str) -> Response:
        """One cooperative and its members; the invite code only for them."""
        return Response(self._as_seen(request, int(pk)))

    @extend_schema(request=CooperativeForm(partial=True), responses={200: CooperativeOut, **refusals(400, 404)})
    def update(self, request: UserRequest, pk: str) -> Response:
        """Change the name or the motto; what is left out stays, a motto of null is cleared."""
        self._check_admin(request, pk)
        changes = parsed(CooperativeForm, request.data, partial=True)
        cooperative = services.update_cooperative(actor=request.user, cooperative_id=int(pk), **changes)
        return Response(self._as_seen(request, cooperative.pk))

    @extend_schema(request=None, responses={204: None, **refusals(400, 404)})
    def destroy(self, request: UserRequest, pk: str) -> Response:
        """Dissolve the cooperative, once its admin is alone in it."""
        self._check_admin(request, pk)
        services.dissolve_cooperative(actor=request.user, cooperative_id=int(pk))
        return Response(status=204)

    @extend_schema(request=InviteCodeForm, responses={200: CooperativeOut, **refusals(400, 429)})
    @action(detail=False, methods=["post"])
    def join(self, request: UserRequest) -> Response:
        """Join by invite code."""
        form = parsed(InviteCodeForm, request.data)
        with bounded_guess(request):
            cooperative = services.join_cooperative(user=request.user, **form)
        return Response(self._as_seen(request, cooperative.pk))

    @extend_schema(request=None, responses={200: DetailBody, **refusals(400)})
    @action(detail=False, methods=["post"])
    def leave(self, request: UserRequest) -> Response:
        """Leave one's cooperative; the longest-serving member succeeds an admin, the last one dissolves it."""
        cooperative = services.leave_cooperative(user=request.user)
        return Response({"detail": f"You have left {cooperative.name}."})

    @extend_schema(responses={200: CooperativeOut, **refusals(404)})
    @action(detail=False)
    def mine(self, request: UserRequest) -> Response:
        """The cooperative that the signed-in user is in; 404 if there is none."""
        return Response(CooperativeOut.of(selectors.get_own_cooperative(viewer_id=request.user.pk)))

    @extend_schema(responses={200: InvitationOut, **refusals(400, 429)})
    @action(detail=False, url_path=r"invite/(?P<code>[\s\S]+)")
    def invite(self, request: Request, code: str) -> Response:
        """What the join page shows before joining. The code may be a pasted join URL, percent-encoded."""
        with bounded_guess(request):
            row = selectors.preview_invitation(invite_code=code)
        return Response(InvitationOut.of(row))

    @extend_schema(parameters=[NameQuery], responses={200: NameAvailableOut, **refusals(400)})
    @action(detail=False, url_path="name-available")
    def name_available(self, request: Request) -> Response:
        """Whether a new cooperative may take this name."""
        query = parsed(NameQuery, request.query_params)
        return Response({"available": selectors.is_name_available(query["name"])})

    @extend_schema(request=MemberForm, responses={200: DetailBody, **refusals(400, 404)})
    @action(detail=True, methods=["post"], url_path="remove-member")
    def remove_member(self, request: UserRequest, pk: str) -> Response:
        """Take a member's seat away."""
        self._check_admin(request, pk)
        form = parsed(MemberForm, request.data)
        services.remove_member(actor=request.user, cooperative_id=int(pk), user_id=int(form["user_id"]))
        return Response({"detail": "The member has been removed."})

    @extend_schema(request=None, responses={200: InviteCodeOut, **refusals(400, 404)})
    @action(detail=True, methods=["post"], url_path="regenerate-code")
    def regenerate_code(self, request: UserRequest, pk: str) -> Response:
        """Replace the invite code; the old one is dead at once."""
        self._check_admin(request, pk)
        cooperative = services.regenerate_invite_code(actor=request.user, cooperative_id=int(pk))
        return Response({"invite_code": cooperative.invite_code})

    @extend_schema(responses={200: CooperativeStatsOut, **refusals(404)})
    @action(detail=True)
    def stats(self, request: Request, pk: str) -> Response:
        """The cooperative's sums and standing."""
        row = selectors.get_cooperative_stats(cooperative_id=int(pk), viewer_id=request.user.pk)
        return Response(CooperativeStatsOut.of(row))

    @extend_schema(parameters=[HashrateQuery], responses={200: HashratesOut, **refusals(400, 404)})
    @action(detail=True)
    def hashrate(self, request: Request, pk: str) -> Response:
        """The combined hashrate of the last hours, one point for each, the oldest first."""
        window = parsed(HashrateQuery, request.query_params)["window"]
        points = selectors.list_hashrates(
            cooperative_id=int(pk), viewer_id=request.user.pk, hours=HOURS_OF_WINDOW[window], now=timezone.now()
        )
        return Response({"window": window, "points": [HashratePointOut.of(point) for point in points]})

    def _as_seen(self, request: Request, cooperative_id: int) -> dict[str, Any]:
        return CooperativeOut.of(selectors.get_cooperative(cooperative_id=cooperative_id, viewer_id=request.user.pk))

    def _check_admin(self, request: Request, pk: str) -> None:
        cooperative = selectors.visible_to(request.user.pk).filter(pk=pk).first()
        if cooperative is None:
            raise CooperativeNotFound
        self.check_object_permissions(request, cooperative)


class ActivityFeedView(View):
    @extend_schema(parameters=[ActivityQuery], responses={200: ActivityFeedOut, **refusals(400, 404)})
    def get(self, request: UserRequest) -> Response:
        """One's own history, newest first."""
        page = requested_page(request)
        before = parsed(ActivityQuery, request.query_params).get("before")
        rows, total = selectors.list_activities(
            user_id=request.user.pk, page=page, before=None if before is None else int(before)
        )
        return Response(page.envelope("activities", [ActivityOut.of(row) for row in rows], total))
