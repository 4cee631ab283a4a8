"""Staff's pages of the miners. They stand above the apps because acting on an account changes its cooperative too."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.contrib.admin import display
from django.db.models import QuerySet
from django.http import HttpRequest

from bitcoingame.core.staff.actions import ActingAdmin, StaffAction
from bitcoingame.core.staff.pages import (
    NOTHING,
    Section,
    label,
    link_to_cooperative,
    mask_email,
    shorten_address,
    shorten_hashrate,
    when,
)
from bitcoingame.staff import accounts
from notifications.models import Notification
from profiles.admin import list_audit_entries
from profiles.models import User
from profiles.searching import find_users
from social.staff_pages import list_latest_activities

MODERATE = "profiles.moderate_user"
ROWS_SHOWN = 15

ACTIONS = (
    StaffAction(
        "suspend",
        "Suspend",
        accounts.suspend_user,
        MODERATE,
        "The user leaves their cooperative (the longest-serving member succeeds an admin), their sockets close, their "
        "sessions end and the API answers 403.",
        "Suspended",
        icon="block",
        is_offered=lambda user: user.is_active,
    ),
    StaffAction(
        "restore",
        "Restore",
        accounts.restore_user,
        MODERATE,
        "The user may sign in again. Their seat in a cooperative does not come back by itself.",
        "Restored",
        icon="undo",
        is_offered=lambda user: not user.is_active,
    ),
    StaffAction(
        "delete",
        "Delete account",
        accounts.delete_account,
        "profiles.delete_user",
        "The account and everything that is its own is deleted for good: profile, history, notifications. It leaves "
        "its cooperative as when suspended.",
        "Deleted",
        is_bulk=False,
        is_dangerous=True,
        icon="delete_forever",
    ),
)


class SeatFilter(admin.SimpleListFilter):
    title = "cooperative"
    parameter_name = "seat"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("admin", "Admin of one"), ("member", "Member of one")]

    def queryset(self, request: HttpRequest, rows: QuerySet[User]) -> QuerySet[User]:
        match self.value():
            case "admin" | "member" as role:
                return rows.filter(memberships__role=role)
        return rows


@admin.register(User)
class UserAdmin(ActingAdmin):
    staff_actions = ACTIONS
    id_argument = "user_id"
    list_display = ("name", "address", "state", "cooperative", "country", "joined")
    list_filter = ("is_active", SeatFilter, "created_at")
    ordering = ("-created_at", "-id")
    search_fields = ("display_name",)
    search_help_text = "The start of a display name or of an address, or an id"
    readonly_fields = ("name", "country", "state", "cooperative", "joined", "privacy", "level", "records", "email")

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        """Miners. Only superusers see those who are staff too."""
        miners: QuerySet[User] = super().get_queryset(request).filter(btc_address__isnull=False)
        if not request.user.is_superuser:
            miners = miners.filter(is_staff=False, is_superuser=False)
        return miners.prefetch_related("memberships__cooperative")

    def get_search_results(self, request: HttpRequest, rows: Any, term: str) -> tuple[Any, bool]:
        return (find_users(rows, term.strip()) if term.strip() else rows), False

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        person = [("name", "state"), "btc_address", ("cooperative", "country"), ("joined", "privacy")]
        if request.user.is_superuser:
            person.append("email")
        return ((None, {"fields": person}), ("Game", {"fields": (("level", "records"),)}))

    def get_sections(self, request: HttpRequest, obj: User) -> Iterable[Section]:
        yield list_audit_entries("user", obj.pk)
        workers = obj.workers.order_by("-is_online", "name")[:ROWS_SHOWN]
        yield Section(
            "Workers",
            ("Name", "State", "Hashrate 1h", "Last share"),
            [
                [
                    worker.name,
                    label("online", "success") if worker.is_online else label("offline"),
                    shorten_hashrate(worker.hashrate_1h),
                    when(worker.last_share_at),
                ]
                for worker in workers
            ],
            "No machine has mined yet.",
        )
        yield list_latest_activities([obj.pk], ROWS_SHOWN)
        notifications = Notification.objects.filter(user=obj).order_by("-seq")[:ROWS_SHOWN]
        yield Section(
            "Latest notifications",
            ("Title", "What it says", "Read", "When"),
            [[row.title, row.description, "yes" if row.read else "no", when(row.created_at)] for row in notifications],
        )

    @display(description="Name")
    def name(self, obj: User) -> str:
        return obj.shown_name

    @display(description="Address")
    def address(self, obj: User) -> Any:
        return shorten_address(obj.btc_address)

    @display(description="Country")
    def country(self, obj: User) -> str:
        return obj.country_code or NOTHING

    @display(description="State")
    def state(self, obj: User) -> Any:
        return label("active", "success") if obj.is_active else label("suspended", "danger")

    @display(description="Cooperative")
    def cooperative(self, obj: User) -> Any:
        seat = next(iter(obj.memberships.all()), None)
        return link_to_cooperative(seat.cooperative_id, seat.cooperative.name) if seat else NOTHING

    @display(description="Joined")
    def joined(self, obj: User) -> str:
        return when(obj.created_at)

    @display(description="Privacy")
    def privacy(self, obj: User) -> str:
        hidden = [
            word
            for word, shown in (
                ("profile", obj.public_profile),
                ("leaderboard", obj.show_on_leaderboard),
                ("country flag", obj.show_country_flag),
                ("cooperative rankings", obj.show_in_coop_rankings),
            )
            if not shown
        ]
        return f"Hides: {', '.join(hidden)}" if hidden else "Everything public"

    @display(description="Level")
    def level(self, obj: User) -> str:
        return f"{obj.game_state.level} {obj.game_state.level_title} ({obj.game_state.xp:,} XP)"

    @display(description="Records")
    def records(self, obj: User) -> str:
        state = obj.game_state
        return f"{state.blocks_found} blocks, {state.total_shares:,} shares, streak of {state.current_streak} weeks"

    @display(description="E-mail")
    def email(self, obj: User) -> str:
        preferences = obj.notification_preferences
        masked = mask_email(preferences.email)
        return f"{masked} ({preferences.email_state})" if preferences.email else masked
