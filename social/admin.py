"""The admin's pages of cooperatives and of the activity feed."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin import display
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.widgets import UnfoldAdminSelectWidget

from bitcoingame.core.staff.actions import ActingAdmin, NameField, ReasonForm, StaffAction
from bitcoingame.core.staff.pages import (
    NOTHING,
    Section,
    filter_by,
    join_links,
    label,
    link_to_user,
    shorten_hashrate,
    when,
)
from notifications.kinds import shorten
from profiles.admin import list_audit_entries
from profiles.staff_pages import PersonalRowsAdmin
from social import moderation
from social.activity import TITLES
from social.models import MAX_MEMBERS, Cooperative, UserActivity
from social.searching import find_cooperatives
from social.serializers import NAME_BOUNDS
from social.staff_pages import list_latest_activities

MODERATE = "social.moderate_cooperative"
ACTIVITIES_SHOWN = 15


class RenameForm(ReasonForm):
    name = NameField(label="New name", min_length=NAME_BOUNDS["min_length"], max_length=NAME_BOUNDS["max_length"])


class MemberForm(ReasonForm):
    """Asks for one of the cooperative's members."""

    user_id = forms.TypedChoiceField(label="Member", coerce=int, widget=UnfoldAdminSelectWidget)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        members = self.targets[0].members.select_related("user").order_by("joined_at", "id")
        field = self.fields["user_id"]
        assert isinstance(field, forms.TypedChoiceField)
        field.choices = [(member.user_id, f"{member.user.shown_name} ({member.role})") for member in members]


def is_not_dissolved(cooperative: Cooperative) -> bool:
    return not cooperative.is_dissolved


ACTIONS = (
    StaffAction(
        "suspend",
        "Suspend",
        moderation.suspend_cooperative,
        MODERATE,
        "It leaves the public pages and nobody can join. Its members keep their seats, see it marked as suspended, "
        "and may leave. They are told.",
        "Suspended",
        icon="block",
        is_offered=lambda cooperative: cooperative.is_active,
    ),
    StaffAction(
        "restore",
        "Restore",
        moderation.restore_cooperative,
        MODERATE,
        "It is public again and its invite code works. Its members are told.",
        "Restored",
        icon="undo",
        is_offered=lambda cooperative: cooperative.is_suspended,
    ),
    StaffAction(
        "rename",
        "Rename",
        moderation.rename_cooperative,
        MODERATE,
        "The new name shows everywhere at once. Its members are told.",
        "Renamed",
        form=RenameForm,
        is_bulk=False,
        icon="edit",
        is_offered=is_not_dissolved,
    ),
    StaffAction(
        "new-code",
        "New code",
        moderation.regenerate_invite_code,
        MODERATE,
        "The invite code is replaced and the old one is dead at once. Its members are told.",
        "Given a new code",
        icon="key",
        is_offered=is_not_dissolved,
    ),
    StaffAction(
        "hand-over",
        "Hand over",
        moderation.hand_over,
        MODERATE,
        "Another member becomes admin and owner. The admin until now stays as a member. Both are told.",
        "Handed over",
        form=MemberForm,
        is_bulk=False,
        icon="swap_horiz",
        is_offered=lambda cooperative: cooperative.member_count > 1,
    ),
    StaffAction(
        "remove-member",
        "Remove a member",
        moderation.remove_member,
        MODERATE,
        "The member loses the seat and is told. If it is the admin, the longest-serving member succeeds; if it is the "
        "last one, the cooperative is dissolved.",
        "A member was removed from",
        form=MemberForm,
        is_bulk=False,
        icon="person_remove",
        is_offered=is_not_dissolved,
    ),
    StaffAction(
        "dissolve",
        "Dissolve",
        moderation.dissolve_cooperative,
        MODERATE,
        "All members lose their seats and are told. This is for good: a dissolved cooperative does not come back.",
        "Dissolved",
        is_dangerous=True,
        icon="delete_forever",
        is_offered=is_not_dissolved,
    ),
)


class StateFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("active", "Active"), ("suspended", "Suspended"), ("dissolved", "Dissolved"), ("full", "Full")]

    def queryset(self, request: HttpRequest, rows: QuerySet[Cooperative]) -> QuerySet[Cooperative]:
        match self.value():
            case "active":
                return rows.filter(is_active=True)
            case "suspended":
                return rows.filter(is_active=False, member_count__gt=0)
            case "dissolved":
                return rows.filter(member_count=0)
            case "full":
                return rows.filter(member_count=MAX_MEMBERS)
        return rows


@admin.register(Cooperative)
class CooperativeAdmin(ActingAdmin):
    staff_actions = ACTIONS
    id_argument = "cooperative_id"
    list_display = ("name", "state", "members_of_20", "owner_link", "hashrate", "rank", "founded")
    list_filter = (StateFilter, "created_at")
    list_select_related = ("owner",)
    ordering = ("-id",)
    search_fields = ("name",)
    search_help_text = "Part of a name, an invite code, or an id"
    fieldsets = (
        (None, {"fields": (("name", "state"), "motto", ("owner_link", "invite_code"), ("founded", "members_of_20"))}),
        (
            "Figures",
            {
                "fields": (
                    ("hashrate", "best_difficulty"),
                    ("rank", "shares"),
                    ("weekly_streak", "blocks_found"),
                )
            },
        ),
    )
    readonly_fields = (
        "best_difficulty",
        "shares",
        "state",
        "members_of_20",
        "owner_link",
        "hashrate",
        "rank",
        "founded",
    )

    def get_search_results(self, request: HttpRequest, rows: Any, term: str) -> tuple[Any, bool]:
        return (find_cooperatives(rows, term.strip()) if term.strip() else rows), False

    def get_sections(self, request: HttpRequest, obj: Cooperative) -> Iterable[Section]:
        members = list(obj.members.select_related("user").order_by("joined_at", "id"))
        may_act = request.user.has_perm(MODERATE)
        yield Section(
            "Members",
            ("Member", "Role", "Hashrate", "Shares today", "Online", "Joined", ""),
            [self._member_row(obj, member, may_act) for member in members],
            "Nobody is in it.",
        )
        yield list_audit_entries("cooperative", obj.pk)
        yield list_latest_activities([member.user_id for member in members], ACTIVITIES_SHOWN)

    def _member_row(self, cooperative: Cooperative, member: Any, may_act: bool) -> list[Any]:
        links = (
            [("remove-member", "Remove")]
            if member.is_admin
            else [
                ("hand-over", "Make admin"),
                ("remove-member", "Remove"),
            ]
        )
        return [
            link_to_user(member.user_id, member.user.shown_name),
            label(member.role, "info") if member.is_admin else member.role,
            shorten_hashrate(member.hashrate),
            f"{member.shares_today:,}",
            label("online", "success") if member.is_online else NOTHING,
            when(member.joined_at),
            join_links((self.action_url(name, [cooperative.pk], user_id=member.user_id), text) for name, text in links)
            if may_act
            else "",
        ]

    @display(description="State")
    def state(self, obj: Cooperative) -> Any:
        if obj.is_dissolved:
            return label("dissolved")
        return label("suspended", "danger") if obj.is_suspended else label("active", "success")

    @display(description="Members")
    def members_of_20(self, obj: Cooperative) -> str:
        return f"{obj.member_count} of {MAX_MEMBERS}"

    @display(description="Owner")
    def owner_link(self, obj: Cooperative) -> Any:
        return link_to_user(obj.owner_id, obj.owner.shown_name)

    @display(description="Hashrate")
    def hashrate(self, obj: Cooperative) -> str:
        return shorten_hashrate(obj.combined_hashrate)

    @display(description="Best combined difficulty")
    def best_difficulty(self, obj: Cooperative) -> str:
        return shorten(obj.best_combined_diff)

    @display(description="Shares this week")
    def shares(self, obj: Cooperative) -> str:
        return f"{obj.total_shares_week:,}"

    @display(description="Weekly rank")
    def rank(self, obj: Cooperative) -> str:
        return f"#{obj.weekly_rank}" if obj.weekly_rank else NOTHING

    @display(description="Founded")
    def founded(self, obj: Cooperative) -> str:
        return when(obj.created_at)


@admin.register(UserActivity)
class UserActivityAdmin(PersonalRowsAdmin):
    list_display = ("id", "user_link", "activity_type", "title", "at")
    list_filter = (filter_by("activity_type", list(TITLES)),)
    fields = ("user_link", "activity_type", "title", "description", "metadata", "at")
    readonly_fields = ("user_link", "at")
