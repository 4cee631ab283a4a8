"""A page of a list: which rows it shows, and the envelope it is sent in."""

from typing import Any, NamedTuple

MAX_PAGE = 1_000_000
MAX_PER_PAGE = 100


class Page(NamedTuple):
    """A window of a list: `page` counts from 1."""

    page: int = 1
    per_page: int = 20

    @property
    def window(self) -> slice:
        """The places of this page's rows in the whole list."""
        start = (self.page - 1) * self.per_page
        return slice(start, start + self.per_page)

    def envelope(self, plural: str, rows: list[Any], total: int) -> dict[str, Any]:
        """The body of an answer: this page's rows under `plural`, the length of the whole list, and the page."""
        return {plural: rows, "total": total, "page": self.page, "per_page": self.per_page}
