"""Hours, days and ISO weeks in UTC. A week is named by its Monday."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

WEEK = timedelta(days=7)


def utc_day(at: datetime) -> date:
    return at.astimezone(UTC).date()


def utc_hour(at: datetime) -> datetime:
    """The beginning of the hour that holds `at`."""
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def week_of(day: date) -> date:
    """The Monday of the day's ISO week."""
    return day - timedelta(days=day.weekday())


def week_name(week: date) -> str:
    """The week's ISO name, such as 2026-W53."""
    year, number, _ = week.isocalendar()
    return f"{year}-W{number:02}"


def weeks_before(week: date, *, since: date) -> Iterator[date]:
    """The weeks from the one that holds `since` to the one before `week`, oldest first."""
    earlier = week_of(since)
    while earlier < week:
        yield earlier
        earlier += WEEK
