"""The schema is made from the code, is valid, and describes what the endpoints really answer."""

import pytest
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from bitcoingame.tests.platform import happen, share
from conftest import client_of, make_cooperative
from notifications.email.links import confirmation_path
from notifications.models import EmailConfirmation
from notifications.tests.people import prefer

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def schema():
    GENERATOR_STATS.reset()
    document = SchemaGenerator().get_schema(request=None, public=True)
    assert not GENERATOR_STATS, "the schema generator had to guess"
    return document


def operations(schema):
    return [
        (method, path, operation)
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
        if method != "parameters"
    ]


def assert_conforms(schema, operation, response):
    declared = operation["responses"][str(response.status_code)]["content"]["application/json"]["schema"]
    resource = Resource.from_contents({"$schema": Draft202012Validator.META_SCHEMA["$id"], **schema})
    registry = Registry().with_resource("urn:schema", resource)
    pointer = {"$ref": f"urn:schema{declared['$ref']}"} if "$ref" in declared else declared
    Draft202012Validator(pointer, registry=registry).validate(response.json())


def test_it_is_valid(schema):
    validate_schema(schema)


def test_every_operation_says_what_it_does_answers_and_refuses(schema):
    for method, path, operation in operations(schema):
        assert operation.get("description"), (method, path)
        statuses = set(operation["responses"])
        assert any(status.startswith("2") for status in statuses), (method, path)
        assert "503" in statuses, (method, path)
        if operation.get("security"):
            assert {"401", "403"} <= statuses, (method, path)
        if "requestBody" in operation:
            assert {"400", "411", "413", "415"} <= statuses, (method, path)


def test_a_bad_token_on_a_public_page_is_answered_as_declared(schema, client, db):
    response = client.get("/api/v1/cooperatives", headers={"Authorization": "Bearer nonsense"})

    assert response.status_code == 401
    assert_conforms(schema, schema["paths"]["/api/v1/cooperatives"]["get"], response)


def test_answers_conform(schema, alice, bob):
    cooperative = make_cooperative(alice, bob, motto="Arr")
    happen(share(alice))
    client = client_of(alice)
    for path, url in [
        ("/api/v1/cooperatives", "/api/v1/cooperatives"),
        ("/api/v1/cooperatives/{id}", f"/api/v1/cooperatives/{cooperative.pk}"),
        ("/api/v1/cooperatives/{id}", "/api/v1/cooperatives/0"),
        ("/api/v1/cooperatives/{id}/stats", f"/api/v1/cooperatives/{cooperative.pk}/stats"),
        ("/api/v1/cooperatives/mine", "/api/v1/cooperatives/mine"),
        ("/api/v1/cooperatives/name-available", "/api/v1/cooperatives/name-available?name=Pirates"),
        ("/api/v1/cooperatives/name-available", "/api/v1/cooperatives/name-available?name="),
        ("/api/v1/cooperatives/invite/{code}", f"/api/v1/cooperatives/invite/{cooperative.invite_code}"),
        ("/api/v1/activity/feed", "/api/v1/activity/feed"),
        ("/api/v1/users/me", "/api/v1/users/me"),
        ("/api/v1/users/me/settings", "/api/v1/users/me/settings"),
        ("/api/v1/users/me/workers", "/api/v1/users/me/workers"),
        ("/api/v1/users/{address}/profile", f"/api/v1/users/{bob.btc_address}/profile"),
        ("/api/v1/users/{address}/stats", f"/api/v1/users/{bob.btc_address}/stats"),
        ("/api/v1/users/{address}/stats", "/api/v1/users/nobody/stats"),
    ]:
        assert_conforms(schema, schema["paths"][path]["get"], client.get(url))


def test_confirming_an_address_conforms(schema, alice):
    again, confirm = "/api/v1/users/me/settings/email/confirmation", "/api/v1/email/confirm"
    client = client_of(alice)
    assert_conforms(schema, schema["paths"][again]["post"], client.post(again))
    client.patch("/api/v1/users/me/settings", {"notifications": {"email": "alice@example.com"}}, format="json")
    assert_conforms(schema, schema["paths"][again]["post"], client.post(again))
    confirmation = EmailConfirmation.objects.get()
    link = confirmation_path(alice.pk, confirmation.nonce)
    for status in (200, 410):
        response = client.post(link)
        assert response.status_code == status
        assert_conforms(schema, schema["paths"][confirm]["post"], response)
    body = client.get("/api/v1/users/me/settings")
    assert_conforms(schema, schema["paths"]["/api/v1/users/me/settings"]["get"], body)
    prefer(alice, email_state="bounced")
    assert_conforms(
        schema, schema["paths"]["/api/v1/users/me/settings"]["get"], client.get("/api/v1/users/me/settings")
    )


def test_the_documentation_needs_no_other_network(client):
    page = client.get("/api/docs").content.decode()

    assert "swagger-ui" in page
    assert "http://" not in page
    assert "https://" not in page
