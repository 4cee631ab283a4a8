"""The platform's tokens, which are JWTs signed with RS256 and contain the user's id and address."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Literal
from uuid import UUID, uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone
from jwt.types import Options

from profiles.errors import InvalidAddress, InvalidToken, TokenExpired
from profiles.sign_in.addresses import normalize_address

TokenType = Literal["access", "refresh"]

ALGORITHM = "RS256"
# How far our clock and the platform's may differ.
LEEWAY_SECONDS = 10
MAX_TOKEN_LENGTH = 4096
MIN_KEY_BITS = 2048
_MAX_USER_ID = 2**63 - 1
_MAX_TIMESTAMP = datetime(9999, 1, 1, tzinfo=UTC).timestamp()
_USER_ID = re.compile(r"[1-9][0-9]{0,18}")
# _refuse_expired checks exp at each reading. The platform may fill aud and jti as it likes.
_CHECKS: Options = {
    "require": ["sub", "address", "iss", "type", "exp"],
    "verify_exp": False,
    "verify_aud": False,
    "verify_jti": False,
}


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token says, whether we or the platform issued it. Only ours have a jti and a family. Times are UTC."""

    type: TokenType
    user_id: int
    btc_address: str
    expires_at: datetime
    jti: UUID | None
    family: UUID | None


@dataclass(frozen=True, slots=True)
class TokenPair:
    """Two signed tokens. `expires_in` is the life of the access token in seconds."""

    access_token: str
    refresh_token: str
    expires_in: int


def issue_pair(*, user_id: int, btc_address: str, family: UUID, refresh_jti: UUID, now: datetime) -> TokenPair:
    """Signs a new access token, and the refresh token whose row in refresh_tokens has the id `refresh_jti`.

    Raises ImproperlyConfigured without the private key.
    """
    owner = {"sub": str(user_id), "address": btc_address, "family": str(family)}
    life = settings.ACCESS_TOKEN_SECONDS
    return TokenPair(
        access_token=_sign(owner | {"type": "access", "jti": str(uuid4())}, now=now, life=life),
        refresh_token=_sign(
            owner | {"type": "refresh", "jti": str(refresh_jti)}, now=now, life=settings.REFRESH_TOKEN_SECONDS
        ),
        expires_in=life,
    )


def read_access_token(token: str) -> Claims:
    """Raises TokenExpired, or InvalidToken for whatever else is wrong with it."""
    claims = _verified(token, _verifying_pem(), "access")
    _refuse_expired(claims)
    return claims


def read_refresh_token(token: str) -> Claims:
    """Raises TokenExpired, or InvalidToken for whatever else is wrong with it."""
    claims = _verified(token, _verifying_pem(), "refresh")
    if claims.jti is None:
        raise InvalidToken
    _refuse_expired(claims)
    return claims


def read_any_token(token: str) -> Claims:
    """The claims of an access or refresh token, even if it has expired. Raises InvalidToken."""
    return _verified(token, _verifying_pem(), None)


def can_sign() -> bool:
    """Whether this service issues tokens. It does not in verify-only mode, because there the platform alone does."""
    return bool(settings.JWT_PRIVATE_KEY)


def check_keys() -> None:
    """Raises ImproperlyConfigured unless the configured keys are RSA keys of at least MIN_KEY_BITS bits.

    If both keys are configured, they must be one pair.
    """
    public = _public_key(_verifying_pem())
    if public.key_size < MIN_KEY_BITS:
        raise ImproperlyConfigured(f"JWT_PUBLIC_KEY and JWT_PRIVATE_KEY must have at least {MIN_KEY_BITS} bits.")
    if can_sign() and _private_key(settings.JWT_PRIVATE_KEY).public_key() != public:
        raise ImproperlyConfigured("JWT_PUBLIC_KEY does not belong to JWT_PRIVATE_KEY.")


def _verifying_pem() -> str:
    return settings.JWT_PUBLIC_KEY or settings.JWT_PRIVATE_KEY


@lru_cache(maxsize=4)
def _private_key(pem: str) -> RSAPrivateKey:
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, RSAPrivateKey):
        raise ImproperlyConfigured("JWT_PRIVATE_KEY must be an RSA private key in PEM form, without a passphrase.")
    return key


@lru_cache(maxsize=4)
def _public_key(pem: str) -> RSAPublicKey:
    if "PRIVATE KEY" in pem:
        return _private_key(pem).public_key()
    try:
        key = load_pem_public_key(pem.encode())
    except ValueError:
        key = None
    if not isinstance(key, RSAPublicKey):
        raise ImproperlyConfigured("JWT_PUBLIC_KEY must be an RSA public key in PEM form.")
    return key


def _sign(claims: dict[str, Any], *, now: datetime, life: int) -> str:
    issued_at = int(now.timestamp())
    payload = claims | {"iss": settings.JWT_ISSUER, "iat": issued_at, "exp": issued_at + life}
    return jwt.encode(payload, _private_key(settings.JWT_PRIVATE_KEY), algorithm=ALGORITHM)


# Cached, because a dashboard sends the same token with every request. A signature that was valid stays valid, but the
# token expires: the callers check that each time.
@lru_cache(maxsize=4096)
def _verified(token: str, pem: str, expected: TokenType | None) -> Claims:
    if len(token) > MAX_TOKEN_LENGTH or not token.isascii():
        raise InvalidToken
    try:
        payload = jwt.decode(
            token,
            _public_key(pem),
            algorithms=[ALGORITHM],
            issuer=settings.JWT_ISSUER,
            leeway=LEEWAY_SECONDS,
            options=_CHECKS,
        )
        return _read_claims(payload, expected)
    except (jwt.InvalidTokenError, InvalidAddress, ValueError, OverflowError, RecursionError):
        raise InvalidToken from None


def _read_claims(payload: dict[str, Any], expected: TokenType | None) -> Claims:
    """Raises InvalidToken, InvalidAddress or ValueError if a claim is not as the platform writes it."""
    kind, subject, address, expiry = (payload[name] for name in ("type", "sub", "address", "exp"))
    if kind not in ("access", "refresh") or expected not in (kind, None):
        raise InvalidToken
    if not isinstance(address, str) or not _USER_ID.fullmatch(subject):
        raise InvalidToken
    if isinstance(expiry, bool) or not isinstance(expiry, int | float) or not 0 < expiry < _MAX_TIMESTAMP:
        raise InvalidToken
    if int(subject) > _MAX_USER_ID:
        raise InvalidToken
    return Claims(
        type=kind,
        user_id=int(subject),
        btc_address=normalize_address(address),
        expires_at=datetime.fromtimestamp(expiry, UTC),
        jti=_read_uuid(payload.get("jti")),
        family=_read_uuid(payload.get("family")),
    )


def _read_uuid(value: object) -> UUID | None:
    """None if the value is not a UUID, because the platform may number its tokens and sessions as it likes."""
    try:
        return UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _refuse_expired(claims: Claims) -> None:
    if (timezone.now() - claims.expires_at).total_seconds() >= LEEWAY_SECONDS:
        raise TokenExpired
