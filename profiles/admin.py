"""The admin's pages of the audit log and, for superusers, of staff accounts."""

from typing import Any

from django.contrib import admin
from django.contrib.admin import display
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.db.models import Model
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from bitcoingame.core.staff.pages import NOTHING, ReadOnlyAdmin, Section, link_to_cooperative, link_to_user, when
from profiles.audit import ACTIONS
from profiles.models import AuditEntry, StaffAccount, User

ENTRIES_SHOWN = 20

# A migration makes the only group. Its permissions are fixed, so the admin has no page of groups.
admin.site.unregister(Group)


def list_audit_entries(target_type: str, target_id: int) -> Section:
    """The latest actions of staff on one thing, newest first; at most ENTRIES_SHOWN."""
    entries = AuditEntry.objects.filter(target_type=target_type, target_id=target_id).order_by("-id")[:ENTRIES_SHOWN]
    return Section(
        "Staff actions",
        ("What", "Reason", "Details", "Who", "When"),
        [
            [ACTIONS[entry.action], entry.reason, describe(entry.details), entry.staff_name, when(entry.created_at)]
            for entry in entries
        ],
        "Staff have not acted on it.",
    )


def describe(details: dict[str, Any]) -> str:
    """An entry's details in words, such as `old name: Pirates; new name: Privateers`. Ids are left out."""
    words = (
        f"{name.replace('_', ' ')}: {', '.join(map(str, value)) if isinstance(value, list) else value}"
        for name, value in details.items()
        if not name.endswith("_id")
    )
    return "; ".join(words) or NOTHING


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    list_display = ("at", "staff_name", "what", "target", "reason")
    list_display_links = ("at",)
    list_filter = ("target_type",)
    ordering = ("-id",)
    fields = ("at", "staff_name", "what", "target", "reason", "more")
    readonly_fields = ("at", "what", "target", "more")

    @display(description="When")
    def at(self, obj: AuditEntry) -> str:
        return when(obj.created_at)

    @display(description="What")
    def what(self, obj: AuditEntry) -> str:
        return ACTIONS[obj.action]

    @display(description="To what")
    def target(self, obj: AuditEntry) -> Any:
        match obj.target_type:
            case "cooperative":
                return link_to_cooperative(obj.target_id, obj.target_name)
            case "user":
                return link_to_user(obj.target_id, obj.target_name)
        return obj.target_name

    @display(description="Details")
    def more(self, obj: AuditEntry) -> str:
        return describe(obj.details)


@admin.register(StaffAccount)
class StaffAccountAdmin(DjangoUserAdmin, ModelAdmin):  # type: ignore[misc, type-arg]  # neither class has types
    """Superusers decide here who may sign in to the admin, and as what.

    Accounts are closed and never deleted, because the audit log names them.
    """

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "display_name", "role", "is_active", "last_login")
    list_filter = ("is_active", "is_superuser")
    search_fields = ("username",)
    ordering = ("username",)
    filter_horizontal = ()
    list_per_page = 50
    actions = ()
    fieldsets = (
        (None, {"fields": ("username", "password", "display_name")}),
        ("What they may do", {"fields": ("is_active", "is_superuser", "groups")}),
        ("Dates", {"fields": ("last_login", "created_at")}),
    )
    add_fieldsets = (
        (
            None,
            {
                "classes": ("wide",),
                "fields": ("username", "password1", "password2", "display_name", "is_superuser", "groups"),
            },
        ),
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).filter(is_staff=True).prefetch_related("groups")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Superusers cannot lock themselves out.

        A miner's account is suspended on the user's page only, because a suspended user also leaves the cooperative.
        """
        fixed = ("last_login", "created_at")
        if obj is not None and obj.pk == request.user.pk:
            return (*fixed, "is_active", "is_superuser")
        return (*fixed, "is_active") if obj is not None and obj.btc_address else fixed

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Requires a username. An empty one must be "" and not None, because Django's field takes its length."""
        if db_field.name == "username":
            kwargs |= {"required": True, "empty_value": ""}
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if not change:
            obj.pk = User.objects.next_staff_id()
            obj.is_staff = True
        super().save_model(request, obj, form, change)

    @display(description="Role")
    def role(self, obj: StaffAccount) -> str:
        if obj.is_superuser:
            return "superuser"
        return ", ".join(group.name for group in obj.groups.all()) or "none"

    def has_module_permission(self, request: HttpRequest) -> bool:
        return _is_superuser(request)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return _is_superuser(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return _is_superuser(request)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return _is_superuser(request)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


def _is_superuser(request: HttpRequest) -> bool:
    return bool(request.user.is_active and getattr(request.user, "is_superuser", False))
