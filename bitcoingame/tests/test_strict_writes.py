"""Every write refuses parameters and fields that it does not know. The tests find the writes by themselves."""

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import URLPattern, URLResolver, get_resolver
from drf_spectacular.generators import SchemaGenerator
from rest_framework.test import APIClient

from bitcoingame.core.api.views import View
from conftest import client_of, make_cooperative
from notifications.views import EmailReportView

pytestmark = pytest.mark.django_db

API = "/api/v1/"
SERVICE_TOKEN = "a service token of the tests"
PATHS_OF_SERVICES = {"/api/v1/internal/events"}
# They take forms too: browsers and mail services post them.
LINKS_IN_EMAILS = {"/api/v1/email/unsubscribe", "/api/v1/email/confirm"}
# Others decide what these views get, so they are in no schema.
OF_OTHERS = {EmailReportView}


class Write(NamedTuple):
    method: str
    path: str
    operation: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def patterns(resolver: URLResolver, prefix: str = "/") -> Iterator[tuple[str, Any]]:
    for one in resolver.url_patterns:
        path = prefix + str(one.pattern)
        if isinstance(one, URLResolver):
            yield from patterns(one, path)
        elif isinstance(one, URLPattern):
            yield path, one.callback


@cache
def schema() -> dict[str, Any]:
    document: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)
    return document


def fields_of(write: Write) -> list[str]:
    content = write.operation["requestBody"]["content"]["application/json"]["schema"]
    return list(schema()["components"]["schemas"][content["$ref"].rpartition("/")[2]]["properties"])


def writes() -> list[Write]:
    return [
        Write(method.upper(), path, operation)
        for path, methods in schema()["paths"].items()
        for method, operation in methods.items()
        if method in ("post", "put", "patch", "delete")
    ]


WRITES = writes()
WITH_BODY = [write for write in WRITES if "requestBody" in write.operation]
each_write = pytest.mark.parametrize("write", WRITES, ids=str)
each_write_with_a_body = pytest.mark.parametrize("write", WITH_BODY, ids=str)


@pytest.fixture
def send(alice, settings, write):
    """Sends a write as somebody who may do it, about things that exist where the path allows."""
    settings.SERVICE_TOKENS = [SERVICE_TOKEN]
    cooperative = make_cooperative(alice) if "/cooperatives" in write.path else None

    def send(write: Write, query: str = "", body: bytes = b"{}", media_type: str = "application/json") -> Any:
        if write.path in PATHS_OF_SERVICES:
            client = APIClient()
            client.credentials(HTTP_AUTHORIZATION=f"Bearer {SERVICE_TOKEN}")
        else:
            client = client_of(alice)
        path = write.path.replace("/cooperatives/{id}", f"/cooperatives/{cooperative and cooperative.pk}")
        path = re.sub(r"\{\w+\}", "1", path)
        if path in LINKS_IN_EMAILS:
            path += "?token=x"
        join = "&" if "?" in path else "?"
        return client.generic(write.method, f"{path}{join if query else ''}{query}", body, content_type=media_type)

    return send


def assert_refused_without_a_trace(answer: Any, queries: CaptureQueriesContext, *names: str) -> None:
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_input"), answer.content
    assert set(answer.json()["errors"]) == set(names)
    assert answer.json()["detail"] in [sentences[0] for sentences in answer.json()["errors"].values()]
    written = [query["sql"] for query in queries if not query["sql"].startswith("SELECT")]
    assert written == []


def test_the_schema_names_every_view_of_the_api_and_each_is_strict():
    described = {re.sub(r"\{\w+\}", "{}", path) for path in schema()["paths"]}
    found = [(path, callback) for path, callback in patterns(get_resolver()) if path.startswith(API)]
    assert len(found) > 20
    assert {callback.cls for _, callback in found if not issubclass(callback.cls, View)} == OF_OTHERS
    for path, callback in found:
        if callback.cls in OF_OTHERS:
            continue
        plain = re.sub(r"\(\?P<\w+>(\[[^]]*\]|[^()])*\)|<[\w:]+>", "{}", path).replace("^", "").replace("$", "")
        assert plain.replace(r"\Z", "") in described, path


@each_write
def test_an_unknown_parameter_is_refused(send, write):
    with CaptureQueriesContext(connection) as queries:
        answer = send(write, query="surprise=1&other=")
    assert_refused_without_a_trace(answer, queries, "surprise", "other")


@pytest.mark.parametrize("query", ["type=mining&type=social", "before=1&before=2", "type=social&type=social"])
def test_a_parameter_that_is_given_twice_is_refused(alice, query):
    with CaptureQueriesContext(connection) as queries:
        answer = client_of(alice).post(f"{API}notifications/read-all?{query}")
    assert_refused_without_a_trace(answer, queries, query.partition("=")[0])


@each_write
def test_an_unknown_field_is_refused(send, write):
    with CaptureQueriesContext(connection) as queries:
        answer = send(write, body=b'{"surprise": {"a": 1}, "": null, "page": 1}')
    assert_refused_without_a_trace(answer, queries, "surprise", "", "page")


@each_write_with_a_body
def test_an_unknown_field_is_refused_beside_all_known_ones(send, write):
    body = dict.fromkeys(fields_of(write)) | {"surprise": 1}
    with CaptureQueriesContext(connection) as queries:
        answer = send(write, body=json.dumps(body).encode())
    assert_refused_without_a_trace(answer, queries, "surprise")


@pytest.mark.parametrize("write", [write for write in WITH_BODY if not write.path.endswith("/unsubscribe")], ids=str)
def test_a_field_of_the_body_is_not_taken_from_the_query(send, write):
    name = fields_of(write)[0]
    with CaptureQueriesContext(connection) as queries:
        answer = send(write, query=f"{name}=x")
    assert_refused_without_a_trace(answer, queries, name)


@each_write
@pytest.mark.parametrize("body", [b"[]", b'["surprise"]', b'"surprise"', b"7", b"null", b"true"])
def test_a_body_that_is_no_object_is_refused(send, write, body):
    with CaptureQueriesContext(connection) as queries:
        answer = send(write, body=body)
    assert_refused_without_a_trace(answer, queries, "body")


@each_write
@pytest.mark.parametrize("body", [b"{", b"surprise", b"\xff", b'{"a": NaN}'])
def test_a_body_that_is_no_json_is_refused(send, write, body):
    answer = send(write, body=body)
    assert (answer.status_code, set(answer.json())) == (400, {"detail", "code"})


@each_write
@pytest.mark.parametrize("media_type", ["application/x-www-form-urlencoded", "text/plain", "application/xml"])
def test_a_body_of_another_media_type_is_refused(send, write, media_type):
    answer = send(write, body=b"surprise=1", media_type=media_type)
    is_form = write.path in LINKS_IN_EMAILS and media_type.endswith("urlencoded")
    assert answer.status_code == (400 if is_form else 415)


@each_write
@pytest.mark.parametrize(("body", "media_type"), [(b"", ""), (b"", "text/plain"), (b"{}", "application/json")])
def test_no_body_and_an_empty_one_are_fine_where_nothing_is_needed(send, write, body, media_type):
    answer = send(write, body=body, media_type=media_type)
    unknown = {"There is no such field.", "There is no such parameter."}
    told = (
        {sentence for sentences in answer.json().get("errors", {}).values() for sentence in sentences}
        if (answer.content)
        else set()
    )
    assert not told & unknown
    if write not in WITH_BODY:
        assert answer.status_code in (200, 204, 400, 404), answer.content
        assert answer.status_code != 400 or answer.json()["code"] != "invalid_input"


@pytest.mark.parametrize("path", ["notifications", "cooperatives", "activity/feed", "users/me", "users/me/settings"])
def test_reads_ignore_what_they_do_not_know(alice, path):
    assert client_of(alice).get(f"{API}{path}?surprise=1&utm_source=mail").status_code == 200


def test_who_may_not_ask_learns_that_first(db):
    for write in WRITES:
        if write.operation.get("security") and {} not in write.operation["security"]:
            path = re.sub(r"\{\w+\}", "1", write.path)
            answer = client_of(None).generic(write.method, f"{path}?surprise=1", b"[]", "application/json")
            assert answer.status_code == 401, write
