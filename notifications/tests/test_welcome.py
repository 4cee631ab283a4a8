"""A user is greeted at the first sign-in and never again, whichever service signs people in."""

import pytest

from bitcoingame.local.wallet import Wallet
from conftest import access_token, client_of
from notifications.models import Notification
from profiles.models import User
from profiles.sign_in import sessions

pytestmark = pytest.mark.django_db

ALICE = Wallet.of("Alice")


def sign_in_with_wallet():
    made = sessions.create_challenge(btc_address=ALICE.address())
    return sessions.verify_challenge(
        btc_address=ALICE.address(), signature=ALICE.sign(made.message), nonce=made.nonce
    ).user


def test_the_first_sign_in_with_a_wallet():
    user = sign_in_with_wallet()
    sign_in_with_wallet()

    welcome = Notification.objects.get()
    assert (welcome.user_id, welcome.type, welcome.subtype, welcome.seq) == (user.pk, "system", "welcome", 1)
    assert welcome.title == "Welcome to The Bitcoin Game!"


def test_the_first_sight_of_the_platforms_token(monkeypatch):
    token = access_token(User(pk=4_000_000, btc_address=ALICE.address()))
    monkeypatch.setattr("profiles.sign_in.token_users.can_sign", lambda: False)
    client = client_of(None)
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")

    answers = [client.get("/api/v1/users/me").json()["id"] for _ in range(2)]

    assert answers == ["4000000"] * 2
    assert list(Notification.objects.values_list("user_id", "subtype")) == [(4_000_000, "welcome")]
