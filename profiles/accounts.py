"""Accounts as others lock and change them. Who may do what to whom is decided here; what else it entails is not.

A user's row is the first lock of every transaction: then come cooperatives, their members, counters of notifications.
"""

from collections.abc import Iterable

from bitcoingame.core.postgresql.statements import execute
from profiles.errors import AccountNotFound, AccountOfStaff, AccountSuspended, OwnAccount
from profiles.models import User

_LOCK_USERS = "SELECT id FROM users WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE"


def lock_users(user_ids: Iterable[int]) -> None:
    """Locks the users' rows in the order of their ids, for the caller's transaction."""
    execute(_LOCK_USERS, [sorted(user_ids)])


def lock_active_user(user: User) -> None:
    """So that one user's joins, foundings and leavings, and their suspension, follow one another.

    Raises AccountSuspended.
    """
    if User.objects.select_for_update(no_key=True).only("pk").filter(pk=user.pk, is_active=True).first() is None:
        raise AccountSuspended


def lock_for_staff(*, staff: User, user_id: int) -> User:
    """The user, locked for an action of this member of staff.

    Staff accounts are for superusers, and nobody acts on their own. Raises AccountNotFound, OwnAccount, AccountOfStaff.
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
    """Deletes a user whose row is locked; the database deletes everything that is theirs."""
    user.delete()
