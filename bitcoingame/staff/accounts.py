"""What staff do to accounts. Suspending or deleting an account also takes it out of its cooperative."""

from functools import partial

from django.db import connection, transaction

from notifications.realtime import disconnect_user
from profiles.audit import Target, clean_reason, record_staff_action
from profiles.errors import (
    AccountAlreadySuspended,
    AccountNotFound,
    AccountNotSuspended,
    AccountOfStaff,
    OwnAccount,
)
from profiles.models import RefreshToken, User
from social.membership import leave
from social.models import Cooperative

_LOCK_COUNTER = "SELECT FROM notification_counters WHERE user_id = %s FOR UPDATE"


@transaction.atomic
def suspend_user(*, staff: User, reason: str, user_id: int) -> None:
    """Closes the account until it is restored: no seat, no sockets, no sign-in, and 403 for the tokens it still has.

    Raises ReasonMissing, AccountNotFound, OwnAccount, AccountOfStaff, AccountAlreadySuspended.
    """
    user = _lock_for(staff, user_id, reason)
    if not user.is_active:
        raise AccountAlreadySuspended
    _close(user, action="suspend_user", staff=staff, reason=reason)
    user.is_active = False
    user.save(update_fields=["is_active"])


@transaction.atomic
def restore_user(*, staff: User, reason: str, user_id: int) -> None:
    """Opens a suspended account again. Its sessions and its seat stay gone; an access token works until it expires.

    Raises ReasonMissing, AccountNotFound, OwnAccount, AccountOfStaff, AccountNotSuspended.
    """
    user = _lock_for(staff, user_id, reason)
    if user.is_active:
        raise AccountNotSuspended
    user.is_active = True
    user.save(update_fields=["is_active"])
    record_staff_action(action="restore_user", target=_target(user), staff=staff, reason=reason)


@transaction.atomic
def delete_account(*, staff: User, reason: str, user_id: int) -> None:
    """Deletes the user and all that is theirs, including dissolved cooperatives that they owned.

    Raises ReasonMissing, AccountNotFound, OwnAccount, AccountOfStaff.
    """
    user = _lock_for(staff, user_id, reason)
    _close(user, action="delete_account", staff=staff, reason=reason)
    with connection.cursor() as cursor:
        # A transaction that notifies this user holds the counter and then needs the user's row: let it finish first.
        cursor.execute(_LOCK_COUNTER, [user_id])
    Cooperative.objects.filter(owner_id=user_id, member_count=0).delete()
    user.delete()


def _lock_for(staff: User, user_id: int, reason: str) -> User:
    """Locks the user's row. Nobody acts on their own account, and only superusers act on accounts of staff."""
    clean_reason(reason)
    user = User.objects.select_for_update(no_key=True).filter(pk=user_id).first()
    if user is None:
        raise AccountNotFound
    if user.pk == staff.pk:
        raise OwnAccount
    if (user.is_staff or user.is_superuser) and not staff.is_superuser:
        raise AccountOfStaff
    return user


def _close(user: User, *, action: str, staff: User, reason: str) -> None:
    cooperative = leave(user.pk)
    details = {"left_cooperative_id": str(cooperative.pk), "left_cooperative": cooperative.name} if cooperative else {}
    record_staff_action(action=action, target=_target(user), staff=staff, reason=reason, details=details)
    RefreshToken.objects.filter(user=user).delete()
    transaction.on_commit(partial(disconnect_user, user.pk), robust=True)


def _target(user: User) -> Target:
    return Target("user", user.pk, user.shown_name)
