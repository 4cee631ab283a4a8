"""The first page that staff see: what happened today, what waits for them, how the community grows."""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

import orjson
from django.core.cache import cache
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from bitcoingame.core.job_runs import due_jobs
from bitcoingame.core.postgresql.reads import fetch_rows
from bitcoingame.schedule import TIMETABLE

KEPT_SECONDS = 30
DAYS = 30
# If a job is later than this, no worker runs or the job fails each time.
LATE = timedelta(minutes=5)

_COUNTS = """
SELECT
    (SELECT count(*) FROM users WHERE created_at >= %(today)s AND id > 0) AS users_today,
    (SELECT count(*) FROM users WHERE created_at >= %(week)s AND id > 0) AS users_week,
    (SELECT count(*) FROM cooperatives WHERE created_at >= %(today)s) AS cooperatives_today,
    (SELECT count(*) FROM cooperatives WHERE created_at >= %(week)s) AS cooperatives_week,
    (SELECT coalesce(sum(active), 0)::bigint FROM cooperative_totals) AS cooperatives_active,
    (SELECT count(*) FROM cooperatives WHERE NOT is_active AND member_count > 0) AS cooperatives_suspended,
    (SELECT count(DISTINCT user_id) FROM workers WHERE is_online) AS miners_online,
    (SELECT count(*) FROM set_aside_events WHERE state = 'waiting') AS events_waiting
"""
_GROWTH = """
WITH founded AS (
    SELECT created_at::date AS day, count(*) AS rows FROM cooperatives WHERE created_at >= %(first)s GROUP BY 1
), joined AS (
    SELECT created_at::date AS day, count(*) AS rows FROM users WHERE created_at >= %(first)s AND id > 0 GROUP BY 1
)
SELECT days.day::date, coalesce(joined.rows, 0) AS users, coalesce(founded.rows, 0) AS cooperatives
FROM generate_series(%(first)s::timestamptz, %(today)s::timestamptz, interval '1 day') AS days (day)
LEFT JOIN joined ON joined.day = days.day::date LEFT JOIN founded ON founded.day = days.day::date ORDER BY days.day
"""


class Figure(NamedTuple):
    """One number of the page, with a note below it and a link to its rows."""

    title: str
    value: int
    note: str
    icon: str
    is_alarming: bool = False
    url: str | None = None


def fill(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Adds to the context what staff/start.html shows. settings.UNFOLD names this function."""
    facts: dict[str, Any] = cache.get_or_set("staff:start-page", _gather, KEPT_SECONDS) or {}
    return {
        **context,
        "title": "Today",
        "figures": _figures(request, facts),
        "growth": facts["growth"],
        "options": _CHART_OPTIONS,
    }


def _gather() -> dict[str, Any]:
    now = timezone.now()
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    times = {"today": today, "week": now - timedelta(days=7), "first": today - timedelta(days=DAYS - 1)}
    return {
        **fetch_rows(_COUNTS, times)[0],
        "late": _late_jobs(now),
        "growth": _chart(fetch_rows(_GROWTH, times)),
    }


def _late_jobs(now: datetime) -> list[str]:
    due = due_jobs(TIMETABLE)
    return sorted(name for name, job in due.items() if job.at < now - LATE and not job.is_running)


def _chart(rows: list[dict[str, Any]]) -> str:
    bars = (("New users", "users", "var(--color-primary-600)"), ("New cooperatives", "cooperatives", "#64748b"))
    return orjson.dumps(
        {
            "labels": [f"{row['day']:%-d %b}" for row in rows],
            "datasets": [
                {
                    "label": title,
                    "data": [row[column] for row in rows],
                    "backgroundColor": colour,
                    "borderRadius": 3,
                }
                for title, column, colour in bars
            ],
        }
    ).decode()


def _figures(request: HttpRequest, facts: dict[str, Any]) -> list[Figure]:
    late, waiting, suspended = facts["late"], facts["events_waiting"], facts["cooperatives_suspended"]
    return [
        Figure(
            "New users",
            facts["users_today"],
            f"{facts['users_week']:,} in 7 days",
            "person_add",
            url=_list_url(request, "profiles", "user"),
        ),
        Figure(
            "New cooperatives",
            facts["cooperatives_today"],
            f"{facts['cooperatives_week']:,} in 7 days, {facts['cooperatives_active']:,} active",
            "group_add",
            url=_list_url(request, "social", "cooperative"),
        ),
        Figure("Miners online", facts["miners_online"], "with a machine that mines now", "bolt"),
        Figure(
            "Suspended cooperatives",
            suspended,
            "to be restored or dissolved" if suspended else "none waits for a decision",
            "block",
            url=_list_url(request, "social", "cooperative", "?state=suspended"),
        ),
        Figure(
            "Events set aside",
            waiting,
            "wait to be tried again" if waiting else "everything was understood",
            "report",
            bool(waiting),
            _list_url(request, "bitcoingame", "setasideevent", "?state__exact=waiting"),
        ),
        Figure("Jobs overdue", len(late), ", ".join(late) if late else "all in time", "schedule", bool(late)),
    ]


_CHART_OPTIONS = orjson.dumps(
    {
        "maintainAspectRatio": False,
        "animation": False,
        "plugins": {"legend": {"align": "end", "labels": {"boxWidth": 12, "color": "#9ca3af"}}},
        "scales": {
            "x": {"grid": {"display": False}, "ticks": {"color": "#9ca3af", "maxTicksLimit": 10, "maxRotation": 0}},
            "y": {"beginAtZero": True, "ticks": {"color": "#9ca3af", "precision": 0}},
        },
    }
).decode()


def _list_url(request: HttpRequest, app: str, model: str, query: str = "") -> str | None:
    may_see = request.user.has_perm(f"{app}.view_{model}")
    return reverse(f"admin:{app}_{model}_changelist") + query if may_see else None
