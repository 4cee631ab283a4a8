"""Staff's pages of what the wiring keeps: events set aside, and the queue's own pages for superusers."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, reverse
from django_rq.admin import QueueAdmin
from django_rq.models import Dashboard
from redis.exceptions import RedisError
from rq.exceptions import NoSuchJobError
from unfold.decorators import display

from bitcoingame.errors import DomainError
from bitcoingame.events.intake import try_again
from bitcoingame.models import SetAsideEvent
from bitcoingame.staff.actions import ActingAdmin, StaffAction
from bitcoingame.staff.pages import Section, label, when
from profiles.admin import list_audit_entries
from profiles.audit import Target, clean_reason, record_staff_action
from profiles.models import User

admin.site.index_template = "staff/start.html"


class EventFailsStill(DomainError):
    code = "event_fails_still"
    detail = "The event failed again."


def try_event_again(*, staff: User, reason: str, set_aside_id: int) -> None:
    """Handles an event once more that was set aside. Raises ReasonMissing, NotFound, EventFailsStill with its reason.

    A failed try is counted and audited as well.
    """
    clean_reason(reason)
    with transaction.atomic():
        outcome = try_again(set_aside_id)
        event = SetAsideEvent.objects.get(pk=set_aside_id)
        target = Target("event", set_aside_id, str(event))
        details = {"outcome": outcome.status}
        record_staff_action(action="retry_event", target=target, staff=staff, reason=reason, details=details)
    if outcome.status == "set_aside":
        raise EventFailsStill(f"It failed again. {outcome.reason}")


@admin.register(SetAsideEvent)
class SetAsideEventAdmin(ActingAdmin):
    staff_actions = (
        StaffAction(
            "try-again",
            "Try again",
            try_event_again,
            "bitcoingame.change_setasideevent",
            "The event is handled as if it came now. It takes effect once; if it fails again it stays here.",
            "Handled",
            icon="replay",
            is_offered=lambda event: event.state == SetAsideEvent.State.WAITING,
        ),
    )
    id_argument = "set_aside_id"
    list_display = ("event_name", "is_waiting", "reason", "stream", "tries", "since")
    list_filter = ("state", "stream")
    ordering = ("-id",)
    fields = (("event_name", "is_waiting"), ("stream", "entry"), "reason", "payload", ("since", "handled", "tries"))
    readonly_fields = ("event_name", "is_waiting", "since", "handled")

    def get_sections(self, request: HttpRequest, obj: SetAsideEvent) -> list[Section]:
        return [list_audit_entries("event", obj.pk)]

    @display(description="Event")
    def event_name(self, obj: SetAsideEvent) -> str:
        return obj.event or "unreadable"

    @display(description="State")
    def is_waiting(self, obj: SetAsideEvent) -> Any:
        is_waiting = obj.state == SetAsideEvent.State.WAITING
        return label("waiting", "warning") if is_waiting else label("handled", "success")

    @display(description="Set aside")
    def since(self, obj: SetAsideEvent) -> str:
        return when(obj.set_aside_at)

    @display(description="Handled")
    def handled(self, obj: SetAsideEvent) -> str:
        return when(obj.handled_at)


def _superusers_only(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """And what the queue's pages stumble over, a job that is gone or Redis that is down, becomes a message."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not _is_superuser(request):
            raise PermissionDenied
        try:
            return view(request, *args, **kwargs)
        except (NoSuchJobError, ValueError, LookupError):
            messages.error(request, "There is no such job or worker any more.")
        except RedisError:
            messages.error(request, "Redis does not answer; the queue cannot be shown.")
        return HttpResponseRedirect(reverse("admin:index"))

    return guarded


def _is_superuser(request: HttpRequest) -> bool:
    return bool(request.user.is_active and getattr(request.user, "is_superuser", False))


admin.site.unregister(Dashboard)


@admin.register(Dashboard)
class BackgroundJobsAdmin(QueueAdmin):
    """The queue's own pages, all of them for superusers: arguments of jobs may name people."""

    def get_urls(self) -> list[URLPattern]:
        """Without the pages of a row: behind this model is no table."""
        rows = {f"django_rq_dashboard_{page}" for page in ("add", "change", "delete", "history")}
        urls = [url for url in super().get_urls() if url.name and url.name not in rows]
        for url in urls:
            url.callback = self.admin_site.admin_view(_superusers_only(url.callback))
        return urls

    def has_module_permission(self, request: HttpRequest) -> bool:
        return _is_superuser(request)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return _is_superuser(request)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False
