"""Every change of a cooperative that users make. Each function locks, refuses and writes, in that order; pushes
follow the commit. What staff may do is in moderation.py. Both are made of the steps in membership.py.
"""

from typing import Final

from django.db import transaction

from bitcoingame.core.outbox import enqueue_outgoing
from notifications.kinds import Person
from notifications.services import create_notification
from profiles.accounts import lock_active_user
from profiles.models import User
from social.activity import record_activity
from social.errors import (
    AlreadyMember,
    CooperativeFull,
    CooperativeHasMembers,
    CooperativeInactive,
    CooperativeNotFound,
    InvalidInviteCode,
    MemberNotFound,
    NotAMember,
    NotCooperativeAdmin,
    UseLeaveEndpoint,
)
from social.invite_codes import generate_invite_code, normalize_invite_code
from social.membership import (
    give_new_code,
    leave,
    lock_cooperative,
    removal_of,
    save,
    take_seat,
    tell,
    unseat,
)
from social.models import MAX_MEMBERS, Cooperative, CooperativeMember

KEEP: Final = object()
"""As an argument it leaves the field as it is; None would clear the field."""


@transaction.atomic
def create_cooperative(*, user: User, name: str, motto: str | None = None) -> Cooperative:
    """Founds a cooperative with the user as its admin and only member. `name` and `motto` are already clean.

    Raises AccountSuspended, AlreadyMember, NameTaken.
    """
    lock_active_user(user)
    _refuse_member(user)
    cooperative = Cooperative(name=name, motto=motto, owner=user, invite_code=generate_invite_code())
    save(cooperative)
    take_seat(cooperative, user, CooperativeMember.Role.ADMIN)
    record_activity(user_id=user.pk, kind="coop_created", name=name, cooperative_id=str(cooperative.pk))
    founding = {"cooperative_id": str(cooperative.pk), "name": name, "user_id": str(user.pk), "user": user.btc_address}
    enqueue_outgoing(event="coop_created", payload=founding)
    return cooperative


@transaction.atomic
def join_cooperative(*, user: User, invite_code: str) -> Cooperative:
    """Seats the user in the cooperative whose code this is.

    Raises AccountSuspended, InvalidInviteCode, CooperativeInactive (suspended or dissolved), AlreadyMember,
    CooperativeFull. CooperativeInactive comes first, because a try of a dead code costs a member a guess too.
    """
    lock_active_user(user)
    code = normalize_invite_code(invite_code)
    cooperative = Cooperative.objects.select_for_update(no_key=True).filter(invite_code=code).first()
    if cooperative is None:
        raise InvalidInviteCode
    if not cooperative.is_active:
        raise CooperativeInactive
    _refuse_member(user)
    if cooperative.member_count >= MAX_MEMBERS:
        raise CooperativeFull
    member = take_seat(cooperative, user)
    record_activity(user_id=user.pk, kind="coop_joined", name=cooperative.name, cooperative_id=str(cooperative.pk))
    create_notification(
        kind="coop_member_joined",
        recipients=cooperative.members.exclude(pk=member.pk).values_list("user_id", flat=True),
        cause=f"coop_member_joined:{member.pk}",
        member=Person(user.pk, user.shown_name),
        cooperative=cooperative.name,
    )
    return cooperative


@transaction.atomic
def leave_cooperative(*, user: User) -> Cooperative:
    """Gives up the user's seat. If the admin leaves, the longest-serving member succeeds.

    If nobody is left, the cooperative is dissolved. Raises AccountSuspended, NotAMember.
    """
    lock_active_user(user)
    cooperative = leave(user.pk)
    if cooperative is None:
        raise NotAMember
    return cooperative


@transaction.atomic
def remove_member(*, actor: User, cooperative_id: int, user_id: int) -> None:
    """Takes a member's seat away. `actor` is the cooperative's admin.

    Raises CooperativeNotFound, NotCooperativeAdmin, CooperativeInactive, UseLeaveEndpoint, MemberNotFound.
    """
    cooperative = _lock_for_admin(cooperative_id, actor)
    if user_id == actor.pk:
        raise UseLeaveEndpoint
    member = cooperative.members.filter(user_id=user_id).first()
    if member is None:
        raise MemberNotFound
    tell(cooperative, [removal_of(member), *unseat(cooperative, member)])


@transaction.atomic
def update_cooperative(
    *, actor: User, cooperative_id: int, name: str | object = KEEP, motto: str | object | None = KEEP
) -> Cooperative:
    """Changes the fields that are given; None clears the motto. `name` and `motto` are already clean.

    Raises CooperativeNotFound, NotCooperativeAdmin, CooperativeInactive, NameTaken.
    """
    cooperative = _lock_for_admin(cooperative_id, actor)
    changes = {field: value for field, value in (("name", name), ("motto", motto)) if value is not KEEP}
    for field, value in changes.items():
        setattr(cooperative, field, value)
    if changes:
        save(cooperative, *changes)
    return cooperative


@transaction.atomic
def regenerate_invite_code(*, actor: User, cooperative_id: int) -> Cooperative:
    """Replaces the invite code. The old one is invalid at once.

    Raises CooperativeNotFound, NotCooperativeAdmin, CooperativeInactive.
    """
    cooperative = _lock_for_admin(cooperative_id, actor)
    give_new_code(cooperative)
    return cooperative


@transaction.atomic
def dissolve_cooperative(*, actor: User, cooperative_id: int) -> None:
    """Ends a cooperative. Its admin is its last member.

    Raises CooperativeNotFound, NotCooperativeAdmin, CooperativeInactive, CooperativeHasMembers.
    """
    cooperative = _lock_for_admin(cooperative_id, actor)
    if cooperative.member_count > 1:
        raise CooperativeHasMembers
    tell(cooperative, unseat(cooperative, cooperative.members.get(user=actor)))


def _lock_for_admin(cooperative_id: int, actor: User) -> Cooperative:
    cooperative = lock_cooperative(cooperative_id)
    if cooperative.owner_id != actor.pk:
        raise NotCooperativeAdmin if cooperative.is_active else CooperativeNotFound
    if not cooperative.is_active:
        raise CooperativeInactive
    return cooperative


def _refuse_member(user: User) -> None:
    if CooperativeMember.objects.filter(user=user).exists():
        raise AlreadyMember
