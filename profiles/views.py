"""Public profiles, and the pages where users see and change their own data."""

from functools import partial

from drf_spectacular.utils import extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from bitcoingame.core.api.pages import PageQuery, requested_page
from bitcoingame.core.api.schema import refusals
from bitcoingame.core.api.serializers import parsed
from bitcoingame.core.api.views import View, ViewSet
from bitcoingame.core.errors import NotFound
from profiles import services, workers
from profiles.models import User
from profiles.selectors import get_public_profile, get_public_stats
from profiles.serializers import (
    MeForm,
    MeOut,
    ProfileOut,
    ProfileStatsOut,
    SettingsForm,
    SettingsOut,
    WorkerForm,
    WorkerListOut,
    WorkerOut,
    me_of,
    settings_of,
)
from profiles.sign_in.bearer import UserRequest
from profiles.throttles import spend_confirmation


class PublicProfileView(View):
    permission_classes = [AllowAny]

    @extend_schema(responses={200: ProfileOut, **refusals(404)})
    def get(self, request: Request, address: str) -> Response:
        """A miner's public profile. A private miner is answered like an address that nobody has."""
        row = get_public_profile(address)
        if row is None:
            raise NotFound
        return Response(ProfileOut.of(row))


class PublicStatsView(View):
    permission_classes = [AllowAny]

    @extend_schema(responses={200: ProfileStatsOut, **refusals(404)})
    def get(self, request: Request, address: str) -> Response:
        """A miner's public statistics. A private miner is answered like an address that nobody has."""
        row = get_public_stats(address)
        if row is None:
            raise NotFound
        return Response(ProfileStatsOut.of(row))


class MeView(View):
    @extend_schema(responses={200: MeOut})
    def get(self, request: UserRequest) -> Response:
        """The signed-in user."""
        return Response(me_of(self._reload(request)))

    @extend_schema(request=MeForm(partial=True), responses={200: MeOut, **refusals(400)})
    def patch(self, request: UserRequest) -> Response:
        """Change the display name or the country; null clears, what is left out stays."""
        changes = parsed(MeForm, request.data, partial=True)
        return Response(me_of(services.update_profile(user=self._reload(request), **changes)))

    @staticmethod
    def _reload(request: UserRequest) -> User:
        """The user with all fields, because authentication loads only those it needs."""
        return User.objects.get(pk=request.user.pk)


class SettingsView(View):
    @extend_schema(responses={200: SettingsOut})
    def get(self, request: UserRequest) -> Response:
        """One's notification preferences, privacy settings, and what the dashboard keeps of its own."""
        return self._answer(request)

    @extend_schema(request=SettingsForm(partial=True), responses={200: SettingsOut, **refusals(400, 429)})
    def patch(self, request: UserRequest) -> Response:
        """Change some settings; those left out stay.

        A new e-mail address is sent a link, and is mailed nothing else until its owner follows it.
        """
        changes = parsed(SettingsForm, request.data, partial=True)
        update = partial(
            services.update_settings,
            user=request.user,
            notifications=changes.get("notifications", {}),
            privacy=changes.get("privacy", {}),
            kept={section: changes[section] for section in ("mining", "sound") if section in changes},
        )
        try:
            update()
        except services.ConfirmationNeeded as needed:
            spend_confirmation(request, needed.address)
            update(may_mail=True)
        return self._answer(request)

    @staticmethod
    def _answer(request: UserRequest) -> Response:
        loaded = User.objects.select_related("notification_preferences", "dashboard_settings")
        return Response(settings_of(loaded.get(pk=request.user.pk)))


class WorkerViewSet(ViewSet):
    lookup_value_regex = "[0-9]{1,18}"

    @extend_schema(parameters=[PageQuery], responses={200: WorkerListOut, **refusals(400)})
    def list(self, request: UserRequest) -> Response:
        """One's mining machines, by name."""
        page = requested_page(request)
        rows, total = workers.list_workers(user_id=request.user.pk, page=page)
        return Response(page.envelope("workers", [WorkerOut.of(row) for row in rows], total))

    @extend_schema(request=WorkerForm(partial=True), responses={200: WorkerOut, **refusals(400, 404)})
    def partial_update(self, request: UserRequest, pk: str) -> Response:
        """Switch a worker's alerts, or choose after how many minutes it counts as silent; what is left out stays."""
        changes = parsed(WorkerForm, request.data, partial=True)
        return Response(WorkerOut.of(workers.change_worker(user_id=request.user.pk, worker_id=int(pk), **changes)))

    @extend_schema(request=None, responses={204: None, **refusals(404)})
    def destroy(self, request: UserRequest, pk: str) -> Response:
        """Forget a worker that nobody uses any more. If it mines again, it comes back as a new one."""
        workers.delete_worker(user_id=request.user.pk, worker_id=int(pk))
        return Response(status=204)
