"""Every change of a cooperative. Each function locks, refuses, writes, in that order; pushes follow the commit.

Locks are taken in one order everywhere: the user, the cooperative, its members, the counters of notifications. The
cooperative's row is the unit of locking: who holds it may decide on its members.
"""

from typing import Final

from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from bitcoingame.database import violated_constraint
from bitcoingame.outbox import enqueue_outgoing
from notifications.services import create_notification
from profiles.errors import AccountSuspended
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
    NameTaken,
    NotAMember,
    NotCooperativeAdmin,
    UseLeaveEndpoint,
)
from social.invite_codes import generate_invite_code, normalize_invite_code
from social.models import MAX_MEMBERS, Cooperative, CooperativeMember

KEEP: Final = object()
"""The value of an argument that leaves the field as it is, where None clears it."""

CODE_DRAWS = 10


@transaction.atomic
def create_cooperative(*, user: User, name: str, motto: str | None = None) -> Cooperative:
    """Founds a cooperative with the user as its admin and only member. `name` and `motto` are already clean.

    Raises AlreadyMember, NameTaken.
    """
    _lock_user(user)
    _refuse_member(user)
    cooperative = Cooperative(name=name, motto=motto, owner=user, invite_code=generate_invite_code())
    _save(cooperative)
    CooperativeMember.objects.create(cooperative=cooperative, user=user, role=CooperativeMember.Role.ADMIN)
    record_activity(user_id=user.pk, kind="coop_created", name=name, cooperative_id=str(cooperative.pk))
    founding = {"cooperative_id": str(cooperative.pk), "name": name, "user_id": str(user.pk), "user": user.btc_address}
    enqueue_outgoing(event="coop_created", payload=founding)
    return cooperative


@transaction.atomic
def join_cooperative(*, user: User, invite_code: str) -> Cooperative:
    """Seats the user in the cooperative whose code this is.

    Raises InvalidInviteCode, AlreadyMember, CooperativeInactive (suspended), CooperativeFull.
    """
    _lock_user(user)
    code = normalize_invite_code(invite_code)
    cooperative = Cooperative.objects.select_for_update(no_key=True).not_dissolved().filter(invite_code=code).first()
    if cooperative is None:
        raise InvalidInviteCode
    _refuse_member(user)
    if not cooperative.is_active:
        raise CooperativeInactive
    if cooperative.member_count >= MAX_MEMBERS:
        raise CooperativeFull
    member = CooperativeMember.objects.create(cooperative=cooperative, user=user)
    record_activity(user_id=user.pk, kind="coop_joined", name=cooperative.name, cooperative_id=str(cooperative.pk))
    create_notification(
        kind="coop_member_joined",
        recipients=cooperative.members.exclude(pk=member.pk).values_list("user_id", flat=True),
        cause=f"coop_member_joined:{member.pk}",
        member=user.shown_name,
        cooperative=cooperative.name,
    )
    return cooperative


@transaction.atomic
def leave_cooperative(*, user: User) -> Cooperative:
    """Gives up the user's seat; hands over where the admin leaves, dissolves where nobody is left.

    Raises NotAMember.
    """
    _lock_user(user)
    cooperative_id = CooperativeMember.objects.filter(user=user).values_list("cooperative_id", flat=True).first()
    if cooperative_id is None:
        raise NotAMember
    cooperative = _lock_cooperative(cooperative_id)
    member = cooperative.members.filter(user=user).first()
    if member is None:
        raise NotAMember
    _unseat(cooperative, member)
    return cooperative


@transaction.atomic
def remove_member(*, actor: User, cooperative_id: int, user_id: int) -> None:
    """Takes a member's seat away on behalf of the cooperative's admin.

    Raises CooperativeNotFound, NotCooperativeAdmin, CooperativeInactive, UseLeaveEndpoint, MemberNotFound.
    """
    cooperative = _lock_for_admin(cooperative_id, actor)
    if user_id == actor.pk:
        raise UseLeaveEndpoint
    member = cooperative.members.filter(user_id=user_id).first()
    if member is None:
        raise MemberNotFound
    create_notification(
        kind="coop_removed",
        recipients=[user_id],
        cause=f"coop_removed:{member.pk}",
        cooperative=cooperative.name,
    )
    _unseat(cooperative, member)


@transaction.atomic
def update_cooperative(
    *, actor: User, cooperative_id: int, name: str | object = KEEP, motto: str | object | None = KEEP
) -> Cooperative:
    """Changes what is given; a motto of None is cleared. `name` and `motto` are already clean.

    Raises CooperativeNotFound, NotCooperativeAdmin, CooperativeInactive, NameTaken.
    """
    cooperative = _lock_for_admin(cooperative_id, actor)
    changes = {field: value for field, value in (("name", name), ("motto", motto)) if value is not KEEP}
    for field, value in changes.items():
        setattr(cooperative, field, value)
    if changes:
        _save(cooperative, *changes)
    return cooperative


@transaction.atomic
def regenerate_invite_code(*, actor: User, cooperative_id: int) -> Cooperative:
    """Gives the cooperative a new code; the old one is dead at once.

    Raises CooperativeNotFound, NotCooperativeAdmin, CooperativeInactive.
    """
    cooperative = _lock_for_admin(cooperative_id, actor)
    _give_new_code(cooperative)
    return cooperative


@transaction.atomic
def dissolve_cooperative(*, actor: User, cooperative_id: int) -> None:
    """Ends a cooperative of which its admin is the last member.

    Raises CooperativeNotFound, NotCooperativeAdmin, CooperativeInactive, CooperativeHasMembers.
    """
    cooperative = _lock_for_admin(cooperative_id, actor)
    if cooperative.member_count > 1:
        raise CooperativeHasMembers
    _unseat(cooperative, cooperative.members.get(user=actor))


def _lock_user(user: User) -> None:
    """So that one user's joins, foundings and leavings, and their suspension, follow one another."""
    if User.objects.select_for_update(no_key=True).only("pk").filter(pk=user.pk, is_active=True).first() is None:
        raise AccountSuspended


def _lock_cooperative(cooperative_id: int) -> Cooperative:
    try:
        return Cooperative.objects.select_for_update(no_key=True).not_dissolved().get(pk=cooperative_id)
    except Cooperative.DoesNotExist:
        raise CooperativeNotFound from None


def _lock_for_admin(cooperative_id: int, actor: User) -> Cooperative:
    cooperative = _lock_cooperative(cooperative_id)
    if cooperative.owner_id != actor.pk:
        raise NotCooperativeAdmin if cooperative.is_active else CooperativeNotFound
    if not cooperative.is_active:
        raise CooperativeInactive
    return cooperative


def _refuse_member(user: User) -> None:
    if CooperativeMember.objects.filter(user=user).exists():
        raise AlreadyMember


def _unseat(cooperative: Cooperative, member: CooperativeMember) -> None:
    """Removes the member; the database counts, and makes an empty cooperative inactive."""
    was_admin, seat = member.is_admin, member.pk
    member.delete()
    successor = cooperative.members.order_by("joined_at", "id").first()
    if successor is None:
        _tell(cooperative, member.user_id, variant="dissolved", cause=f"coop_dissolved:{seat}")
    elif was_admin:
        _promote(cooperative, successor)


def _promote(cooperative: Cooperative, successor: CooperativeMember) -> None:
    """Makes a member admin and owner, once no other member is admin any more."""
    successor.role = CooperativeMember.Role.ADMIN
    successor.save(update_fields=["role"])
    cooperative.owner_id = successor.user_id
    _save(cooperative, "owner")
    _tell(cooperative, successor.user_id, variant="became_admin", cause=f"coop_admin:{successor.pk}")


def _tell(cooperative: Cooperative, user_id: int, *, variant: str, cause: str) -> None:
    create_notification(
        kind="coop_activity", recipients=[user_id], cause=cause, variant=variant, cooperative=cooperative.name
    )


def _give_new_code(cooperative: Cooperative) -> None:
    cooperative.invite_code = generate_invite_code()
    _save(cooperative, "invite_code")


def _save(cooperative: Cooperative, *fields: str) -> None:
    """Stores the fields, or a new row. A taken name is refused; a taken code, one in 36**8, is drawn again."""
    cooperative.updated_at = Now()
    update_fields = [*fields, "updated_at"] if cooperative.pk else None
    for _ in range(CODE_DRAWS):
        try:
            with transaction.atomic():
                return cooperative.save(update_fields=update_fields)
        except IntegrityError as error:
            match violated_constraint(error):
                case "idx_cooperatives_name":
                    raise NameTaken from error
                case "idx_cooperatives_invite":
                    cooperative.invite_code = generate_invite_code()
                case _:
                    raise
    raise RuntimeError(f"{CODE_DRAWS} invite codes in a row were taken")
