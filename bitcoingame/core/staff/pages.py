"""What the admin's pages share: read-only pages, lists that stay fast over millions of rows, links, sections."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, cast

from django.contrib.admin import ShowFacets, SimpleListFilter
from django.core.paginator import Paginator
from django.db.models import Max, Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin

MAX_COUNTED = 1000
RECENT_ROWS = 100_000
NOTHING = "—"
FILTER_LOOKUPS = ("exact", "gte", "lt", "isnull")


class Section(NamedTuple):
    """A table below an object's fields."""

    title: str
    headers: Sequence[str]
    rows: Sequence[Sequence[Any]]
    empty: str = "Nothing yet."


class BoundedPaginator(Paginator):  # type: ignore[type-arg]  # Django's class takes no arguments when it runs
    """Counts at most MAX_COUNTED rows; to find one among more, staff narrow the search."""

    template_name = "staff/pagination.html"

    @cached_property
    def count(self) -> int:
        rows = cast(QuerySet[Any], self.object_list)
        return rows.order_by()[:MAX_COUNTED].count()


class ReadOnlyAdmin(ModelAdmin):  # type: ignore[misc]  # unfold brings no types
    """Shows rows and never edits them: changes are actions, which call the services."""

    actions = ()
    paginator = BoundedPaginator
    show_full_result_count = False
    show_facets = ShowFacets.NEVER
    list_per_page = 50
    list_max_show_all = 50
    list_disable_select_all = True
    sortable_by = ()
    change_form_outer_after_template = "staff/sections.html"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Allows only the page's own filters. Otherwise a URL typed by hand could search any column by any pattern."""
        return "\x00" not in value and any(
            lookup == parameter or (not is_ours and lookup in {f"{parameter}__{name}" for name in FILTER_LOOKUPS})
            for parameter, is_ours in map(_parameter_of, self.get_list_filter(request))
        )

    def get_sections(self, request: HttpRequest, obj: Any) -> Iterable[Section]:
        """The tables below the object's fields, each of a few rows."""
        return ()

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = {**(extra_context or {}), "show_save": False, "show_close": False}
        obj = self.get_object(request, object_id)
        if obj is not None and self.has_view_permission(request, obj):
            context |= {"sections": self.get_sections(request, obj), "title": str(obj), "subtitle": None}
        response: HttpResponse = super().change_view(request, object_id, form_url, context)
        return response


def _parameter_of(list_filter: Any) -> tuple[str, bool]:
    """The name a filter has in an address, and whether it is a filter of ours rather than a column."""
    return (list_filter, False) if isinstance(list_filter, str) else (list_filter.parameter_name, True)


def filter_by(field: str, values: Sequence[str]) -> type[SimpleListFilter]:
    """A filter by a column with known values: Django's own filter would read the whole table to find them."""

    class CatalogueFilter(SimpleListFilter):
        title = field.replace("_", " ")
        parameter_name = field

        def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
            return [(value, value.replace("_", " ")) for value in values]

        def queryset(self, request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
            return rows.filter(**{field: self.value()}) if self.value() in values else rows

    return CatalogueFilter


def recent_rows(rows: QuerySet[Any]) -> QuerySet[Any]:
    """The newest RECENT_ROWS by id, so that no filter ever has to look through all of a large table."""
    newest = rows.model._default_manager.aggregate(newest=Max("pk"))["newest"] or 0
    return rows.filter(pk__gt=newest - RECENT_ROWS)


def link_to_user(user_id: int, name: str) -> SafeString:
    return _link("profiles", "user", user_id, name)


def link_to_cooperative(cooperative_id: int, name: str) -> SafeString:
    return _link("social", "cooperative", cooperative_id, name)


def _link(app: str, model: str, pk: int, text: str) -> SafeString:
    url = reverse(f"admin:{app}_{model}_change", args=[pk])
    return format_html('<a href="{}" class="font-medium text-primary-700 dark:text-primary-400">{}</a>', url, text)


def join_links(links: Iterable[tuple[str, str]]) -> SafeString:
    return format_html_join(
        " ", '<a href="{}" class="text-primary-700 dark:text-primary-400 whitespace-nowrap mr-3">{}</a>', links
    )


def label(text: str, variant: str = "") -> SafeString:
    """A small coloured word: success, warning, danger, info or none."""
    colour = {
        "success": "bg-green-100 text-green-700 dark:bg-green-500/20 dark:text-green-400",
        "warning": "bg-orange-100 text-orange-700 dark:bg-orange-500/20 dark:text-orange-400",
        "danger": "bg-red-100 text-red-700 dark:bg-red-500/20 dark:text-red-400",
        "info": "bg-blue-100 text-blue-700 dark:bg-blue-500/20 dark:text-blue-400",
    }.get(variant, "bg-base-500/8 text-base-700 dark:bg-base-500/20 dark:text-base-200")
    return format_html(
        '<span class="inline-block font-semibold h-6 leading-6 px-2 rounded-default text-[11px] uppercase '
        'whitespace-nowrap {}">{}</span>',
        colour,
        text,
    )


def mask_email(email: str | None) -> str:
    """Enough to recognise one's own: a•••@example.com."""
    name, at, domain = (email or "").rpartition("@")
    return f"{name[:1]}•••{at}{domain}" if at else NOTHING


def shorten_address(address: str | None) -> SafeString | str:
    """The two ends of a long address; the pointer shows the whole of it."""
    if not address:
        return NOTHING
    return format_html(
        '<span class="font-mono whitespace-nowrap" title="{}">{}…{}</span>', address, address[:10], address[-6:]
    )


def when(moment: datetime | None) -> str:
    """The time in UTC, such as 3 Jan 2026 14:05, or a dash."""
    return f"{moment.astimezone(UTC):%-d %b %Y %H:%M}" if moment else NOTHING


def shorten_hashrate(hashrate: float) -> str:
    """A hashrate given in H/s, in the unit that fits it, such as 1.23 TH/s."""
    for unit in ("H/s", "kH/s", "MH/s", "GH/s", "TH/s", "PH/s"):
        if hashrate < 1000:
            return f"{hashrate:.3g} {unit}"
        hashrate /= 1000
    return f"{hashrate:.3g} EH/s"
