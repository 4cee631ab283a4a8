"""Bad input of any kind is answered with a 4xx in the one error shape, and nothing is stored."""

import json

import pytest

from conftest import client_of, make_cooperative
from social.models import Cooperative

pytestmark = pytest.mark.django_db

API = "/api/v1"


def assert_refused(response, status):
    assert response.status_code == status, response.content
    assert response.headers["Content-Type"] == "application/json"
    body = response.json()
    assert isinstance(body["detail"], str)
    assert body["detail"]
    assert isinstance(body["code"], str)


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"nonsense", b'"text"', b"[]", b"7", b"null", b"true", b"\xff\xfe", b'{"name": NaN}',
        b'{"name": "a\\ud800b"}', b'{"name": 1e999}', b'{"name": 123456789012345678901234567890}',
        b"[" * 100_000, b'{"name":' * 5000, b'{"name": "\\u0000\\u0000"}',
    ],
)  # fmt: skip
def test_bodies_that_are_not_what_they_should_be(alice, body):
    client = client_of(alice)
    client.handler.enforce_csrf_checks = True

    response = client.generic("POST", f"{API}/cooperatives", body, content_type="application/json")

    assert_refused(response, 413 if len(body) > 64 * 1024 else 400)
    assert not Cooperative.objects.exists()


def test_a_body_of_ten_megabytes(alice):
    body = json.dumps({"name": "x" * 10_000_000})

    assert_refused(client_of(alice).generic("POST", f"{API}/cooperatives", body, "application/json"), 413)
    assert_refused(client_of(None).generic("POST", "/nowhere", body, "application/json"), 413)


def test_a_body_of_unknown_length(alice):
    client = client_of(alice)

    assert_refused(client.patch(f"{API}/users/me", {"display_name": "Al"}, HTTP_TRANSFER_ENCODING="chunked"), 411)
    assert client.get(f"{API}/users/me").json()["display_name"] == "Alice"


@pytest.mark.parametrize("path", ["/api/docs", "/api/schema"])
def test_pages_that_are_not_json_refuse_in_json(client, path):
    assert_refused(client.post(path), 405)


@pytest.mark.parametrize("media_type", ["text/plain", "application/xml", "multipart/form-data", "", "x", "a/b; c=d"])
def test_other_media_types(alice, media_type):
    response = client_of(alice).generic("POST", f"{API}/cooperatives", b'{"name": "Pirates"}', media_type)

    assert_refused(response, 415)
    assert not Cooperative.objects.exists()


@pytest.mark.parametrize("media_type", ["application/json; charset=utf-8", "Application/JSON", "application/json;x"])
def test_spellings_of_the_right_media_type(alice, media_type):
    response = client_of(alice).generic("POST", f"{API}/cooperatives", b'{"name": "Pirates"}', media_type)

    assert response.status_code == 201


@pytest.mark.parametrize("method", ["PATCH", "DELETE", "PUT", "TRACE", "OPTIONS", "BREW"])
def test_methods_a_path_does_not_have(alice, method):
    assert_refused(client_of(alice).generic(method, f"{API}/cooperatives"), 405)


@pytest.mark.parametrize(
    "path", ["/", "/api", f"{API}/", f"{API}/nothing", f"{API}/cooperatives/", "/%00", "/%ff%fe", "/a" * 5000]
)
def test_paths_that_do_not_exist(client, path):
    assert_refused(client.get(path), 404)


@pytest.mark.parametrize("accept", ["text/html", "application/xml", "x", "*/*;q=0", "image/png"])
def test_the_answer_is_json_whatever_is_asked_for(alice, client, accept):
    make_cooperative(alice)

    assert client.get(f"{API}/cooperatives", headers={"Accept": accept}).json()["total"] == 1
    assert_refused(client.get(f"{API}/cooperatives/0", headers={"Accept": accept}), 404)


def test_an_unknown_host(client):
    assert_refused(client.get(f"{API}/cooperatives", headers={"Host": "evil.example"}), 400)


@pytest.mark.parametrize("query", ["format=html", "format=api", "%00=%00", "a=" + "b" * 10_000])
def test_queries_nobody_asked_for_are_ignored(client, query):
    assert client.get(f"{API}/cooperatives?{query}").status_code == 200


def test_a_fault_of_ours_is_json_too(client, monkeypatch):
    def fail(**_):
        raise ZeroDivisionError

    monkeypatch.setattr("social.selectors.list_cooperatives", fail)
    client.raise_request_exception = False

    response = client.get(f"{API}/cooperatives")

    assert_refused(response, 500)
    assert b"Zero" not in response.content


def test_without_the_database_it_says_so(client, settings, monkeypatch):
    from django.db import OperationalError

    def fail(**_):
        raise OperationalError("connection refused by db.internal")

    monkeypatch.setattr("social.selectors.list_cooperatives", fail)

    response = client.get(f"{API}/cooperatives")

    assert_refused(response, 503)
    assert b"db.internal" not in response.content
