"""POST /api/v1/internal/events."""

import pytest
from django.db import connection

from bitcoingame.events.intake import try_again
from bitcoingame.models import SetAsideEvent
from bitcoingame.tests.platform import happen, platform_event
from conftest import client_of
from profiles.models import GameState

URL = "/api/v1/internal/events"
OLD, NEW = "old-token-" + "0" * 32, "new-token-" + "1" * 32

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _tokens(settings):
    settings.SERVICE_TOKENS = [OLD, NEW]


def post(client, body, token=NEW):
    return client.post(URL, body, content_type="application/json", headers={"Authorization": f"Bearer {token}"})


def share_of(miner, event_id, **changes):
    data = {"user": miner.btc_address, "worker": "w", "diff": 1, "sdiff": 2, "accepted": True}
    return {
        "event": "share_submitted",
        "event_id": event_id,
        "ts": 1767268800,
        "source": "games",
        "data": data | changes,
    }


def shares_of(user):
    return GameState.objects.get(user=user).total_shares


def test_each_envelope_gets_its_answer(client, alice):
    happen(platform_event("game_played", event_id="e0", user_id=alice.pk, game_type="dice"))
    flat = {"event": "share_submitted", "event_id": "e5", "user": alice.btc_address, "diff": "1", "sdiff": "2"}
    as_text = {"event": "game_played", "event_id": "e6", "data": f'{{"user_id": {alice.pk}, "game_type": "dice"}}'}
    body = {
        "events": [
            share_of(alice, "e1"),
            share_of(alice, "e1"),
            share_of(alice, "e0"),
            share_of(alice, "e2", user="bc1qnobody"),
            share_of(alice, "e3", sdiff=-1),
            {"event": "share_submitted", "data": {}},
            "nonsense",
            flat,
            as_text,
        ]
    }
    answer = post(client, body)
    assert answer.status_code == 200
    assert answer.json() == {
        "results": [
            {"event_id": "e1", "status": "accepted"},
            {"event_id": "e1", "status": "duplicate"},
            {"event_id": "e0", "status": "duplicate"},
            {"event_id": "e2", "status": "ignored"},
            {"event_id": "e3", "status": "set_aside", "reason": "sdiff must be a number from 0 to 1e+18."},
            {"event_id": None, "status": "set_aside", "reason": "event_id is missing."},
            {"event_id": None, "status": "set_aside", "reason": "An event must be an object."},
            {"event_id": "e5", "status": "accepted"},
            {"event_id": "e6", "status": "accepted"},
        ],
        "accepted": 3,
        "duplicate": 2,
        "ignored": 1,
        "set_aside": 3,
    }
    assert shares_of(alice) == 2


@pytest.mark.parametrize("depth", [252, 253, 1000])
def test_deep_nesting_concerns_its_own_envelope_alone(client, alice, depth):
    deep = "[" * depth + "]" * depth
    good = f'{{"event": "game_played", "event_id": "e2", "data": {{"user_id": {alice.pk}, "game_type": "dice"}}}}'
    poison = f'{{"event": "share_submitted", "event_id": "e1", "data": {{"user": {deep}}}}}'
    answer = post(client, f'{{"events": [{poison}, {deep}, {good}]}}'.encode()).json()
    assert [result["status"] for result in answer["results"]] == ["set_aside", "set_aside", "accepted"]
    assert [result["event_id"] for result in answer["results"]] == ["e1", None, "e2"]
    assert SetAsideEvent.objects.count() == 2


def test_posting_again_changes_nothing(client, alice):
    body = {"events": [share_of(alice, "e1"), share_of(alice, "e2", diff="x")]}
    post(client, body)
    again = post(client, body).json()
    assert [result["status"] for result in again["results"]] == ["duplicate", "set_aside"]
    assert shares_of(alice) == 1
    assert SetAsideEvent.objects.count() == 1


def test_one_that_was_set_aside_may_be_sent_again_put_right(client, alice):
    post(client, {"events": [share_of(alice, "e1", diff="x")]})
    assert post(client, {"events": [share_of(alice, "e1")]}).json()["accepted"] == 1
    assert shares_of(alice) == 1


def test_a_posted_event_is_tried_again_as_a_stream_s_is(client, alice):
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE daily_shares ADD CONSTRAINT not_now CHECK (shares > 1)")
    assert post(client, {"events": [share_of(alice, "e1")]}).json()["set_aside"] == 1
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE daily_shares DROP CONSTRAINT not_now")
    assert try_again(SetAsideEvent.objects.get().pk).status == "accepted"
    assert shares_of(alice) == 1


@pytest.mark.parametrize("token", [OLD, NEW])
def test_two_tokens_are_good_at_once(client, token):
    assert post(client, {"events": []}, token).status_code == 200


@pytest.mark.parametrize("token", ["", "x", OLD[:-1], OLD + " ", "\N{SNOWMAN}", NEW.upper()])
def test_any_other_token_is_refused(client, alice, token):
    answer = post(client, {"events": [share_of(alice, "e1")]}, token.encode().decode("latin-1"))
    is_same_but_for_space = token.strip() == OLD
    assert answer.status_code == (200 if is_same_but_for_space else 401)
    if not is_same_but_for_space:
        assert answer.json() == {"detail": "The service token is not valid.", "code": "invalid_service_token"}
        assert shares_of(alice) == 0


def test_without_tokens_nobody_is_let_in(client, settings):
    settings.SERVICE_TOKENS = []
    assert post(client, {"events": []}, "").status_code == 401


def test_a_users_own_token_is_no_service_token(alice):
    assert client_of(alice).post(URL, {"events": []}, format="json").status_code == 401


@pytest.mark.parametrize("body", [[], {}, {"events": None}, {"events": {}}, "text", 5, {"events": [{}] * 1001}])
def test_what_is_no_list_of_events_is_refused_whole(client, body):
    answer = post(client, body if isinstance(body, dict | list) else f'"{body}"')
    assert answer.status_code == 400
    assert answer.json()["code"] == "invalid_input"
    assert not SetAsideEvent.objects.exists()


def test_a_body_over_five_megabytes_is_refused(client):
    answer = post(client, b'{"events": ["' + b"x" * (5 * 1024 * 1024) + b'"]}')
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


def test_a_thousand_events_take_few_statements(client, alice, django_assert_max_num_queries):
    events = [share_of(alice, f"e{number}", sdiff=2 + number) for number in range(1000)]
    with django_assert_max_num_queries(12):
        assert post(client, {"events": events}).json()["accepted"] == 1000
    assert shares_of(alice) == 1000
