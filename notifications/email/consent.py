"""Who may be mailed: an address is confirmed by a link that was mailed to it, and leaves by another."""

from django.db import transaction
from django.utils import timezone

from bitcoingame.core.queue import enqueue_on_commit
from notifications.email.links import mailbox_of, read_confirmation_token, read_unsubscribe_token
from notifications.errors import (
    ConfirmationSuperseded,
    ConfirmationUsed,
    EmailConfirmedAlready,
    NoEmailGiven,
)
from notifications.models import EmailConfirmation
from profiles.models import NotificationPreferences
from profiles.services import confirm_email, lock_preferences, switch_email_off


def ask_for_confirmation(*, user_id: int, address: str) -> None:
    """Makes the e-mail due that asks to confirm the address; links mailed before stop working.

    settings.ON_EMAIL_GIVEN names this function. Call it in the transaction that locks the user's preferences.
    """
    asked = EmailConfirmation(user_id=user_id, address=address, due_at=timezone.now(), asked_at=timezone.now())
    changed = [field.name for field in EmailConfirmation._meta.concrete_fields if not field.primary_key]
    EmailConfirmation.objects.bulk_create([asked], update_conflicts=True, unique_fields=["user"], update_fields=changed)
    enqueue_on_commit("notifications.jobs.send_due_emails")


def get_address_to_confirm(*, user_id: int) -> str:
    """The user's address. Raises NoEmailGiven, or EmailConfirmedAlready."""
    return _address_to_confirm(NotificationPreferences.objects.get(pk=user_id))


@transaction.atomic
def ask_again(*, user_id: int) -> None:
    """Mails the user's present address once more. Raises NoEmailGiven, or EmailConfirmedAlready."""
    address = _address_to_confirm(lock_preferences(user_id=user_id))
    ask_for_confirmation(user_id=user_id, address=address)


def check_confirmation(token: str) -> None:
    """Raises what `confirm` would raise now, and changes nothing."""
    with transaction.atomic():
        _find_confirmation(token)


@transaction.atomic
def confirm(token: str) -> None:
    """Confirms the address to which the link was mailed.

    Raises InvalidConfirmationToken, ConfirmationExpired, ConfirmationUsed or ConfirmationSuperseded.
    """
    confirmation = _find_confirmation(token)
    confirmation.used_at = timezone.now()
    confirmation.save(update_fields=["used_at"])
    confirm_email(user_id=confirmation.user_id)


@transaction.atomic
def unsubscribe(token: str) -> bool:
    """Ends e-mail to the address to which the link was mailed. False if the user has another address by now.

    Raises InvalidUnsubscribeToken.
    """
    user_id, mailbox = read_unsubscribe_token(token)
    try:
        preferences = lock_preferences(user_id=user_id)
    except NotificationPreferences.DoesNotExist:
        return False
    if not preferences.email or mailbox_of(user_id, preferences.email) != mailbox:
        return False
    switch_email_off(user_id=user_id)
    return True


def _find_confirmation(token: str) -> EmailConfirmation:
    """The confirmation that the link belongs to, locked with the user's preferences, which hold its address."""
    user_id, nonce = read_confirmation_token(token)
    try:
        address = lock_preferences(user_id=user_id).email
        confirmation = EmailConfirmation.objects.select_for_update().get(user_id=user_id, nonce=nonce)
    except (NotificationPreferences.DoesNotExist, EmailConfirmation.DoesNotExist):
        raise ConfirmationSuperseded from None
    if confirmation.address != address:
        raise ConfirmationSuperseded
    if confirmation.used_at is not None:
        raise ConfirmationUsed
    return confirmation


def _address_to_confirm(preferences: NotificationPreferences) -> str:
    if not preferences.email:
        raise NoEmailGiven
    if preferences.is_email_confirmed:
        raise EmailConfirmedAlready
    return preferences.email
