"""Staff's pages about notifications and announcements."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from django import forms
from django.contrib import admin, messages
from django.contrib.admin import display
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from unfold.widgets import UnfoldAdminTextInputWidget

from bitcoingame.core.errors import DomainError
from bitcoingame.core.staff.actions import LineField, ReasonForm
from bitcoingame.core.staff.pages import ReadOnlyAdmin, filter_by, label, when
from notifications.announcements import announce_maintenance, count_recipients, preview_maintenance
from notifications.models import TYPES, Broadcast, Notification
from profiles.models import User
from profiles.staff_pages import PersonalRowsAdmin

MAX_DESCRIPTION = 400


@admin.register(Notification)
class NotificationAdmin(PersonalRowsAdmin):
    list_display = ("id", "user_link", "title", "description", "is_read", "at")
    list_filter = (filter_by("type", TYPES), "read")
    fields = (
        ("user_link", "at"),
        ("type", "subtype"),
        "title",
        "description",
        ("is_read", "expires"),
        ("action_url", "action_label"),
        "metadata",
    )
    readonly_fields = ("user_link", "is_read", "at", "expires")

    @display(description="Read")
    def is_read(self, obj: Notification) -> Any:
        return label("read") if obj.read else label("unread", "info")

    @display(description="Expires")
    def expires(self, obj: Notification) -> str:
        return when(obj.expires_at)


class UtcTimeField(forms.DateTimeField):
    """The browser's datetime-local, which has no zone, read as UTC. Cleans to an aware datetime, or None if empty."""

    widget = UnfoldAdminTextInputWidget(attrs={"type": "datetime-local"})

    def clean(self, value: Any) -> Any:
        moment = super().clean(value)
        return moment.replace(tzinfo=UTC) if isinstance(moment, datetime) else None


class AnnouncementForm(ReasonForm):
    """`token` identifies this announcement, so that a form that is sent twice announces once."""

    description = LineField(
        label="What is going to happen",
        max_length=MAX_DESCRIPTION,
        help_text="One line for everyone, for example: The pool will be down for about ten minutes.",
    )
    starts_at = UtcTimeField(label="Start (UTC)", required=False, help_text="Leave empty if there is no fixed time.")
    token = forms.UUIDField(widget=forms.HiddenInput, initial=uuid4)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, targets=[], **kwargs)

    def clean_starts_at(self) -> datetime | None:
        starts_at: datetime | None = self.cleaned_data["starts_at"]
        if starts_at is not None and starts_at <= timezone.now():
            raise forms.ValidationError("The start lies in the past.")
        return starts_at


@admin.register(Broadcast)
class BroadcastAdmin(ReadOnlyAdmin):
    """Staff write an announcement on one page, check it on the next and send it once. Its own page shows progress."""

    list_display = ("title", "description", "state", "progress", "announced")
    ordering = ("-id",)
    fields = ("title", "description", ("state", "progress"), ("announced", "finished"))
    readonly_fields = ("state", "progress", "announced", "finished")
    change_form_outer_before_template = "staff/progress.html"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(getattr(request.user, "has_perm", lambda _: False)("notifications.add_broadcast"))

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = AnnouncementForm(request.POST if request.method == "POST" else None)
        if not form.is_bound or not form.is_valid() or "edit" in request.POST:
            return self._page(request, form)
        if "send" in request.POST:
            return self._send(request, form)
        return self._page(request, form, **self._preview(form))

    def _preview(self, form: AnnouncementForm) -> dict[str, Any]:
        values = {name: form.cleaned_data[name] for name in ("description", "starts_at")}
        return {"preview": preview_maintenance(**values), "recipients": count_recipients()}

    def _send(self, request: HttpRequest, form: AnnouncementForm) -> HttpResponse:
        values = {name: form.cleaned_data[name] for name in ("reason", "description", "starts_at")}
        cause = f"maintenance:{form.cleaned_data['token']}"
        assert isinstance(request.user, User)
        try:
            announce_maintenance(staff=request.user, cause=cause, now=timezone.now(), **values)
        except DomainError as error:
            messages.error(request, error.detail)
        else:
            messages.success(request, "The announcement is on its way.")
        sent = Broadcast.objects.filter(cause=cause).first()
        if sent is None:
            return self._page(request, form)
        return HttpResponseRedirect(reverse("admin:notifications_broadcast_change", args=[sent.pk]))

    def _page(self, request: HttpRequest, form: AnnouncementForm, **context: Any) -> HttpResponse:
        shared = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Announce maintenance",
            "subtitle": None,
            "form": form,
            "cancel_url": reverse("admin:notifications_broadcast_changelist"),
        }
        return TemplateResponse(request, "staff/announce.html", {**shared, **context})

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        broadcast = self.get_object(request, object_id)
        context = {**(extra_context or {}), "broadcast": broadcast, "percent": _percent(broadcast)}
        return super().change_view(request, object_id, form_url, context)

    @display(description="State")
    def state(self, obj: Broadcast) -> Any:
        return label("delivered", "success") if obj.finished_at else label("being delivered", "info")

    @display(description="Progress")
    def progress(self, obj: Broadcast) -> str:
        total = "?" if obj.users_total is None else f"{obj.users_total:,}"
        return f"{obj.users_done:,} of {total} users, {obj.notified:,} told"

    @display(description="Announced")
    def announced(self, obj: Broadcast) -> str:
        return when(obj.created_at)

    @display(description="Delivered")
    def finished(self, obj: Broadcast) -> str:
        return when(obj.finished_at)


def _percent(broadcast: Model | None) -> int:
    if not isinstance(broadcast, Broadcast) or not broadcast.users_total:
        return 100 if isinstance(broadcast, Broadcast) and broadcast.finished_at else 0
    return min(100, 100 * broadcast.users_done // broadcast.users_total)
