"""Reads of one user's notifications. Totals come from the user's counters, so they cost the same for any number."""

from typing import Any, NamedTuple, TypedDict, cast

from bitcoingame.core.paging import Page
from bitcoingame.core.postgresql.reads import fetch_rows
from notifications.counting import place_of, sum_by_type
from notifications.errors import NotificationNotFound
from notifications.naming import SHOWN_DESCRIPTION

# SQL by hand, because every poll of the dashboard runs it: the ORM takes longer to build it than PostgreSQL to answer.
_TOTAL = """
SELECT {counted} - (
    SELECT count(*) FROM notifications
    WHERE user_id = %(user_id)s AND expires_at <= statement_timestamp() {filters}
) AS total
FROM notification_counters WHERE user_id = %(user_id)s
"""
# PostgreSQL writes the time as text, because reading it into Python and writing it again took longer than all the rest.
_PAGE = f"""
SELECT id, type, subtype, title, {SHOWN_DESCRIPTION}, read, action_url, action_label,
       to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS created_at
FROM notifications
WHERE user_id = %(user_id)s AND (expires_at IS NULL OR expires_at > statement_timestamp()) {{filters}}
ORDER BY seq DESC LIMIT %(limit)s OFFSET %(offset)s
"""  # noqa: S608 - a constant
# A row that is gone has the place of the user's next older one: create_notifications gives a user's ids and seqs in the
# same order. No row means that `before` is another user's.
_NEWEST_BEFORE = """
SELECT coalesce(
    (SELECT seq - 1 FROM notifications WHERE id = %(before)s),
    (SELECT seq FROM notifications WHERE user_id = %(user_id)s AND id < %(before)s ORDER BY seq DESC LIMIT 1),
    0) AS seq
WHERE NOT EXISTS (SELECT FROM notifications WHERE id = %(before)s AND user_id <> %(user_id)s)
  AND NOT EXISTS (SELECT FROM deleted_notifications WHERE notification_id = %(before)s AND user_id <> %(user_id)s)
"""


class ListedNotification(TypedDict):
    """One row of a list. created_at is ISO 8601 text in UTC, with microseconds."""

    id: int
    type: str
    subtype: str
    title: str
    description: str | None
    read: bool
    action_url: str | None
    action_label: str | None
    created_at: str


class Filters(NamedTuple):
    """Narrows a list to one type, to the unread, or to notifications older than the one whose id is `before`.

    That one may be deleted, or never have been: its id still has a place among the user's.
    """

    type: str | None = None
    unread: bool = False
    before: int | None = None


def list_notifications(*, user_id: int, page: Page, filters: Filters) -> tuple[list[ListedNotification], int]:
    """One page, newest first, and how many there are in all. `before` changes the page, not the total.

    Expired ones are neither listed nor counted. Raises NotificationNotFound for a `before` that is another user's.
    """
    conditions = _conditions(filters)
    arguments: dict[str, Any] = {
        "user_id": user_id,
        **filters._asdict(),
        "limit": page.per_page,
        "offset": page.window.start,
    }
    total = _total(filters, arguments)
    if filters.before is not None:
        arguments["seq"] = find_newest_before(user_id=user_id, before=filters.before)
        conditions += " AND seq <= %(seq)s"
    if page.window.start >= total:
        return [], total
    rows = fetch_rows(_PAGE.format(filters=conditions), arguments)
    return cast(list[ListedNotification], rows), total


def count_unread(*, user_id: int) -> int:
    """How many of the user's notifications are unread and have not expired. One query, however many there are."""
    return _total(Filters(unread=True), {"user_id": user_id})


def find_newest_before(*, user_id: int, before: int) -> int:
    """The seq of the user's newest notification older than the one with the id `before`; 0 if there is none.

    Raises NotificationNotFound if `before` is, or was, another user's.
    """
    found = fetch_rows(_NEWEST_BEFORE, {"user_id": user_id, "before": before})
    if not found:
        raise NotificationNotFound
    return int(found[0]["seq"])


def _total(filters: Filters, arguments: dict[str, Any]) -> int:
    statement = _TOTAL.format(counted=_counted(filters), filters=_conditions(filters))
    return int(fetch_rows(statement, arguments)[0]["total"])


def _counted(filters: Filters) -> str:
    counter = "unread_by_type" if filters.unread else "stored_by_type"
    return f"{counter}[{place_of(filters.type)}]" if filters.type else sum_by_type(counter)


def _conditions(filters: Filters) -> str:
    return ("AND type = %(type)s " if filters.type else "") + ("AND NOT read" if filters.unread else "")
