"""What staff do to accounts. Suspending or deleting an account also takes it out of its cooperative."""

from functools import partial

from django.db import transaction

from notifications.counting import lock_counter_before_deletion
from notifications.realtime import disconnect_user
from profiles.accounts import delete_user, lock_for_staff, set_active
from profiles.audit import Target, clean_reason, record_staff_action
from profiles.errors import AccountAlreadySuspended, AccountNotSuspended
from profiles.models import User
from profiles.sign_in.sessions import end_sessions
from social.membership import delete_dissolved, leave


@transaction.atomic
def suspend_user(*, staff: User, reason: str, user_id: int) -> None:
    """Closes the account until it is restored: no seat, no sockets, no sign-in, and 403 for the tokens it still has.

    Raises ReasonMissing, AccountNotFound, OwnAccount, AccountOfStaff, AccountAlreadySuspended.
    """
    user = _lock_for(staff, user_id, reason)
    if not user.is_active:
        raise AccountAlreadySuspended
    _close(user, action="suspend_user", staff=staff, reason=reason)
    set_active(user, False)


@transaction.atomic
def restore_user(*, staff: User, reason: str, user_id: int) -> None:
    """Opens a suspended account again. Its sessions and its seat stay gone; an access token works until it expires.

    Raises ReasonMissing, AccountNotFound, OwnAccount, AccountOfStaff, AccountNotSuspended.
    """
    user = _lock_for(staff, user_id, reason)
    if user.is_active:
        raise AccountNotSuspended
    set_active(user, True)
    record_staff_action(action="restore_user", target=_target(user), staff=staff, reason=reason)


@transaction.atomic
def delete_account(*, staff: User, reason: str, user_id: int) -> None:
    """Deletes the user and all that is theirs, including dissolved cooperatives that they owned.

    Raises ReasonMissing, AccountNotFound, OwnAccount, AccountOfStaff.
    """
    user = _lock_for(staff, user_id, reason)
    _close(user, action="delete_account", staff=staff, reason=reason)
    lock_counter_before_deletion(user_id)
    delete_dissolved(owner_id=user_id)
    delete_user(user)


def _lock_for(staff: User, user_id: int, reason: str) -> User:
    clean_reason(reason)
    return lock_for_staff(staff=staff, user_id=user_id)


def _close(user: User, *, action: str, staff: User, reason: str) -> None:
    cooperative = leave(user.pk)
    details = {"left_cooperative_id": str(cooperative.pk), "left_cooperative": cooperative.name} if cooperative else {}
    record_staff_action(action=action, target=_target(user), staff=staff, reason=reason, details=details)
    end_sessions(user)
    transaction.on_commit(partial(disconnect_user, user.pk), robust=True)


def _target(user: User) -> Target:
    return Target("user", user.pk, user.shown_name)
