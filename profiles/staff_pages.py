"""What the admin's pages of rows that belong to users have in common."""

from typing import Any

from django.contrib.admin import display
from django.db.models import QuerySet
from django.http import HttpRequest

from bitcoingame.core.staff.pages import ReadOnlyAdmin, link_to_user, recent_rows, when
from profiles.searching import find_user_ids


class PersonalRowsAdmin(ReadOnlyAdmin):
    """Pages of millions of rows, each of which belongs to a user.

    The list shows the rows of the users whom a search finds. Without a search it shows everybody's recent rows.
    """

    list_select_related = ("user",)
    ordering = ("-id",)
    search_fields = ("user",)
    search_help_text = "The start of a user's name or address, or an id; without it, the recent ones"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Leaves out the rows of users who are staff, unless a superuser asks. Accounts are shown by the same rule."""
        rows: QuerySet[Any] = super().get_queryset(request)
        return rows if request.user.is_superuser else rows.filter(user__is_staff=False, user__is_superuser=False)

    def get_search_results(self, request: HttpRequest, rows: QuerySet[Any], term: str) -> tuple[Any, bool]:
        term = term.strip()
        return (rows.filter(user_id__in=find_user_ids(term)) if term else recent_rows(rows)), False

    @display(description="User")
    def user_link(self, obj: Any) -> Any:
        return link_to_user(obj.user_id, obj.user.shown_name)

    @display(description="At")
    def at(self, obj: Any) -> str:
        return when(obj.created_at)
