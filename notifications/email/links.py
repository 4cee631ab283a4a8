"""The links in our e-mails: what they say, and that we made them."""

import re
from datetime import timedelta
from hashlib import sha256
from typing import NamedTuple
from urllib.parse import urlencode
from uuid import UUID

from django.core.signing import BadSignature, SignatureExpired, Signer, TimestampSigner
from django.urls import reverse

from notifications.errors import ConfirmationExpired, InvalidConfirmationToken, InvalidUnsubscribeToken

CONFIRMATION_LASTS = timedelta(hours=24)
_TOKEN = re.compile(r"(-?[0-9]{1,19})\.([0-9a-f]{32})")


class UnsubscribeLink(NamedTuple):
    """`mailbox` is the digest of the address to which the link was mailed."""

    user_id: int
    mailbox: str


class ConfirmationLink(NamedTuple):
    user_id: int
    nonce: UUID


def unsubscribe_path(user_id: int, address: str) -> str:
    """The path and query of the link that ends e-mail to this user at this address. It never expires."""
    token = _unsubscribe_signer().sign(f"{user_id}.{mailbox_of(user_id, address)}")
    return f"{reverse('email-unsubscribe')}?{urlencode({'token': token})}"


def read_unsubscribe_token(token: str) -> UnsubscribeLink:
    """Raises InvalidUnsubscribeToken."""
    try:
        found = _TOKEN.fullmatch(_unsubscribe_signer().unsign(token))
    except BadSignature:
        raise InvalidUnsubscribeToken from None
    if found is None:
        raise InvalidUnsubscribeToken
    return UnsubscribeLink(int(found[1]), found[2])


def mailbox_of(user_id: int, address: str) -> str:
    """What a link carries in place of the address, because links end up in logs. Capitals make no other mailbox."""
    return sha256(f"{user_id}:{address.lower()}".encode()).hexdigest()[:32]


def confirmation_path(user_id: int, nonce: UUID) -> str:
    """The path and query of the link that confirms an address, which works for 24 hours from now."""
    token = _confirmation_signer().sign(f"{user_id}.{nonce.hex}")
    return f"{reverse('email-confirm')}?{urlencode({'token': token})}"


def read_confirmation_token(token: str) -> ConfirmationLink:
    """Raises InvalidConfirmationToken or ConfirmationExpired."""
    try:
        found = _TOKEN.fullmatch(_confirmation_signer().unsign(token, max_age=CONFIRMATION_LASTS))
    except SignatureExpired:
        raise ConfirmationExpired from None
    except BadSignature:
        raise InvalidConfirmationToken from None
    if found is None:
        raise InvalidConfirmationToken
    return ConfirmationLink(int(found[1]), UUID(found[2]))


def _unsubscribe_signer() -> Signer:
    return Signer(salt="notifications.emails.unsubscribe")


def _confirmation_signer() -> TimestampSigner:
    return TimestampSigner(salt="notifications.emails.confirm")
