"""What staff's pages of users' own rows share."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.decorators import display

from bitcoingame.core.staff.pages import ReadOnlyAdmin, link_to_user, recent_rows, when
from profiles.searching import find_user_ids


class PersonalRowsAdmin(ReadOnlyAdmin):
    """Rows that each belong to a user, by the million: the list is of one user's, or of everybody's recent ones."""

    list_select_related = ("user",)
    ordering = ("-id",)
    search_fields = ("user",)
    search_help_text = "The start of a user's name or address, or an id; without it, the recent ones"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Rows of miners among the staff are for superusers, as their accounts are."""
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
