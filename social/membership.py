"""The steps that changes of a cooperative are made of, whether its people or staff make them.

Locks are taken in one order everywhere: the user (profiles/accounts.py), the cooperative, its members, the counters of
notifications (notifications/counting.py). The cooperative's row is the unit of locking: who holds it may decide on its
members. Who is to be told is collected on the way and told at the end, in user order.
"""

from collections.abc import Iterable
from typing import NamedTuple

from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from bitcoingame.core.postgresql.constraints import violated_constraint
from notifications.services import create_notification
from profiles.models import User
from social.errors import AlreadyMember, CooperativeNotFound, NameTaken
from social.invite_codes import generate_invite_code
from social.models import Cooperative, CooperativeMember

CODE_DRAWS = 10


class News(NamedTuple):
    """What one user is to be told about a cooperative. The cause makes it told once."""

    user_id: int
    cause: str
    variant: str = ""
    kind: str = "coop_activity"


def lock_cooperative(cooperative_id: int) -> Cooperative:
    """One that is not dissolved; a suspended one may be. Raises CooperativeNotFound."""
    try:
        return Cooperative.objects.select_for_update(no_key=True).not_dissolved().get(pk=cooperative_id)
    except Cooperative.DoesNotExist:
        raise CooperativeNotFound from None


def take_seat(
    cooperative: Cooperative, user: User, role: CooperativeMember.Role = CooperativeMember.Role.MEMBER
) -> CooperativeMember:
    """Raises AlreadyMember, also where something that does not lock users was faster: a script, say."""
    try:
        return CooperativeMember.objects.create(cooperative=cooperative, user=user, role=role)
    except IntegrityError as error:
        if violated_constraint(error) == "idx_coop_members_user":
            raise AlreadyMember from error
        raise


def leave(user_id: int) -> Cooperative | None:
    """Gives up the seat of a user whose row is locked; None for a user without one."""
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
    """Removes the member, and hands over where it was the admin. Returns who is to be told.

    The database counts, and makes an empty cooperative inactive.
    """
    was_admin, seat = member.is_admin, member.pk
    member.delete()
    successor = cooperative.members.order_by("joined_at", "id").first()
    if successor is None:
        return [News(member.user_id, f"coop_dissolved:{seat}", "dissolved")]
    if not was_admin:
        return []
    make_admin(cooperative, successor)
    return [News(successor.user_id, f"coop_admin:{seat}", "became_admin")]


def delete_dissolved(*, owner_id: int) -> None:
    """Deletes the dissolved cooperatives that this user founded or led last: they name their owner until then."""
    Cooperative.objects.filter(owner_id=owner_id, member_count=0).delete()


def removal_of(member: CooperativeMember) -> News:
    return News(member.user_id, f"coop_removed:{member.pk}", kind="coop_removed")


def make_admin(cooperative: Cooperative, member: CooperativeMember) -> None:
    """Makes a member admin and owner, once no other member is admin any more."""
    member.role = CooperativeMember.Role.ADMIN
    member.save(update_fields=["role"])
    cooperative.owner_id = member.user_id
    save(cooperative, "owner")


def tell(cooperative: Cooperative, news: Iterable[News]) -> None:
    for user_id, cause, variant, kind in sorted(news):
        create_notification(kind=kind, recipients=[user_id], cause=cause, variant=variant, cooperative=cooperative.name)


def give_new_code(cooperative: Cooperative) -> None:
    cooperative.invite_code = generate_invite_code()
    save(cooperative, "invite_code")


def save(cooperative: Cooperative, *fields: str) -> None:
    """Stores the fields, or a new row. A taken code, one in 36**8, is drawn again. Raises NameTaken."""
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
