"""Staff's pages of the events that were set aside."""

from typing import Any

from django.contrib import admin
from django.contrib.admin import display
from django.http import HttpRequest

from bitcoingame.core.staff.actions import ActingAdmin, StaffAction
from bitcoingame.core.staff.pages import Section, label, when
from bitcoingame.events.set_aside import try_event_again
from bitcoingame.models import SetAsideEvent
from profiles.admin import list_audit_entries


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
