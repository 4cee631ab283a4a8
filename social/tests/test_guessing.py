"""Guessing invite codes is bounded: per account, per address, under any concurrency, with Redis down."""

from functools import partial

import pytest
from django.db import connection

from bitcoingame.core.limits import purge_attempts
from bitcoingame.models import AttemptCounter
from conftest import client_of, make_cooperative, make_user
from social.tests.test_cooperatives_api import URL, refusal

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def production_limits(settings):
    settings.INVITE_GUESSES_PER_ACCOUNT = 10
    settings.INVITE_GUESSES_PER_ADDRESS = 100


def guess(client, code="AAAAAAAA", **headers):
    return client.post(f"{URL}/join", {"invite_code": code}, format="json", **headers)


def test_ten_wrong_codes_per_account(alice, bob):
    code = make_cooperative(alice).invite_code
    client = client_of(bob)

    for _ in range(10):
        refusal(guess(client), 400, "invalid_invite_code")
    refused = guess(client, code)

    refusal(refused, 429, "too_many_attempts")
    assert 3590 <= int(refused.headers["Retry-After"]) <= 3600
    assert client.get(f"{URL}/invite/{code}").status_code == 429
    assert client.get(f"{URL}/mine").status_code == 404


@pytest.mark.parametrize("code", ["", "short", "A" * 64, "ÄÖÜÄÖÜÄÖ"])
def test_malformed_codes_count_and_cost_as_wrong_ones(alice, bob, code):
    make_cooperative(alice)
    client = client_of(bob)
    wrong, malformed = Recorder(), Recorder()
    with connection.execute_wrapper(wrong):
        guess(client)
    with connection.execute_wrapper(malformed):
        guess(client, code)

    assert AttemptCounter.objects.get(key=f"invite-account:{bob.pk}").count == 2
    assert malformed.statements == wrong.statements
    assert len(wrong.statements) >= 3


class Recorder:
    """Notes the first word of each statement."""

    def __init__(self):
        self.statements = []

    def __call__(self, execute, sql, params, many, context):
        self.statements.append(" ".join(sql.split()[:1]))
        return execute(sql, params, many, context)


def test_right_codes_and_other_refusals_do_not_count(alice, bob):
    code = make_cooperative(alice).invite_code
    client = client_of(bob)

    assert guess(client, code).status_code == 200
    refusal(guess(client, code), 400, "already_member")
    client.get(f"{URL}/invite/{code}")

    assert {counter.count for counter in AttemptCounter.objects.all()} == {0}


def test_a_hundred_per_address(alice, bob, client):
    code = make_cooperative(alice).invite_code
    for _ in range(100):
        assert client.get(f"{URL}/invite/AAAAAAAA").status_code == 400

    assert client.get(f"{URL}/invite/{code}").status_code == 429
    refusal(guess(client_of(bob), code), 429, "too_many_attempts")
    assert client.get(f"{URL}/invite/{code}", REMOTE_ADDR="192.0.2.9").status_code == 200


def test_a_forged_header_makes_no_new_address(client, settings):
    settings.INVITE_GUESSES_PER_ADDRESS = 3
    statuses = [
        client.get(f"{URL}/invite/AAAAAAAA", headers={"X-Forwarded-For": f"198.51.100.{n}"}).status_code
        for n in range(5)
    ]

    assert statuses == [400, 400, 400, 429, 429]


def test_behind_a_trusted_proxy_the_address_it_saw_counts(client, settings, monkeypatch):
    monkeypatch.setattr("rest_framework.throttling.api_settings.NUM_PROXIES", 1)
    settings.INVITE_GUESSES_PER_ADDRESS = 1

    def status(forwarded):
        return client.get(f"{URL}/invite/AAAAAAAA", headers={"X-Forwarded-For": forwarded}).status_code

    assert [status("1.1.1.1, 198.51.100.7"), status("2.2.2.2, 198.51.100.7"), status("198.51.100.8")] == [400, 429, 400]


def test_an_ipv6_network_is_one_address(client, settings):
    settings.INVITE_GUESSES_PER_ADDRESS = 1

    statuses = [
        client.get(f"{URL}/invite/AAAAAAAA", REMOTE_ADDR=address).status_code
        for address in ("2001:db8::1", "2001:db8::2", "2001:db8:0:1::1")
    ]

    assert statuses == [400, 429, 400]


def test_ipv4_clients_of_an_ipv6_socket_count_apart(client, settings):
    settings.INVITE_GUESSES_PER_ADDRESS = 1

    statuses = [
        client.get(f"{URL}/invite/AAAAAAAA", REMOTE_ADDR=address).status_code
        for address in ("::ffff:192.0.2.1", "192.0.2.1", "::ffff:192.0.2.2")
    ]

    assert statuses == [400, 429, 400]


def test_the_hour_passes(bob):
    client = client_of(bob)
    for _ in range(10):
        guess(client)
    AttemptCounter.objects.update(window_ends_at="2026-01-01T00:00:00Z")

    refusal(guess(client), 400, "invalid_invite_code")
    assert AttemptCounter.objects.get(key=f"invite-account:{bob.pk}").count == 1


def test_passed_counters_are_purged(bob):
    guess(client_of(bob))
    AttemptCounter.objects.filter(key__startswith="invite-account").update(window_ends_at="2026-01-01T00:00:00Z")

    assert purge_attempts(now="2026-06-01T00:00:00Z", batch_size=100) == 1
    assert [counter.key for counter in AttemptCounter.objects.all()] == ["invite-address:127.0.0.1"]


@pytest.mark.django_db(transaction=True)
def test_two_hundred_at_once_do_not_get_past_the_limit(at_once):
    bob = make_user()

    statuses = [status for _ in range(5) for status in at_once([partial(status_of_a_guess, bob)] * 40)]

    assert statuses.count(400) == 10
    assert statuses.count(429) == 190
    assert AttemptCounter.objects.get(key=f"invite-account:{bob.pk}").count == 10


def status_of_a_guess(user):
    return guess(client_of(user)).status_code


def test_it_holds_with_redis_down(alice, bob, valkey):
    make_cooperative(alice)
    valkey.kill()
    client = client_of(bob)

    assert [guess(client).status_code for _ in range(11)] == [400] * 10 + [429]
