"""Reads of cooperatives and activities, as one viewer may see them, in rows ready for the serializers.

Rows are plain dictionaries: building model instances and DRF fields for 20 members costs more than the queries.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Exists, OuterRef, Q, Sum, Value
from django.db.models.functions import Collate, Lower

from bitcoingame.api import Page
from bitcoingame.weeks import utc_hour
from profiles.models import fallback_name
from social.errors import CooperativeInactive, CooperativeNotFound, InvalidInviteCode, NoCooperative
from social.invite_codes import normalize_invite_code
from social.models import (
    Cooperative,
    CooperativeMember,
    CooperativeQuerySet,
    CooperativeTotal,
    HashrateSample,
    UserActivity,
)

Row = dict[str, Any]

SUMMARY = (
    "id",
    "name",
    "motto",
    "member_count",
    "combined_hashrate",
    "weekly_streak",
    "best_combined_diff",
    "blocks_found",
    "total_shares_week",
    "weekly_rank",
    "is_active",
)
_MEMBER = (
    "user_id",
    "hashrate",
    "shares_today",
    "is_online",
    "role",
    "user__display_name",
    "user__btc_address",
    "user__public_profile",
    "user__show_in_coop_rankings",
)


def list_cooperatives(*, page: Page, search: str = "") -> tuple[list[Row], int]:
    """One page of the active cooperatives, best rank first, and how many there are: two queries, whatever the number.

    `search` is part of a name, whatever the case.
    """
    found = Cooperative.objects.active()
    if search:
        found = found.filter(name__icontains=search)
        total = found.count()
    else:
        total = CooperativeTotal.objects.aggregate(total=Sum("active", default=0))["total"]
    rows = found.ranked().values(*SUMMARY)[page.window]
    return [_as_outsider_in_list(row) for row in rows], total


def get_cooperative(*, cooperative_id: int, viewer_id: int | None) -> Row:
    """One cooperative with the members the viewer may see; the invite code only for its own members. Two queries.

    Raises CooperativeNotFound, also for a suspended one unless the viewer has a seat in it.
    """
    row = Cooperative.objects.not_dissolved().values(*SUMMARY, "invite_code").filter(pk=cooperative_id).first()
    if row is None:
        raise CooperativeNotFound
    members = list(
        CooperativeMember.objects.filter(cooperative_id=cooperative_id).order_by("joined_at", "id").values(*_MEMBER)
    )
    is_insider = any(member["user_id"] == viewer_id for member in members)
    if not (is_insider or row["is_active"]):
        raise CooperativeNotFound
    if not is_insider:
        row["invite_code"] = None
        members = [member for member in members if is_shown_to_outsiders(member)]
    row["members"] = _named(members)
    return row


def get_own_cooperative(*, viewer_id: int) -> Row:
    """The viewer's cooperative. Raises NoCooperative."""
    cooperative_id = (
        CooperativeMember.objects.filter(user_id=viewer_id).values_list("cooperative_id", flat=True).first()
    )
    if cooperative_id is None:
        raise NoCooperative
    return get_cooperative(cooperative_id=cooperative_id, viewer_id=viewer_id)


def preview_invitation(*, invite_code: str) -> Row:
    """What the join page shows: the cooperative as in a list. Raises InvalidInviteCode, CooperativeInactive."""
    code = normalize_invite_code(invite_code)
    row = Cooperative.objects.not_dissolved().filter(invite_code=code).values(*SUMMARY, "max_members").first()
    if row is None:
        raise InvalidInviteCode
    if not row["is_active"]:
        raise CooperativeInactive
    return _as_outsider_in_list(row)


def get_cooperative_stats(*, cooperative_id: int, viewer_id: int | None) -> Row:
    """The cooperative's sums and standing, in one query. Raises CooperativeNotFound."""
    row = (
        visible_to(viewer_id)
        .filter(pk=cooperative_id)
        .annotate(online_count=Count("members", filter=Q(members__is_online=True)))
        .values(*SUMMARY, "online_count")
        .first()
    )
    if row is None:
        raise CooperativeNotFound
    return row


def list_hashrates(*, cooperative_id: int, viewer_id: int | None, hours: int, now: datetime) -> list[Row]:
    """The combined hashrate in each of the last `hours` hours, the current one included: exactly that many points.

    An hour without a sample repeats the one before it; hours before the first are 0. Raises CooperativeNotFound.
    """
    if not visible_to(viewer_id).filter(pk=cooperative_id).exists():
        raise CooperativeNotFound
    times = [utc_hour(now) - timedelta(hours=ago) for ago in reversed(range(hours))]
    samples = HashrateSample.objects.filter(cooperative_id=cooperative_id)
    earlier = samples.filter(sampled_at__lt=times[0]).order_by("-sampled_at").values_list("hashrate", flat=True).first()
    sampled = dict(samples.filter(sampled_at__range=(times[0], times[-1])).values_list("sampled_at", "hashrate"))
    value = earlier or 0.0
    return [{"time": at, "value": (value := sampled.get(at, value))} for at in times]


def visible_to(viewer_id: int | None) -> CooperativeQuerySet:
    """The active ones, and a suspended one for those who still have a seat in it."""
    if viewer_id is None:
        return Cooperative.objects.active()
    seat = CooperativeMember.objects.filter(cooperative=OuterRef("pk"), user_id=viewer_id)
    return Cooperative.objects.filter(Q(is_active=True) | Exists(seat))


def is_name_available(name: str) -> bool:
    """Whether no cooperative, dissolved ones included, has this name in any case. `name` is already clean."""
    lowered = Lower(Collate(Value(name), "pg_unicode_fast"))
    return not Cooperative.objects.annotate(lowered=Lower("name")).filter(lowered=lowered).exists()


def list_activities(*, user_id: int, page: Page) -> tuple[list[Row], int]:
    """One page of the user's own history, newest first, and how long it is."""
    own = UserActivity.objects.filter(user_id=user_id)
    rows = own.order_by("-id").values("id", "activity_type", "title", "description", "created_at", "metadata")
    return [dict(row) for row in rows[page.window]], own.count()


def is_shown_to_outsiders(member: Row) -> bool:
    return bool(member["user__public_profile"] and member["user__show_in_coop_rankings"])


def _named(members: Iterable[Row]) -> list[Row]:
    return [
        {**member, "display_name": member["user__display_name"] or fallback_name(member["user__btc_address"])}
        for member in members
    ]


def _as_outsider_in_list(row: Row) -> Row:
    return {**row, "members": [], "invite_code": None}
