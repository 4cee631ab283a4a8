"""Reads of cooperatives and activities, as one viewer may see them, in rows ready for the serializers.

Rows are plain dictionaries, because building model instances and DRF fields for 20 members costs more than the queries.
Hashrates are in H/s, difficulties are share difficulties, and times are UTC.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, TypedDict, cast

from django.db.models import Count, Exists, OuterRef, Q

from bitcoingame.core.paging import Page
from bitcoingame.core.postgresql.folding import folded
from bitcoingame.core.postgresql.reads import fetch_rows
from bitcoingame.core.weeks import utc_hour
from profiles.names import SHOWN_NAME
from profiles.visibility import IS_NAMED_TO_OUTSIDERS
from social.activity_texts import DESCRIPTIONS, describe_activity
from social.errors import ActivityNotFound, CooperativeInactive, CooperativeNotFound, InvalidInviteCode, NoCooperative
from social.invite_codes import normalize_invite_code
from social.models import (
    Cooperative,
    CooperativeMember,
    CooperativeQuerySet,
    HashrateSample,
    UserActivity,
)


class CooperativeSummary(TypedDict):
    """The columns of `cooperatives` that every page of a cooperative shows. `weekly_rank` is 0 while it is unranked."""

    id: int
    name: str
    motto: str | None
    member_count: int
    combined_hashrate: float
    weekly_streak: int
    best_combined_diff: float
    blocks_found: int
    total_shares_week: int
    weekly_rank: int
    is_active: bool


class MemberRow(TypedDict):
    """A member of a cooperative. `is_shown` says whether people outside the cooperative see the member."""

    user_id: int
    display_name: str
    hashrate: float
    shares_today: int
    is_online: bool
    role: str
    is_shown: bool


class CooperativeRow(CooperativeSummary):
    """A cooperative with the members the viewer may see. `invite_code` is None unless the viewer is a member."""

    members: list[MemberRow]
    invite_code: str | None


class InvitationRow(CooperativeRow):
    max_members: int


class StatsRow(CooperativeSummary):
    online_count: int


class HashratePoint(TypedDict):
    """The combined hashrate (H/s) in the hour that begins at `time` (UTC)."""

    time: datetime
    value: float


class ActivityRow(TypedDict):
    id: int
    activity_type: str
    title: str
    description: str
    created_at: datetime
    metadata: dict[str, Any]


SUMMARY = tuple(CooperativeSummary.__annotations__)

# Written by hand, because every visitor makes these reads. Each order and condition reads as in its index.
_COUNT = "SELECT coalesce(sum(active), 0)::bigint AS total FROM cooperative_totals"
_LIST = f"""
SELECT {", ".join(SUMMARY)}, ({_COUNT}) FROM cooperatives WHERE is_active
ORDER BY NULLIF(weekly_rank, 0), combined_hashrate DESC, id LIMIT %(limit)s OFFSET %(offset)s
"""  # noqa: S608 - constants
_FIND = f"SELECT {', '.join(SUMMARY)}, invite_code FROM cooperatives WHERE id = %(id)s AND member_count > 0"  # noqa: S608
_MEMBERS = f"""
SELECT user_id, {SHOWN_NAME} AS display_name, hashrate, shares_today,
       is_online, role, {IS_NAMED_TO_OUTSIDERS} AS is_shown
FROM cooperative_members JOIN users ON users.id = user_id
WHERE cooperative_id = %(id)s ORDER BY joined_at, cooperative_members.id
"""  # noqa: S608 - constants


def list_cooperatives(*, page: Page, search: str = "") -> tuple[list[CooperativeRow], int]:
    """One page of the active cooperatives, best rank first, and how many there are on all pages.

    `search` is part of a name, and both are folded. Makes one query, or two past the last page or with a search.
    """
    rows: list[dict[str, Any]]
    if search:
        found = Cooperative.objects.active().filter(folded_name__contains=folded(search))
        rows, total = list(found.ranked().values(*SUMMARY)[page.window]), found.count()
    else:
        rows = fetch_rows(_LIST, {"limit": page.per_page, "offset": page.window.start})
        total = (rows or fetch_rows(_COUNT, {}))[0]["total"]
    return [_without_members(row) for row in rows], total


def get_cooperative(*, cooperative_id: int, viewer_id: int | None) -> CooperativeRow:
    """One cooperative as the viewer may see it. Two queries.

    Raises CooperativeNotFound, also for a suspended cooperative unless the viewer has a seat in it.
    """
    found = fetch_rows(_FIND, {"id": cooperative_id})
    members = fetch_rows(_MEMBERS, {"id": cooperative_id}) if found else []
    is_insider = any(member["user_id"] == viewer_id for member in members)
    if not found or not (is_insider or found[0]["is_active"]):
        raise CooperativeNotFound
    if is_insider:
        return cast(CooperativeRow, {**found[0], "members": members})
    shown = [member for member in members if member["is_shown"]]
    return cast(CooperativeRow, {**found[0], "members": shown, "invite_code": None})


def get_own_cooperative(*, viewer_id: int) -> CooperativeRow:
    """The viewer's cooperative. Raises NoCooperative."""
    cooperative_id = (
        CooperativeMember.objects.filter(user_id=viewer_id).values_list("cooperative_id", flat=True).first()
    )
    if cooperative_id is None:
        raise NoCooperative
    return get_cooperative(cooperative_id=cooperative_id, viewer_id=viewer_id)


def preview_invitation(*, invite_code: str) -> InvitationRow:
    """The cooperative as the join page shows it, with the members whom outsiders may see. Two queries.

    Raises InvalidInviteCode, CooperativeInactive (suspended or dissolved).
    """
    code = normalize_invite_code(invite_code)
    row = Cooperative.objects.filter(invite_code=code).values(*SUMMARY, "max_members").first()
    if row is None:
        raise InvalidInviteCode
    if not row["is_active"]:
        raise CooperativeInactive
    shown = [member for member in fetch_rows(_MEMBERS, {"id": row["id"]}) if member["is_shown"]]
    return cast(InvitationRow, {**row, "members": shown, "invite_code": None})


def get_cooperative_stats(*, cooperative_id: int, viewer_id: int | None) -> StatsRow:
    """The cooperative's sums and rank, and how many of its members are online. One query.

    Raises CooperativeNotFound as get_cooperative does.
    """
    row = (
        visible_to(viewer_id)
        .filter(pk=cooperative_id)
        .annotate(online_count=Count("members", filter=Q(members__is_online=True)))
        .values(*SUMMARY, "online_count")
        .first()
    )
    if row is None:
        raise CooperativeNotFound
    return cast(StatsRow, row)


def list_hashrates(*, cooperative_id: int, viewer_id: int | None, hours: int, now: datetime) -> list[HashratePoint]:
    """One point for each of the last `hours` hours, of which the hour of `now` is the last.

    An hour without a sample repeats the one before it; hours before the first sample are 0. Raises CooperativeNotFound.
    """
    if not visible_to(viewer_id).filter(pk=cooperative_id).exists():
        raise CooperativeNotFound
    times = [utc_hour(now) - timedelta(hours=ago) for ago in reversed(range(hours))]
    samples = HashrateSample.objects.filter(cooperative_id=cooperative_id)
    earlier = samples.filter(sampled_at__lt=times[0]).order_by("-sampled_at").values_list("hashrate", flat=True).first()
    sampled = dict(samples.filter(sampled_at__range=(times[0], times[-1])).values_list("sampled_at", "hashrate"))
    return _repeat_missing(times, sampled, before=earlier or 0.0)


def _repeat_missing(times: list[datetime], sampled: dict[datetime, float], *, before: float) -> list[HashratePoint]:
    """One point for each time. A time without a sample repeats the value before it; the first one repeats `before`."""
    points: list[HashratePoint] = []
    value = before
    for at in times:
        value = sampled.get(at, value)
        points.append({"time": at, "value": value})
    return points


def visible_to(viewer_id: int | None) -> CooperativeQuerySet:
    """The cooperatives that the viewer may see: the active ones, and a suspended one in which the viewer has a seat."""
    if viewer_id is None:
        return Cooperative.objects.active()
    seat = CooperativeMember.objects.filter(cooperative=OuterRef("pk"), user_id=viewer_id)
    return Cooperative.objects.filter(Q(is_active=True) | Exists(seat))


def is_name_available(name: str) -> bool:
    """Whether no cooperative has this name, both folded. Dissolved ones count too. `name` is already clean."""
    return not Cooperative.objects.filter(folded_name=folded(name)).exists()


def list_activities(*, user_id: int, page: Page, before: int | None = None) -> tuple[list[ActivityRow], int]:
    """One page of the user's own history, newest first, and how many entries all pages have.

    `before` narrows the page, and not the number, to what is older than the entry with this id. Raises ActivityNotFound
    if that entry is another user's. An id that no entry has stands behind the newest entry with a lower id.
    """
    own = UserActivity.objects.filter(user_id=user_id)
    rows = own.values("id", "activity_type", "title", "description", "created_at", "metadata")
    newest_first = rows.order_by("-created_at", "-id")
    if before is not None:
        newest_first = newest_first.filter(_older_than(user_id, before))
    return [_with_description(row) for row in newest_first[page.window]], own.count()


def _older_than(user_id: int, before: int) -> Q:
    places = UserActivity.objects.values_list("user_id", "created_at", "pk")
    found = places.filter(pk=before).first()
    if found is None:
        # Nothing but this id is known of the entry. What came before it by id may be newer, and is rather repeated than
        # left out.
        found = places.filter(user_id=user_id, pk__lt=before).order_by("-created_at", "-pk").first()
        return Q(pk__in=()) if found is None else _up_to(created_at=found[1], pk=found[2])
    if found[0] != user_id:
        raise ActivityNotFound
    return _up_to(created_at=found[1], pk=before - 1)


def _up_to(*, created_at: datetime, pk: int) -> Q:
    return Q(created_at__lte=created_at) & ~Q(created_at=created_at, pk__gt=pk)


def _with_description(row: Mapping[str, Any]) -> ActivityRow:
    """Rows of earlier versions have no description, and rows of scripts may have any kind and any metadata."""
    kind, metadata = row["activity_type"], row["metadata"]
    values = metadata if isinstance(metadata, dict) else {}
    written = describe_activity(kind, values) if kind in DESCRIPTIONS else row["title"]
    return cast(ActivityRow, {**row, "description": row["description"] or written})


def _without_members(row: Mapping[str, Any]) -> CooperativeRow:
    return cast(CooperativeRow, {**row, "members": [], "invite_code": None})
