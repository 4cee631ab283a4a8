"""How the admin looks and what its sidebar links to: the settings of django-unfold."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse_lazy


def may(permission: str) -> Callable[[HttpRequest], bool]:
    """Whether the request's user has the permission, as unfold asks for each link."""
    return lambda request: bool(getattr(request.user, "has_perm", lambda _: False)(permission))


def _link(title: str, icon: str, url_name: str, permission: str, **more: Any) -> dict[str, Any]:
    return {
        "title": title,
        "icon": icon,
        "link": reverse_lazy(f"admin:{url_name}"),
        "permission": may(permission),
        **more,
    }


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "The Bitcoin Game",
    "SITE_HEADER": "The Bitcoin Game",
    "SITE_SUBHEADER": "Staff",
    "SITE_SYMBOL": "groups",
    "SITE_URL": None,
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("staff/favicon.svg")},
    ],
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_HISTORY": False,
    "STYLES": [lambda request: static("staff/queues.css")],
    "SHOW_BACK_BUTTON": True,
    "DASHBOARD_CALLBACK": "bitcoingame.staff.start_page.fill",
    "BORDER_RADIUS": "8px",
    "COLORS": {
        "primary": {
            "50": "oklch(98% .016 73.684)",
            "100": "oklch(95.4% .038 75.164)",
            "200": "oklch(90.1% .076 70.697)",
            "300": "oklch(83.7% .128 66.29)",
            "400": "oklch(75% .183 55.934)",
            "500": "oklch(70.5% .213 47.604)",
            "600": "oklch(59.6% .19 43)",
            "700": "oklch(52.3% .17 40)",
            "800": "oklch(47% .157 37.304)",
            "900": "oklch(40.8% .123 38.172)",
            "950": "oklch(26.6% .079 36.259)",
        },
    },
    "SIDEBAR": {
        "navigation": [
            {
                "items": [{"title": "Today", "icon": "today", "link": reverse_lazy("admin:index")}],
            },
            {
                "title": "Community",
                "items": [
                    _link("Cooperatives", "groups", "social_cooperative_changelist", "social.view_cooperative"),
                    _link("Users", "person", "profiles_user_changelist", "profiles.view_user"),
                    _link("Activity", "timeline", "social_useractivity_changelist", "social.view_useractivity"),
                ],
            },
            {
                "title": "Messages",
                "items": [
                    _link(
                        "Notifications",
                        "notifications",
                        "notifications_notification_changelist",
                        "notifications.view_notification",
                    ),
                    _link(
                        "Announcements",
                        "campaign",
                        "notifications_broadcast_changelist",
                        "notifications.view_broadcast",
                    ),
                ],
            },
            {
                "title": "Operation",
                "items": [
                    _link("Audit log", "history", "profiles_auditentry_changelist", "profiles.view_auditentry"),
                    _link(
                        "Set-aside events",
                        "report",
                        "bitcoingame_setasideevent_changelist",
                        "bitcoingame.view_setasideevent",
                    ),
                    _link("Background jobs", "schedule", "django_rq_dashboard_changelist", "django_rq.view_dashboard"),
                    _link("Staff accounts", "badge", "profiles_staffaccount_changelist", "profiles.view_staffaccount"),
                ],
            },
        ],
    },
}
