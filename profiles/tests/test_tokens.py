import base64
import hashlib
import hmac
import json
import uuid
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from bitcoingame.local.wallet import Wallet
from profiles.errors import InvalidToken, TokenExpired
from profiles.sign_in import tokens

ADDRESS = Wallet.of("Alice").address()


@cache
def private_pem(name: str) -> str:
    key = rsa.generate_private_key(65537, 2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def public_pem(name: str) -> str:
    key = tokens._private_key(private_pem(name)).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@pytest.fixture(autouse=True)
def platform_keys(settings) -> None:
    settings.JWT_PRIVATE_KEY = private_pem("platform")
    settings.JWT_PUBLIC_KEY = ""


def issue(now: datetime | None = None) -> tokens.TokenPair:
    family, jti = uuid.uuid4(), uuid.uuid4()
    return tokens.issue_pair(user_id=7, btc_address=ADDRESS, family=family, refresh_jti=jti, now=now or timezone.now())


def forge(*, key: str = "platform", headers: dict[str, Any] | None = None, **changes: Any) -> str:
    """A token signed with the named key, with changed claims. A claim that is None is left out."""
    claims = {
        "sub": "7",
        "address": ADDRESS,
        "iss": "thebitcoingame.com",
        "type": "access",
        "exp": int(timezone.now().timestamp()) + 60,
    } | changes
    claims = {name: value for name, value in claims.items() if value is not None}
    body = ".".join(encode(json.dumps(part).encode()) for part in ({"alg": "RS256"} | (headers or {}), claims))
    algorithm = jwt.get_algorithm_by_name("RS256")
    return f"{body}.{encode(algorithm.sign(body.encode(), tokens._private_key(private_pem(key))))}"


def encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def test_a_pair_says_whose_it_is(settings) -> None:
    now = timezone.now()
    family, jti = uuid.uuid4(), uuid.uuid4()
    pair = tokens.issue_pair(user_id=7, btc_address=ADDRESS, family=family, refresh_jti=jti, now=now)
    assert pair.expires_in == settings.ACCESS_TOKEN_SECONDS

    access = tokens.read_access_token(pair.access_token)
    assert (access.user_id, access.btc_address, access.family) == (7, ADDRESS, family)
    assert access.expires_at == now.replace(microsecond=0) + timedelta(seconds=settings.ACCESS_TOKEN_SECONDS)

    refresh = tokens.read_refresh_token(pair.refresh_token)
    assert (refresh.user_id, refresh.jti, refresh.family) == (7, jti, family)
    assert refresh.expires_at == now.replace(microsecond=0) + timedelta(seconds=settings.REFRESH_TOKEN_SECONDS)


def test_a_token_carries_the_claims_the_platform_expects() -> None:
    pair = issue()
    payload = jwt.decode(pair.access_token, options={"verify_signature": False})
    assert jwt.get_unverified_header(pair.access_token) == {"alg": "RS256", "typ": "JWT"}
    assert set(payload) == {"sub", "address", "iss", "type", "iat", "exp", "jti", "family"}
    assert (payload["sub"], payload["iss"], payload["type"]) == ("7", "thebitcoingame.com", "access")


def test_the_platforms_own_tokens_are_read_with_its_public_key_alone(settings) -> None:
    settings.JWT_PRIVATE_KEY, settings.JWT_PUBLIC_KEY = "", public_pem("platform")
    claims = tokens.read_access_token(forge(aud="dashboard", jti=12, family="desktop"))
    assert (claims.user_id, claims.btc_address, claims.jti, claims.family) == (7, ADDRESS, None, None)
    assert not tokens.can_sign()


def test_an_upper_case_address_is_the_same_address() -> None:
    assert tokens.read_access_token(forge(address=ADDRESS.upper())).btc_address == ADDRESS


def test_each_type_serves_its_own_purpose() -> None:
    pair = issue()
    with pytest.raises(InvalidToken):
        tokens.read_access_token(pair.refresh_token)
    with pytest.raises(InvalidToken):
        tokens.read_refresh_token(pair.access_token)
    with pytest.raises(InvalidToken):
        tokens.read_refresh_token(forge(type="refresh"))


def test_expiry_is_checked_at_each_reading(monkeypatch) -> None:
    token = forge()
    assert tokens.read_access_token(token).user_id == 7
    later = timezone.now() + timedelta(seconds=60 + tokens.LEEWAY_SECONDS)
    monkeypatch.setattr(timezone, "now", lambda: later)
    with pytest.raises(TokenExpired):
        tokens.read_access_token(token)


def test_clocks_may_differ_by_the_leeway() -> None:
    now = int(timezone.now().timestamp())
    assert tokens.read_access_token(forge(exp=now - tokens.LEEWAY_SECONDS + 5)).user_id == 7
    assert tokens.read_access_token(forge(iat=now + tokens.LEEWAY_SECONDS - 5)).user_id == 7
    with pytest.raises(TokenExpired):
        tokens.read_access_token(forge(exp=now - tokens.LEEWAY_SECONDS))
    with pytest.raises(InvalidToken):
        tokens.read_access_token(forge(iat=now + 60))


def test_whose_an_expired_token_was_can_still_be_read() -> None:
    pair = issue(datetime(2020, 1, 1, tzinfo=UTC))
    with pytest.raises(TokenExpired):
        tokens.read_refresh_token(pair.refresh_token)
    for token, kind in ((pair.access_token, "access"), (pair.refresh_token, "refresh")):
        claims = tokens.read_any_token(token)
        assert (claims.type, claims.user_id) == (kind, 7)
    with pytest.raises(InvalidToken):
        tokens.read_any_token(forge(type="invitation"))


@pytest.mark.parametrize(
    "changes",
    [
        {"key": "stranger"},
        {"iss": "elsewhere.example"},
        {"iss": ["thebitcoingame.com"]},
        {"iss": None},
        {"exp": None},
        {"exp": "tomorrow"},
        {"exp": True},
        {"exp": -1},
        {"exp": 10**400},
        {"exp": float("inf")},
        {"exp": float("nan")},
        {"sub": None},
        {"sub": 7},
        {"sub": ""},
        {"sub": "0"},
        {"sub": "07"},
        {"sub": "-7"},
        {"sub": "7\n"},
        {"sub": "\u0667"},
        {"sub": str(2**63)},
        {"sub": "7" * 2000},
        {"address": None},
        {"address": 7},
        {"address": ""},
        {"address": "bc1qnobody"},
        {"address": "tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx"},
        {"type": None},
        {"type": "refresh"},
        {"type": ["access"]},
        {"padding": "x" * 4096},
        {"headers": {"alg": "HS256"}},
        {"headers": {"alg": "none"}},
        {"headers": {"alg": 7}},
        {"headers": {"crit": ["exp"]}},
        {"headers": {"b64": False}},
        {"headers": {"kid": {}}},
    ],
    ids=str,
)
def test_a_token_that_is_not_as_the_platform_writes_it_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidToken):
        tokens.read_access_token(forge(**changes))


def test_the_largest_id_is_read() -> None:
    assert tokens.read_access_token(forge(sub=str(2**63 - 1))).user_id == 2**63 - 1


def test_the_public_key_does_not_serve_as_a_shared_secret(settings) -> None:
    settings.JWT_PRIVATE_KEY, settings.JWT_PUBLIC_KEY = "", public_pem("platform")
    payload = forge().split(".")[1]
    for algorithm, sign in (
        ("HS256", lambda body: hmac.new(public_pem("platform").encode(), body, hashlib.sha256).digest()),
        ("none", lambda body: b""),
    ):
        body = f"{encode(json.dumps({'alg': algorithm}).encode())}.{payload}"
        with pytest.raises(InvalidToken):
            tokens.read_access_token(f"{body}.{encode(sign(body.encode()))}")


@given(
    st.one_of(
        st.text(),
        st.lists(st.binary(max_size=40).map(encode), min_size=1, max_size=4).map(".".join),
        st.recursive(st.none() | st.text(max_size=5) | st.floats(), lambda inner: st.lists(inner), max_leaves=4).map(
            lambda value: f"{encode(json.dumps(value).encode())}.e30.AA"
        ),
    )
)
def test_no_text_does_more_than_be_refused(token: str) -> None:
    # The platform's key is not in the settings here. It need not be, because none of these texts is signed.
    for read in (tokens.read_access_token, tokens.read_refresh_token):
        with pytest.raises(InvalidToken):
            read(token)


@pytest.mark.parametrize("token", ["[" * 4000 + ".e30.AA", encode(b"[" * 2900) + ".e30.AA", "\ud800", "\0", "a.b.c"])
def test_hostile_texts_are_refused(token: str) -> None:
    with pytest.raises(InvalidToken):
        tokens.read_access_token(token)


def test_keys_of_one_pair_are_accepted(settings) -> None:
    tokens.check_keys()
    settings.JWT_PUBLIC_KEY = public_pem("platform")
    tokens.check_keys()


def test_keys_that_cannot_work_end_the_start(settings) -> None:
    settings.JWT_PUBLIC_KEY = public_pem("stranger")
    with pytest.raises(ImproperlyConfigured, match="JWT_PUBLIC_KEY does not belong"):
        tokens.check_keys()
    settings.JWT_PUBLIC_KEY = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"
    with pytest.raises(ImproperlyConfigured, match="JWT_PUBLIC_KEY must be an RSA public key"):
        tokens.check_keys()
    settings.JWT_PUBLIC_KEY = ""
    settings.JWT_PRIVATE_KEY = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"
    with pytest.raises(ImproperlyConfigured, match="JWT_PRIVATE_KEY must be an RSA private key"):
        tokens.check_keys()
    curve_key = ec.generate_private_key(ec.SECP256R1())
    settings.JWT_PRIVATE_KEY = curve_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    with pytest.raises(ImproperlyConfigured, match="JWT_PRIVATE_KEY must be an RSA private key"):
        tokens.check_keys()
    small = rsa.generate_private_key(65537, 1024)
    settings.JWT_PRIVATE_KEY = small.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    with pytest.raises(ImproperlyConfigured, match="at least 2048 bits"):
        tokens.check_keys()
