"""What staff do to cooperatives. Each action locks, refuses, writes and notifies, and adds an entry to the audit log.

The locks and the rules are those of social/services.py, and both are made of the steps in social/membership.py. Only
two things differ: staff need not be the cooperative's admin, and they may act on a suspended cooperative.
"""

from django.db import transaction

from notifications.services import create_notification
from notifications.withdrawals import withdraw_soon
from profiles.audit import Target, clean_reason, record_staff_action
from profiles.models import AuditEntry, User
from social.errors import (
    AlreadyCooperativeAdmin,
    CooperativeAlreadySuspended,
    CooperativeDissolved,
    CooperativeNotFound,
    CooperativeNotSuspended,
    MemberNotFound,
    NameUnchanged,
)
from social.membership import News, give_new_code, lock_cooperative, make_admin, removal_of, save, tell, unseat
from social.models import Cooperative, CooperativeMember


@transaction.atomic
def suspend_cooperative(*, staff: User, reason: str, cooperative_id: int) -> None:
    """Takes the cooperative off the public pages, and nobody can join it. Its members keep their seats and may leave.

    Raises ReasonMissing, CooperativeNotFound, CooperativeDissolved, CooperativeAlreadySuspended.
    """
    cooperative = _lock_for_staff(cooperative_id, reason)
    if cooperative.is_suspended:
        raise CooperativeAlreadySuspended
    cooperative.is_active = False
    save(cooperative, "is_active")
    entry = _record("suspend_cooperative", cooperative, staff=staff, reason=reason)
    _tell_members(cooperative, entry, kind="coop_seat_changed", variant="suspended")


@transaction.atomic
def restore_cooperative(*, staff: User, reason: str, cooperative_id: int) -> None:
    """Ends a suspension. Raises ReasonMissing, CooperativeNotFound, CooperativeDissolved, CooperativeNotSuspended."""
    cooperative = _lock_for_staff(cooperative_id, reason)
    if not cooperative.is_suspended:
        raise CooperativeNotSuspended
    cooperative.is_active = True
    save(cooperative, "is_active")
    entry = _record("restore_cooperative", cooperative, staff=staff, reason=reason)
    _tell_members(cooperative, entry, kind="coop_seat_changed", variant="restored")


@transaction.atomic
def dissolve_cooperative(*, staff: User, reason: str, cooperative_id: int) -> None:
    """Ends a cooperative that still has members. All of them lose their seats.

    Raises ReasonMissing, CooperativeNotFound, CooperativeDissolved.
    """
    cooperative = _lock_for_staff(cooperative_id, reason)
    user_ids = sorted(cooperative.members.values_list("user_id", flat=True))
    cooperative.members.all().delete()
    withdraw_soon()
    entry = _record(
        "dissolve_cooperative", cooperative, staff=staff, reason=reason, member_ids=[str(pk) for pk in user_ids]
    )
    create_notification(
        kind="coop_seat_changed",
        variant="dissolved",
        recipients=user_ids,
        cause=_cause(entry),
        cooperative=cooperative.name,
    )


@transaction.atomic
def rename_cooperative(*, staff: User, reason: str, cooperative_id: int, name: str) -> None:
    """Renames the cooperative. `name` is already clean.

    Raises ReasonMissing, CooperativeNotFound, CooperativeDissolved, NameUnchanged, NameTaken.
    """
    cooperative = _lock_for_staff(cooperative_id, reason)
    old_name = cooperative.name
    if name == old_name:
        raise NameUnchanged
    cooperative.name = name
    save(cooperative, "name")
    entry = _record("rename_cooperative", cooperative, staff=staff, reason=reason, old_name=old_name, new_name=name)
    _tell_members(cooperative, entry, kind="coop_activity", variant="renamed", old_name=old_name)


@transaction.atomic
def regenerate_invite_code(*, staff: User, reason: str, cooperative_id: int) -> None:
    """Replaces the invite code. Raises ReasonMissing, CooperativeNotFound, CooperativeDissolved."""
    cooperative = _lock_for_staff(cooperative_id, reason)
    give_new_code(cooperative)
    entry = _record("regenerate_invite_code", cooperative, staff=staff, reason=reason)
    _tell_members(cooperative, entry, kind="coop_activity", variant="new_code")


@transaction.atomic
def remove_member(*, staff: User, reason: str, cooperative_id: int, user_id: int) -> None:
    """Takes a member's seat away. If it is the admin's, the longest-serving member succeeds.

    Raises ReasonMissing, CooperativeNotFound, CooperativeDissolved, MemberNotFound.
    """
    cooperative = _lock_for_staff(cooperative_id, reason)
    member = _member(cooperative, user_id)
    _record("remove_member", cooperative, staff=staff, reason=reason, **_described(member))
    tell(cooperative, [removal_of(member), *unseat(cooperative, member)])


@transaction.atomic
def hand_over(*, staff: User, reason: str, cooperative_id: int, user_id: int) -> None:
    """Makes another member admin and owner. The former admin stays as a member.

    Raises ReasonMissing, CooperativeNotFound, CooperativeDissolved, MemberNotFound, AlreadyCooperativeAdmin.
    """
    cooperative = _lock_for_staff(cooperative_id, reason)
    member = _member(cooperative, user_id)
    if member.is_admin:
        raise AlreadyCooperativeAdmin
    former_id = cooperative.owner_id
    cooperative.members.filter(user_id=former_id).update(role=CooperativeMember.Role.MEMBER)
    make_admin(cooperative, member)
    entry = _record("hand_over", cooperative, staff=staff, reason=reason, **_described(member))
    tell(
        cooperative,
        [News(user_id, _cause(entry), "became_admin"), News(former_id, _cause(entry), "no_longer_admin")],
    )


def _lock_for_staff(cooperative_id: int, reason: str) -> Cooperative:
    clean_reason(reason)
    try:
        return lock_cooperative(cooperative_id)
    except CooperativeNotFound:
        if Cooperative.objects.filter(pk=cooperative_id).exists():
            raise CooperativeDissolved from None
        raise


def _member(cooperative: Cooperative, user_id: int) -> CooperativeMember:
    member = cooperative.members.select_related("user").filter(user_id=user_id).first()
    if member is None:
        raise MemberNotFound
    return member


def _record(action: str, cooperative: Cooperative, *, staff: User, reason: str, **details: object) -> AuditEntry:
    target = Target("cooperative", cooperative.pk, cooperative.name)
    return record_staff_action(action=action, target=target, staff=staff, reason=reason, details=details)


def _described(member: CooperativeMember) -> dict[str, str]:
    return {"member_id": str(member.user_id), "member": member.user.shown_name}


def _tell_members(cooperative: Cooperative, entry: AuditEntry, *, kind: str, variant: str, **values: str) -> None:
    create_notification(
        kind=kind,
        recipients=cooperative.members.values_list("user_id", flat=True),
        cause=_cause(entry),
        variant=variant,
        cooperative=cooperative.name,
        **values,
    )


def _cause(entry: AuditEntry) -> str:
    return f"staff_action:{entry.pk}"
