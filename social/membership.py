"""The steps of which every change of a cooperative is made, whether members or staff make the change.

Every transaction takes its locks in one order: users (profiles/accounts.py), cooperatives, their members, the counters
of notifications (notifications/counting.py). A transaction that has locked a cooperative's row may change its members.
Notifications are collected on the way and created at the end, in the order of the users' ids.
"""

from collections.abc import Iterable
from typing import NamedTuple

from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from bitcoingame.core.postgresql.constraints import violated_constraint
from notifications.services import create_notification
from notifications.withdrawals import withdraw_soon
from profiles.models import User
from social.errors import AlreadyMember, CooperativeNotFound, NameTaken
from social.invite_codes import generate_invite_code
from social.models import Cooperative, CooperativeMember

CODE_DRAWS = 10


class News(NamedTuple):
    """What others did to a user's seat. The user is notified of it at most once per kind and cause."""

    user_id: int
    cause: str
    variant: str = ""
    kind: str = "coop_seat_changed"


def lock_cooperative(cooperative_id: int) -> Cooperative:
    """Locks and returns a cooperative, suspended or not. Raises CooperativeNotFound if it is dissolved or absent."""
    try:
        return Cooperative.objects.select_for_update(no_key=True).not_dissolved().get(pk=cooperative_id)
    except Cooperative.DoesNotExist:
        raise CooperativeNotFound from None


def take_seat(
    cooperative: Cooperative, user: User, role: CooperativeMember.Role = CooperativeMember.Role.MEMBER
) -> CooperativeMember:
    """Makes the user a member. The cooperative and the user are locked, and the caller has found a free seat.

    Raises AlreadyMember, even if something that does not lock users took the other seat, such as a script.
    """
    try:
        return CooperativeMember.objects.create(cooperative=cooperative, user=user, role=role)
    except IntegrityError as error:
        if violated_constraint(error) == "idx_coop_members_user":
            raise AlreadyMember from error
        raise


def leave(user_id: int) -> Cooperative | None:
    """Gives up the seat of a user whose row is locked. Returns the cooperative, or None if the user has no seat."""
    cooperative_id = CooperativeMember.objects.filter(user=user_id).values_list("cooperative_id", flat=True).first()
    if cooperative_id is None:
        return None
    try:
        cooperative = lock_cooperative(cooperative_id)
    except CooperativeNotFound:
        return None
    member = cooperative.members.filter(user=user_id).first()
    if member is None:
        return None
    tell(cooperative, unseat(cooperative, member))
    return cooperative


def unseat(cooperative: Cooperative, member: CooperativeMember) -> list[News]:
    """Removes the member. If it was the admin, the longest-serving member succeeds.

    Returns the notifications for others than the member. A trigger counts the members, and makes an empty cooperative
    inactive.
    """
    was_admin, seat = member.is_admin, member.pk
    member.delete()
    withdraw_soon()
    successor = cooperative.members.order_by("joined_at", "id").first()
    if successor is None or not was_admin:
        return []
    make_admin(cooperative, successor)
    return [News(successor.user_id, f"coop_admin:{seat}", "became_admin")]


def delete_dissolved(*, owner_id: int) -> None:
    """Deletes the dissolved cooperatives of which this user is still the owner."""
    Cooperative.objects.filter(owner_id=owner_id, member_count=0).delete()


def removal_of(member: CooperativeMember) -> News:
    """The notification for a member whose seat is taken away."""
    return News(member.user_id, f"coop_removed:{member.pk}", kind="coop_removed")


def make_admin(cooperative: Cooperative, member: CooperativeMember) -> None:
    """Makes a member admin and owner. No other member may be admin by then."""
    member.role = CooperativeMember.Role.ADMIN
    member.save(update_fields=["role"])
    cooperative.owner_id = member.user_id
    save(cooperative, "owner")


def tell(cooperative: Cooperative, news: Iterable[News]) -> None:
    """Creates the notifications, in the order of the users' ids."""
    for user_id, cause, variant, kind in sorted(news):
        create_notification(kind=kind, recipients=[user_id], cause=cause, variant=variant, cooperative=cooperative.name)


def give_new_code(cooperative: Cooperative) -> None:
    """Replaces the invite code of a locked cooperative."""
    cooperative.invite_code = generate_invite_code()
    save(cooperative, "invite_code")


def save(cooperative: Cooperative, *fields: str) -> None:
    """Stores the given fields, or inserts a new cooperative. Raises NameTaken.

    An invite code that is taken, which one in 36**8 is per cooperative, is drawn again.
    """
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
