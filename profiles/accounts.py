"""Locks and changes of users' accounts, for the packages above.

This module decides which member of staff may act on which account. The caller does everything else that an action
entails, such as leaving a cooperative. A transaction locks users first, then cooperatives, their members, and the
counters of notifications.
"""

from collections.abc import Iterable

from bitcoingame.core.postgresql.statements import execute
from profiles.errors import AccountNotFound, AccountOfStaff, AccountSuspended, OwnAccount
from profiles.models import User

_LOCK_USERS = "SELECT id FROM users WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE"


def lock_users(user_ids: Iterable[int]) -> None:
    """Locks the users' rows in the order of their ids, until the caller's transaction ends."""
    execute(_LOCK_USERS, [sorted(user_ids)])


def lock_active_user(user: User) -> None:
    """Locks the user's row, so that one user's joins, foundings, leavings and suspension follow one another.

    Brings the name of `user` up to date. Raises AccountSuspended if the account is suspended or deleted.
    """
    locked = User.objects.select_for_update(no_key=True).only("display_name").filter(pk=user.pk, is_active=True).first()
    if locked is None:
        raise AccountSuspended
    user.display_name = locked.display_name


def lock_for_staff(*, staff: User, user_id: int) -> User:
    """Locks the row of the user on whom this member of staff is about to act, and returns the user.

    Only superusers act on accounts of staff, and nobody acts on their own account.
    Raises AccountNotFound, OwnAccount, AccountOfStaff.
    """
    user = User.objects.select_for_update(no_key=True).filter(pk=user_id).first()
    if user is None:
        raise AccountNotFound
    if user.pk == staff.pk:
        raise OwnAccount
    if (user.is_staff or user.is_superuser) and not staff.is_superuser:
        raise AccountOfStaff
    return user


def set_active(user: User, is_active: bool) -> None:
    """Suspends or restores a user whose row is locked."""
    user.is_active = is_active
    user.save(update_fields=["is_active"])


def delete_user(user: User) -> None:
    """Deletes a user whose row is locked. The database deletes the rows that belong to the user."""
    user.delete()
