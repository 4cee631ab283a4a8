"""Limits how many e-mails that ask for a confirmation an account, a mailbox and a client may cause."""

from hashlib import sha256

from django.conf import settings
from rest_framework.request import Request

from bitcoingame.core.limits import client_address, spend_attempt


def spend_confirmation(request: Request, address: str) -> None:
    """Counts one e-mail to `address`. Raises TooManyAttempts before anything is changed or sent."""
    # A digest, because the counters are no place for anybody's address.
    mailbox = sha256(address.lower().encode()).hexdigest()
    spend_attempt(
        {
            f"confirmation-account:{request.user.pk}": settings.CONFIRMATIONS_PER_ACCOUNT,
            f"confirmation-address:{client_address(request)}": settings.CONFIRMATIONS_PER_ADDRESS,
            f"confirmation-mailbox:{mailbox}": settings.CONFIRMATIONS_PER_MAILBOX,
        }
    )
