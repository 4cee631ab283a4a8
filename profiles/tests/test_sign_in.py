import hashlib
import io
import json
import uuid
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone
from drf_spectacular.generators import SchemaGenerator
from rest_framework.test import APIClient

from bitcoingame.local.wallet import Wallet
from bitcoingame.management.commands.wallet import answer
from profiles.errors import AccountSuspended, InvalidToken, TokenExpired
from profiles.models import RefreshToken, SignInChallenge, User
from profiles.sign_in import sessions, tokens
from profiles.sign_in.token_users import authenticate_token
from profiles.tests.test_tokens import forge, private_pem, public_pem

ALICE = Wallet.of("Alice")
BOB = Wallet.of("Bob")
URL = "/api/v1/auth/"


@pytest.fixture(autouse=True)
def settings_of_sign_in(settings) -> None:
    settings.JWT_PRIVATE_KEY, settings.JWT_PUBLIC_KEY = private_pem("platform"), ""
    settings.DASHBOARD_ORIGINS = ["https://dashboard.example:8443"]


@pytest.fixture
def verify_only(settings) -> None:
    settings.JWT_PRIVATE_KEY, settings.JWT_PUBLIC_KEY = "", public_pem("platform")


def id_far_ahead() -> int:
    """One that neither the sequence of ids nor another test has come to; a sequence is never rolled back."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval(pg_get_serial_sequence('users', 'id')) + 10000000")
        return cursor.fetchone()[0]


def post(action: str, body: Any = None, token: str | None = None) -> Any:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return APIClient().post(URL + action, body, format="json" if body is not None else None, headers=headers)


def get_me(token: str) -> Any:
    return APIClient().get("/api/v1/users/me", headers={"Authorization": f"Bearer {token}"})


def challenge(wallet: Wallet = ALICE, kind: str = "p2wpkh") -> dict[str, Any]:
    response = post("challenge", {"btc_address": wallet.address(kind)})
    assert response.status_code == 200
    return response.json()


def proof(wallet: Wallet = ALICE, kind: str = "p2wpkh", compact: bool = False) -> dict[str, str]:
    """The body of a verify request that will succeed."""
    made = challenge(wallet, kind)
    sign = wallet.sign_compact if compact else lambda message: wallet.sign(message, kind)
    return {"btc_address": wallet.address(kind), "signature": sign(made["message"]), "nonce": made["nonce"]}


def signed_in(wallet: Wallet = ALICE) -> dict[str, Any]:
    response = post("verify", proof(wallet))
    assert response.status_code == 200
    return response.json()


def refused(response: Any, status: int, code: str) -> None:
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert isinstance(response.json()["detail"], str)
    assert response.headers.get("WWW-Authenticate") == ("Bearer" if status == 401 else None)


@pytest.mark.django_db
class TestChallenge:
    def test_the_message_names_what_is_signed_for(self) -> None:
        before = timezone.now().replace(microsecond=0)
        made = challenge()
        assert set(made) == {"nonce", "message", "expires_in"}
        assert made["expires_in"] == 300
        lines = made["message"].split("\n")
        assert lines[:9] == [
            "dashboard.example:8443 wants you to sign in with your Bitcoin account:",
            ALICE.address(),
            "",
            "Sign in to The Bitcoin Game.",
            "",
            "URI: https://dashboard.example:8443",
            "Version: 1",
            "Chain ID: bip122:000000000019d6689c085ae165831e93",
            f"Nonce: {made['nonce']}",
        ]
        issued_at = datetime.fromisoformat(lines[9].removeprefix("Issued At: "))
        expires_at = datetime.fromisoformat(lines[10].removeprefix("Expiration Time: "))
        assert before <= issued_at <= timezone.now()
        assert expires_at - issued_at == timedelta(minutes=5)
        assert len(lines) == 11

    def test_only_the_digest_of_the_nonce_is_kept(self) -> None:
        made = challenge()
        row = SignInChallenge.objects.get()
        assert bytes(row.nonce_digest) == hashlib.sha256(made["nonce"].encode()).digest()
        assert (row.btc_address, row.message) == (ALICE.address(), made["message"])

    def test_an_address_in_capitals_is_the_same_address(self) -> None:
        response = post("challenge", {"btc_address": ALICE.address().upper()})
        assert response.json()["message"].split("\n")[1] == ALICE.address()

    def test_an_address_that_cannot_sign_in_is_refused_a_challenge(self) -> None:
        refused(post("challenge", {"btc_address": ALICE.address("p2wsh")}), 400, "unsupported_address")
        assert not SignInChallenge.objects.exists()

    @pytest.mark.parametrize("address", ["bc1qnobody", "tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx", "ä" * 40])
    def test_a_text_that_is_no_address_is_refused(self, address: str) -> None:
        refused(post("challenge", {"btc_address": address}), 400, "invalid_address")

    @pytest.mark.parametrize("body", [{}, [], None, "x", {"btc_address": 7}, {"btc_address": None}])
    def test_a_body_that_is_no_form_is_refused(self, body: Any) -> None:
        refused(post("challenge", body), 400, "invalid_input")

    @pytest.mark.parametrize("address", ["", "\0", "x" * 101, ["a"], {"a": 1}, True, 1.5])
    def test_an_address_that_is_no_text_is_refused(self, address: Any) -> None:
        response = post("challenge", {"btc_address": address})
        refused(response, 400, "invalid_input")
        assert set(response.json()["errors"]) == {"btc_address"}


@pytest.mark.django_db
class TestVerify:
    @pytest.mark.parametrize(
        ("kind", "compact"),
        [
            ("p2wpkh", False),
            ("p2tr", False),
            ("p2pkh", True),
            ("p2pkh-uncompressed", True),
            ("p2sh-p2wpkh", True),
            ("p2wpkh", True),
        ],
    )
    def test_each_kind_of_wallet_signs_in(self, kind: str, compact: bool) -> None:
        response = post("verify", proof(ALICE, kind, compact))
        assert response.status_code == 200
        assert response.headers["Cache-Control"] == "no-store"
        body = response.json()
        assert set(body) == {"access_token", "refresh_token", "token_type", "expires_in", "user"}
        assert (body["token_type"], body["expires_in"]) == ("bearer", 900)
        assert body["user"]["btc_address"] == ALICE.address(kind)
        assert get_me(body["access_token"]).json() == body["user"]

    def test_the_first_sign_in_begins_the_account_and_the_next_finds_it(self) -> None:
        first, second = (sessions.verify_challenge(**proof()) for _ in range(2))
        assert first.user == second.user == User.objects.get()
        assert not User.objects.get().has_usable_password()

    def test_a_nonce_works_once(self) -> None:
        body = proof()
        assert post("verify", body).status_code == 200
        refused(post("verify", body), 401, "invalid_nonce")
        assert RefreshToken.objects.count() == 1

    def test_a_wrong_signature_spends_the_nonce(self) -> None:
        body = proof()
        refused(post("verify", body | {"signature": BOB.sign("something else")}), 401, "invalid_signature")
        refused(post("verify", body), 401, "invalid_nonce")
        assert not User.objects.exists()

    def test_a_nonce_serves_its_own_address_alone(self) -> None:
        body = proof()
        refused(post("verify", body | {"btc_address": BOB.address()}), 401, "invalid_nonce")
        refused(post("verify", body), 401, "invalid_nonce")
        assert not User.objects.exists()

    def test_a_nonce_spent_on_nonsense_is_spent(self) -> None:
        body = proof()
        refused(post("verify", body | {"btc_address": "nonsense"}), 400, "invalid_address")
        refused(post("verify", body), 401, "invalid_nonce")

    def test_a_challenge_expires(self) -> None:
        body = proof()
        SignInChallenge.objects.update(expires_at=timezone.now())
        refused(post("verify", body), 401, "invalid_nonce")
        assert not SignInChallenge.objects.exists()

    def test_an_unknown_nonce_is_refused(self) -> None:
        for nonce in ("0" * 32, "ä", "🔑"):
            refused(post("verify", proof() | {"nonce": nonce}), 401, "invalid_nonce")
        assert not User.objects.exists()

    def test_the_full_variant_does_not_sign_in(self) -> None:
        refused(post("verify", proof(ALICE, "p2pkh")), 401, "invalid_signature")

    @pytest.mark.parametrize("field", ["btc_address", "signature", "nonce"])
    @pytest.mark.parametrize("value", [None, 7, True, [], {}, "", "\0", "x" * 1025])
    def test_wrong_types_are_refused_and_spend_nothing(self, field: str, value: Any) -> None:
        body = proof()
        response = post("verify", body | {field: value})
        refused(response, 400, "invalid_input")
        assert set(response.json()["errors"]) == {field}
        assert SignInChallenge.objects.count() == 1
        assert not User.objects.exists()

    @pytest.mark.parametrize(
        "timestamp", [1764058000, 1764058000.5, "2026-11-25T08:00:00Z", "", "\0", 0, -1, True, None]
    )
    def test_the_timestamp_of_the_platforms_clients_is_not_needed(self, timestamp: Any) -> None:
        response = post("verify", proof() | {"timestamp": timestamp})
        assert response.status_code == 200
        assert response.json()["user"]["btc_address"] == ALICE.address()

    @pytest.mark.parametrize("extra", [{"timestamp": []}, {"timestamp": {"at": 1}}, {"message": "x"}, {"Timestamp": 1}])
    def test_what_is_unknown_is_refused_and_spends_nothing(self, extra: dict[str, Any]) -> None:
        body = proof()
        response = post("verify", body | extra)
        refused(response, 400, "invalid_input")
        assert set(response.json()["errors"]) == set(extra)
        assert SignInChallenge.objects.count() == 1
        assert not User.objects.exists()
        assert post("verify", body).status_code == 200

    def test_a_suspended_account_does_not_sign_in(self) -> None:
        User.objects.create(btc_address=ALICE.address(), is_active=False)
        refused(post("verify", proof()), 403, "account_suspended")
        assert not RefreshToken.objects.exists()


@pytest.mark.django_db
class TestRefresh:
    def test_a_refresh_token_buys_a_new_pair(self) -> None:
        old = signed_in()
        response = post("refresh", {"refresh_token": old["refresh_token"]})
        assert response.status_code == 200
        assert response.headers["Cache-Control"] == "no-store"
        new = response.json()
        assert set(new) == {"access_token", "refresh_token", "token_type", "expires_in"}
        assert new["refresh_token"] != old["refresh_token"]
        assert get_me(new["access_token"]).json() == old["user"]
        assert post("refresh", {"refresh_token": new["refresh_token"]}).status_code == 200

    def test_a_token_used_again_ends_its_family_and_no_other(self) -> None:
        first, other = signed_in(), signed_in()
        second = post("refresh", {"refresh_token": first["refresh_token"]}).json()
        refused(post("refresh", {"refresh_token": first["refresh_token"]}), 401, "invalid_token")
        refused(post("refresh", {"refresh_token": second["refresh_token"]}), 401, "invalid_token")
        assert post("refresh", {"refresh_token": other["refresh_token"]}).status_code == 200

    def test_an_access_token_refreshes_nothing(self) -> None:
        refused(post("refresh", {"refresh_token": signed_in()["access_token"]}), 401, "invalid_token")

    def test_a_token_signed_for_no_row_refreshes_nothing(self) -> None:
        user_id = str(User.objects.create(btc_address=ALICE.address()).pk)
        stray = forge(sub=user_id, address=ALICE.address(), type="refresh", jti=str(uuid.uuid4()))
        refused(post("refresh", {"refresh_token": stray}), 401, "invalid_token")

    def test_an_expired_token_says_so(self) -> None:
        expired = forge(type="refresh", jti=str(uuid.uuid4()), exp=1_600_000_000)
        refused(post("refresh", {"refresh_token": expired}), 401, "token_expired")

    def test_a_suspended_account_refreshes_nothing_but_may_again_when_restored(self) -> None:
        session = signed_in()
        User.objects.update(is_active=False)
        refused(post("refresh", {"refresh_token": session["refresh_token"]}), 403, "account_suspended")
        User.objects.update(is_active=True)
        assert post("refresh", {"refresh_token": session["refresh_token"]}).status_code == 200

    def test_a_deleted_account_refreshes_nothing(self) -> None:
        session = signed_in()
        User.objects.all().delete()
        refused(post("refresh", {"refresh_token": session["refresh_token"]}), 401, "invalid_token")
        refused(get_me(session["access_token"]), 401, "invalid_token")

    @pytest.mark.parametrize("value", [None, 7, [], "", "x" * 4097])
    def test_wrong_types_are_refused(self, value: Any) -> None:
        refused(post("refresh", {"refresh_token": value}), 400, "invalid_input")


@pytest.mark.django_db
class TestLogout:
    @pytest.mark.parametrize("by", ["refresh_token", "access_token"])
    def test_it_ends_this_session_and_no_other(self, by: str) -> None:
        session, other = signed_in(), signed_in()
        for _ in range(2):
            if by == "refresh_token":
                response = post("logout", {"refresh_token": session["refresh_token"]})
            else:
                response = post("logout", token=session["access_token"])
            assert (response.status_code, response.json()) == (200, {"detail": "You are signed out."})
        refused(post("refresh", {"refresh_token": session["refresh_token"]}), 401, "invalid_token")
        assert post("refresh", {"refresh_token": other["refresh_token"]}).status_code == 200

    def test_it_ends_the_session_that_a_spent_token_belongs_to(self) -> None:
        session = signed_in()
        successor = post("refresh", {"refresh_token": session["refresh_token"]}).json()
        assert post("logout", {"refresh_token": session["refresh_token"]}).status_code == 200
        refused(post("refresh", {"refresh_token": successor["refresh_token"]}), 401, "invalid_token")

    def test_an_expired_token_is_good_enough_to_leave_with(self) -> None:
        session = signed_in()
        family = tokens.read_refresh_token(session["refresh_token"]).family
        expired = forge(sub=session["user"]["id"], exp=1_600_000_000, family=str(family))
        assert post("logout", {}, token=expired).status_code == 200
        assert not RefreshToken.objects.exists()

    def test_the_platforms_token_has_no_session_here(self) -> None:
        signed_in()
        assert post("logout", token=forge()).status_code == 200
        assert RefreshToken.objects.count() == 1

    def test_without_any_token_one_is_not_signed_in(self) -> None:
        refused(post("logout"), 401, "not_signed_in")
        refused(post("logout", {"refresh_token": "nonsense"}), 401, "invalid_token")
        refused(post("logout", {"refresh_token": 7}), 400, "invalid_input")


@pytest.mark.django_db
class TestBearer:
    def test_a_request_costs_one_query(self, django_assert_num_queries) -> None:
        token = signed_in()["access_token"]
        User.objects.update(display_name="Alice")
        with django_assert_num_queries(1):
            user, expires_at = authenticate_token(token)
        with django_assert_num_queries(0):
            assert (user.btc_address, user.display_name, user.is_active) == (ALICE.address(), "Alice", True)
            assert user.is_authenticated
        assert expires_at == tokens.read_access_token(token).expires_at
        assert user == User.objects.get()

    def test_without_a_token_one_is_not_signed_in(self) -> None:
        refused(APIClient().get("/api/v1/users/me"), 401, "not_signed_in")
        basic = APIClient().get("/api/v1/users/me", headers={"Authorization": "Basic YTpi"})
        refused(basic, 401, "not_signed_in")

    @pytest.mark.parametrize("token", ["", "nonsense", "a.b.c", "\xff", "x" * 5000])
    def test_nonsense_is_refused(self, token: str) -> None:
        refused(get_me(token), 401, "invalid_token")

    def test_a_bad_token_is_refused_even_where_none_is_needed(self) -> None:
        response = APIClient().get("/api/v1/users/nobody/profile", headers={"Authorization": "Bearer nonsense"})
        refused(response, 401, "invalid_token")

    def test_an_expired_token_says_so(self) -> None:
        refused(get_me(forge(exp=1_600_000_000)), 401, "token_expired")

    def test_a_refresh_token_opens_nothing(self) -> None:
        refused(get_me(signed_in()["refresh_token"]), 401, "invalid_token")

    def test_a_suspended_user_is_told_so(self) -> None:
        session = signed_in()
        User.objects.update(is_active=False)
        refused(get_me(session["access_token"]), 403, "account_suspended")
        with pytest.raises(AccountSuspended):
            authenticate_token(session["access_token"])

    def test_a_token_for_another_address_of_the_id_is_refused(self) -> None:
        user_id = signed_in()["user"]["id"]
        refused(get_me(forge(sub=user_id, address=BOB.address())), 401, "invalid_token")

    def test_staff_without_a_wallet_use_no_tokens(self) -> None:
        staff = User.objects.create_superuser("mallory", "a long password")
        refused(get_me(forge(sub=str(staff.pk))), 401, "invalid_token")

    def test_an_unknown_user_of_our_own_signing_is_refused(self) -> None:
        refused(get_me(forge(sub="999")), 401, "invalid_token")
        assert not User.objects.exists()

    def test_the_websocket_can_tell_an_expired_token_from_a_bad_one(self) -> None:
        with pytest.raises(TokenExpired):
            authenticate_token(forge(exp=1_600_000_000))


@pytest.mark.django_db
@pytest.mark.usefixtures("verify_only")
class TestVerifyOnly:
    @pytest.mark.parametrize(
        ("action", "body"),
        [
            ("challenge", {"btc_address": ALICE.address()}),
            ("verify", {"btc_address": ALICE.address(), "signature": "x", "nonce": "x"}),
            ("refresh", {"refresh_token": "x"}),
            ("logout", {"refresh_token": "x"}),
        ],
    )
    def test_sign_in_is_elsewhere(self, action: str, body: dict[str, str]) -> None:
        refused(post(action, body), 404, "sign_in_elsewhere")

    def test_an_unknown_user_is_created_on_first_sight(self) -> None:
        response = get_me(forge(sub="4000000"))
        assert (response.status_code, response.json()["id"]) == (200, "4000000")
        user = User.objects.select_related("notification_preferences", "game_state").get()
        assert (user.pk, user.btc_address, user.game_state.level) == (4_000_000, ALICE.address(), 1)
        assert not user.has_usable_password()

    def test_later_users_get_ids_beyond_the_platforms(self) -> None:
        ahead = id_far_ahead()
        get_me(forge(sub=str(ahead)))
        get_me(forge(sub=str(ahead - 2), address=BOB.address()))
        assert User.objects.create(username="dave").pk == ahead + 1

    def test_an_address_of_another_id_is_refused(self) -> None:
        get_me(forge(sub="4000000"))
        refused(get_me(forge(sub="4000001")), 401, "invalid_token")
        refused(get_me(forge(sub="4000000", address=BOB.address())), 401, "invalid_token")
        assert list(User.objects.values_list("id", "btc_address")) == [(4_000_000, ALICE.address())]

    def test_a_suspended_user_is_told_so(self) -> None:
        get_me(forge())
        User.objects.update(is_active=False)
        refused(get_me(forge()), 403, "account_suspended")


@pytest.mark.django_db
class TestLimits:
    @pytest.mark.parametrize("action", ["challenge", "verify", "refresh"])
    def test_attempts_from_one_address_are_bounded(self, settings, action: str) -> None:
        settings.SIGN_INS_PER_ADDRESS = 2
        for _ in range(2):
            refused(post(action, {}), 400, "invalid_input")
        response = post(action, {})
        refused(response, 429, "too_many_attempts")
        assert 0 < int(response.headers["Retry-After"]) <= 3600
        assert post("logout").status_code == 401


@pytest.mark.django_db
def test_the_daily_purge_deletes_what_has_expired_in_batches() -> None:
    for wallet in (ALICE, BOB):
        challenge(wallet)
        signed_in(wallet)
    user = User.objects.first()
    now = timezone.now()
    for age in (1, 2, 3):
        expires_at = now - timedelta(minutes=age)
        RefreshToken.objects.create(jti=uuid.uuid4(), family=uuid.uuid4(), user=user, expires_at=expires_at)
        SignInChallenge.objects.create(nonce_digest=bytes([age]), btc_address="", message="", expires_at=expires_at)
    assert [sessions.purge_expired(now=now, batch_size=2) for _ in range(3)] == [4, 2, 0]
    assert (RefreshToken.objects.count(), SignInChallenge.objects.count()) == (2, 2)


def outcomes(results: list[Any]) -> Counter[str]:
    """{code of a refusal, or "ok": how many results were so}."""
    return Counter(getattr(result, "code", "ok") for result in results)


@pytest.mark.django_db(transaction=True)
class TestAtOnce:
    def test_twenty_verifies_of_one_nonce_let_one_in(self, at_once) -> None:
        body = proof()
        results = at_once([lambda: sessions.verify_challenge(**body)] * 20)
        assert outcomes(results) == {"ok": 1, "invalid_nonce": 19}
        assert (User.objects.count(), RefreshToken.objects.count()) == (1, 1)

    def test_twenty_first_sign_ins_make_one_user(self, at_once) -> None:
        bodies = [proof() for _ in range(20)]
        results = at_once([lambda body=body: sessions.verify_challenge(**body) for body in bodies])
        assert outcomes(results) == {"ok": 20}
        assert len({result.user.pk for result in results}) == 1
        assert {result.user.pk for result in results} == {User.objects.get().pk}

    def test_twenty_refreshes_of_one_token_make_one_pair_and_end_the_family(self, at_once) -> None:
        token = signed_in()["refresh_token"]
        results = at_once([lambda: sessions.refresh(refresh_token=token)] * 20)
        assert outcomes(results) == {"ok": 1, "invalid_token": 19}
        assert not RefreshToken.objects.exists()
        winner = next(result for result in results if isinstance(result, sessions.Session))
        with pytest.raises(InvalidToken):
            sessions.refresh(refresh_token=winner.tokens.refresh_token)

    def test_a_logout_leaves_no_token_behind_however_a_refresh_crosses_it(self, at_once) -> None:
        tokens_to_end = [signed_in()["refresh_token"] for _ in range(10)]
        calls = [lambda token=token: sessions.refresh(refresh_token=token) for token in tokens_to_end]
        calls += [lambda token=token: sessions.logout(token=token) for token in tokens_to_end]
        at_once(calls)
        assert not RefreshToken.objects.exists()

    @pytest.mark.usefixtures("verify_only")
    def test_twenty_first_sights_of_one_user_make_one_row(self, at_once) -> None:
        token = forge(sub="6000000")
        results = at_once([lambda: authenticate_token(token)] * 20)
        assert {user.pk for user, _ in results} == {6_000_000}
        assert User.objects.count() == 1

    @pytest.mark.usefixtures("verify_only")
    def test_first_sights_of_many_users_leave_the_sequence_beyond_them_all(self, at_once) -> None:
        ahead = id_far_ahead()
        users = [(ahead + number, Wallet.of(str(number)).address()) for number in range(20)]
        introduced = [forge(sub=str(number), address=address) for number, address in users]
        at_once([lambda token=token: authenticate_token(token) for token in introduced])
        assert User.objects.count() == 20
        assert User.objects.create(username="erin").pk == ahead + 20


@pytest.mark.django_db
class TestWalletCommand:
    @pytest.fixture
    def run(self, settings, tmp_path, monkeypatch):
        settings.DEVELOPMENT = True

        def run(action: str, stdin: str = "") -> str:
            out = io.StringIO()
            monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
            call_command("wallet", action, str(tmp_path / "key"), stdout=out)
            return out.getvalue().rstrip("\n")

        return run

    def test_a_new_wallet_signs_in(self, run) -> None:
        address = run("address")
        assert run("address") == address
        asked = post("challenge", {"btc_address": address})
        assert post("verify", json.loads(run("answer", asked.content.decode()))).status_code == 200

    def test_it_signs_what_it_is_given(self, run) -> None:
        body = {"btc_address": run("address")}
        made = post("challenge", body).json()
        body |= {"nonce": made["nonce"], "signature": run("sign", made["message"] + "\n")}
        assert post("verify", body).status_code == 200

    def test_it_says_what_is_wrong(self, run, settings) -> None:
        with pytest.raises(CommandError, match="No wallet could be read"):
            run("sign", "x")
        run("address")
        with pytest.raises(CommandError, match="This is not a challenge: nothing"):
            run("answer")
        settings.DEVELOPMENT = False
        with pytest.raises(CommandError, match="development only"):
            run("address")

    def test_it_answers_only_for_its_own_address(self) -> None:
        assert json.loads(answer(BOB, '{"nonce": "n", "message": "m"}'))["btc_address"] == BOB.address()


@pytest.mark.django_db
def test_no_token_signature_or_nonce_reaches_the_log(caplog) -> None:
    caplog.set_level("DEBUG")
    body = proof()
    session = post("verify", body).json()
    post("verify", body)
    post("refresh", {"refresh_token": session["refresh_token"]})
    get_me(session["access_token"])
    get_me("nonsense")
    secrets = [body["signature"], body["nonce"], session["access_token"], session["refresh_token"], "nonsense"]
    assert [secret for secret in secrets if secret in caplog.text] == []


def test_the_schema_says_how_to_sign_in() -> None:
    schema = SchemaGenerator().get_schema(public=True)
    assert schema["components"]["securitySchemes"] == {
        "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    }
    expected = {"challenge": None, "verify": None, "refresh": None, "logout": [{}, {"bearer": []}]}
    for action, security in expected.items():
        operation = schema["paths"][f"{URL}{action}"]["post"]
        assert operation.get("security") == security
        assert "requestBody" in operation
        assert {"200", "400", "404"} <= set(operation["responses"])
