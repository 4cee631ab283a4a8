"""Signing in with a wallet: challenges, sessions and their end.

A session is a family of refresh tokens: each refresh spends one and makes the next. A family changes only under the
lock of its user's row, so that simultaneous requests see each other's work.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit
from uuid import UUID, uuid4

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from bitcoingame.core.postgresql.purging import delete_batch
from profiles.errors import (
    AccountSuspended,
    InvalidNonce,
    InvalidSignature,
    InvalidToken,
    SignInElsewhere,
    UnsupportedAddress,
)
from profiles.models import RefreshToken, SignInChallenge, User
from profiles.sign_in import tokens
from profiles.sign_in.addresses import normalize_address, parse_address
from profiles.sign_in.first_sign_in import handle_first_sign_in
from profiles.sign_in.wallet_signatures import SIGN_IN_KINDS, verify_signature

CHALLENGE_SECONDS = 5 * 60
BITCOIN_MAINNET = "bip122:000000000019d6689c085ae165831e93"

_CONSUME_CHALLENGE = """
DELETE FROM sign_in_challenges WHERE nonce_digest = %s RETURNING btc_address, message, expires_at
"""


@dataclass(frozen=True, slots=True)
class Challenge:
    """`message` is what the wallet signs; `expires_in` is in seconds."""

    nonce: str
    message: str
    expires_in: int


@dataclass(frozen=True, slots=True)
class Session:
    user: User
    tokens: tokens.TokenPair


def create_challenge(*, btc_address: str) -> Challenge:
    """Makes a message that the wallet of this address has to sign within 5 minutes.

    Raises InvalidAddress, UnsupportedAddress, SignInElsewhere.
    """
    _refuse_without_key()
    address = parse_address(btc_address)
    if address.kind not in SIGN_IN_KINDS:
        raise UnsupportedAddress
    issued_at = timezone.now()
    expires_at = issued_at + timedelta(seconds=CHALLENGE_SECONDS)
    nonce = secrets.token_hex(16)
    message = write_message(address=address.text, nonce=nonce, issued_at=issued_at, expires_at=expires_at)
    SignInChallenge.objects.create(
        nonce_digest=_digest(nonce), btc_address=address.text, message=message, expires_at=expires_at
    )
    return Challenge(nonce=nonce, message=message, expires_in=CHALLENGE_SECONDS)


def verify_challenge(*, btc_address: str, signature: str, nonce: str) -> Session:
    """Signs in the owner of the address. The first sign-in creates the account.

    The nonce is spent even if the signature is refused. Raises InvalidNonce, InvalidAddress, InvalidSignature,
    AccountSuspended, SignInElsewhere.
    """
    _refuse_without_key()
    message = _consume_challenge(nonce=nonce, btc_address=btc_address)
    address = normalize_address(btc_address)
    if not verify_signature(address=address, message=message, signature=signature):
        raise InvalidSignature
    now, family, jti = timezone.now(), uuid4(), uuid4()
    with transaction.atomic():
        user, is_new = User.objects.select_for_update(no_key=True).get_or_create(btc_address=address)
        _refuse_suspended(user)
        _keep_refresh_token(user, jti=jti, family=family, now=now)
        if is_new:
            handle_first_sign_in(user_id=user.pk)
    return Session(user, _issue(user, jti=jti, family=family, now=now))


def refresh(*, refresh_token: str) -> Session:
    """Spends a refresh token and issues a new pair.

    A token that was spent before ends its whole family. This happens even if two requests of one user merely crossed,
    because the second of them looks like a thief's. Raises InvalidToken, TokenExpired, AccountSuspended,
    SignInElsewhere.
    """
    _refuse_without_key()
    claims = tokens.read_refresh_token(refresh_token)
    assert claims.jti is not None
    now, jti = timezone.now(), uuid4()
    # Durable: the end of a family must be committed although the request is refused.
    with transaction.atomic(durable=True):
        user = _lock_user(claims)
        spent = RefreshToken.objects.filter(jti=claims.jti, user=user).first()
        if spent and spent.used_at:
            RefreshToken.objects.filter(family=spent.family).delete()
        elif spent:
            RefreshToken.objects.filter(jti=spent.jti).update(used_at=now)
            _keep_refresh_token(user, jti=jti, family=spent.family, now=now)
    if spent is None or spent.used_at:
        raise InvalidToken
    return Session(user, _issue(user, jti=jti, family=spent.family, now=now))


def logout(*, token: str) -> None:
    """Ends the session to which an access or refresh token of ours belongs. Does nothing if it has ended already.

    Raises InvalidToken, SignInElsewhere.
    """
    _refuse_without_key()
    claims = tokens.read_any_token(token)
    with transaction.atomic():
        user = User.objects.select_for_update(no_key=True).only("id").filter(id=claims.user_id).first()
        if user and claims.family:
            RefreshToken.objects.filter(family=claims.family, user=user).delete()


def end_sessions(user: User) -> None:
    """Ends all sessions of a user whose row is locked."""
    RefreshToken.objects.filter(user=user).delete()


def purge_expired(*, now: datetime, batch_size: int) -> int:
    """Deletes expired challenges and refresh tokens, up to batch_size of each. Returns how many it deleted."""
    challenges = delete_batch(table="sign_in_challenges", column="expires_at", before=now, batch_size=batch_size)
    return challenges + delete_batch(table="refresh_tokens", column="expires_at", before=now, batch_size=batch_size)


def write_message(*, address: str, nonce: str, issued_at: datetime, expires_at: datetime) -> str:
    """The text a wallet shows before it signs, with the fields of CAIP-122; times are UTC, to the second."""
    origin = (settings.DASHBOARD_ORIGINS or [settings.PUBLIC_URL])[0]
    return "\n".join(
        (
            f"{urlsplit(origin).netloc} wants you to sign in with your Bitcoin account:",
            address,
            "",
            "Sign in to The Bitcoin Game.",
            "",
            f"URI: {origin}",
            "Version: 1",
            f"Chain ID: {BITCOIN_MAINNET}",
            f"Nonce: {nonce}",
            f"Issued At: {issued_at:%Y-%m-%dT%H:%M:%SZ}",
            f"Expiration Time: {expires_at:%Y-%m-%dT%H:%M:%SZ}",
        )
    )


def _refuse_without_key() -> None:
    if not tokens.can_sign():
        raise SignInElsewhere


def _refuse_suspended(user: User) -> None:
    if not user.is_active:
        raise AccountSuspended


def _digest(nonce: str) -> bytes:
    return hashlib.sha256(nonce.encode(errors="surrogatepass")).digest()


def _consume_challenge(*, nonce: str, btc_address: str) -> str:
    """Deletes the challenge with this nonce and returns its message. Raises InvalidNonce, InvalidAddress.

    Only one of many attempts gets the message, because only one can delete the row.
    """
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute(_CONSUME_CHALLENGE, [_digest(nonce)])
        row: tuple[str, str, datetime] | None = cursor.fetchone()
    if row is None:
        raise InvalidNonce
    address, message, expires_at = row
    if expires_at <= timezone.now() or address != normalize_address(btc_address):
        raise InvalidNonce
    return message


def _lock_user(claims: tokens.Claims) -> User:
    user = User.objects.select_for_update(no_key=True).filter(id=claims.user_id, btc_address=claims.btc_address).first()
    if user is None:
        raise InvalidToken
    _refuse_suspended(user)
    return user


def _keep_refresh_token(user: User, *, jti: UUID, family: UUID, now: datetime) -> None:
    expires_at = now + timedelta(seconds=settings.REFRESH_TOKEN_SECONDS)
    RefreshToken.objects.create(jti=jti, family=family, user=user, expires_at=expires_at)


def _issue(user: User, *, jti: UUID, family: UUID, now: datetime) -> tokens.TokenPair:
    assert user.btc_address is not None
    return tokens.issue_pair(user_id=user.pk, btc_address=user.btc_address, family=family, refresh_jti=jti, now=now)
