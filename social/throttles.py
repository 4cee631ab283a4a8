"""Limits how many wrong invite codes an account and an address may try."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from rest_framework.request import Request

from bitcoingame.core.limits import client_address, refund_attempt, spend_attempt
from social.errors import CooperativeInactive, InvalidInviteCode


@contextmanager
def bounded_guess(request: Request) -> Iterator[None]:
    """Wraps each use of an invite code. The attempt is given back unless it turns out to be a wrong guess.

    Raises TooManyAttempts before the code is looked up.
    """
    limits = {f"invite-address:{client_address(request)}": settings.INVITE_GUESSES_PER_ADDRESS}
    if request.user.is_authenticated:
        limits[f"invite-account:{request.user.pk}"] = settings.INVITE_GUESSES_PER_ACCOUNT
    spend_attempt(limits)
    try:
        yield
    except (InvalidInviteCode, CooperativeInactive):
        raise
    except BaseException:
        refund_attempt(limits)
        raise
    refund_attempt(limits)
