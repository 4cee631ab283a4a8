"""The admin answers any address with a page, a refusal or a redirect, and never with a fault."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from django.contrib import admin
from django.contrib.contenttypes.models import ContentType
from django.test import Client
from django.urls import URLResolver

from conftest import make_user
from profiles.models import User

pytestmark = pytest.mark.django_db

# Ids that no row has, that are too large or not numbers; NUL, as it is and as the admin escapes it; paths; other names.
ODD = ("0", "-1", "7" * 30, "abc", "\x00", "_00", "_FF", "'", "é", "a/b", "..", "none")
QUERIES = (
    "",
    "?q=%00&p=abc&o=99&e=1&_popup=1&_to_field=%00&ids=%00",
    "?ids=0,%27&_changelist_filters=%00&_facets=1&all=&p=-1&s=%00&term=%00",
    "?app_label=profiles&model_name=user&field_name=groups&term=%00",
    "?app_label=%00&model_name=%00&field_name=%00",
)
ARGUMENT = re.compile(r"<[^<>]+>|\(\?P<\w+>[^()]*\)")


def routes(patterns: list[Any], before: str = "/admin/") -> Iterator[str]:
    """Each route of the admin, with its arguments as the URL patterns spell them."""
    for pattern in patterns:
        route = before + str(pattern.pattern).removeprefix("^").removesuffix("$")
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns, route)
        elif pattern.name != "logout":
            yield route


ROUTES = sorted(set(routes(admin.site.urls[0])))


def paths_of(route: str) -> list[str]:
    """One path for each odd value, which replaces all arguments of the route; the route itself if it has none."""
    return [ARGUMENT.sub(quote(odd), route) for odd in ODD] if ARGUMENT.search(route) else [route]


@pytest.fixture
def ada() -> User:
    """A superuser without a password, because hashing one takes longer than making most pages."""
    return User.objects.create(pk=-1, username="ada", is_staff=True, is_superuser=True)


def signed_in(user: User) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def faults(client: Client, paths: list[str], method: str = "get") -> list[str]:
    return [path for path in paths if getattr(client, method)(path).status_code >= 500]


def test_the_routes_are_those_of_the_admin():
    assert len(ROUTES) > 40
    assert {"/admin/r/<path:content_type_id>/<path:object_id>/", "/admin/social/cooperative/"} <= set(ROUTES)


def test_odd_arguments_are_no_fault(ada):
    paths = [path for route in ROUTES if ARGUMENT.search(route) for path in paths_of(route)]
    assert faults(signed_in(ada), paths) == []


@pytest.mark.parametrize("query", QUERIES)
def test_odd_queries_are_no_fault(ada, query):
    paths = [route + query for route in ROUTES if not ARGUMENT.search(route)]
    assert faults(signed_in(ada), paths) == []


def test_empty_forms_are_no_fault(ada):
    """Both for a row that exists, Ada's own account, and for rows that do not."""
    paths = [ARGUMENT.sub(pk, route) for route in ROUTES for pk in (str(ada.pk), "0")]
    assert faults(signed_in(ada), paths, "post") == []


def test_a_username_left_empty_is_asked_for(ada):
    form = {"username": "", "password1": "correct horse battery", "password2": "correct horse battery"}
    for page in ("add/", f"{ada.pk}/change/"):
        answer = signed_in(ada).post(f"/admin/profiles/staffaccount/{page}", form)
        assert answer.status_code == 200
        assert answer.context["adminform"].form.errors["username"] == ["This field is required."]


def view_on_site_paths() -> list[str]:
    """One path for each model (the queue's models have no table), and paths for content types that do not exist."""
    types = [*ContentType.objects.values_list("pk", flat=True), *ODD]
    return ["/admin/r/", *(f"/admin/r/{quote(str(kind))}/{row}/" for kind in types for row in ("1", "%00"))]


def test_no_row_has_a_page_outside_the_admin(ada):
    assert ContentType.objects.filter(app_label="django_rq", model="dashboard").exists()
    client = signed_in(ada)
    for path in view_on_site_paths():
        answer = client.get(path)
        assert (path, answer.status_code, answer["Content-Type"]) == (path, 404, "text/html; charset=utf-8")
        assert "Not found." in answer.content.decode()


@pytest.mark.parametrize("is_signed_in", [False, True])
def test_outsiders_are_sent_to_the_sign_in(is_signed_in):
    client = signed_in(make_user("Charlie")) if is_signed_in else Client()
    for path in ("/admin/r/", "/admin/r/1/1/", "/admin/r/none/none/"):
        answer = client.get(path)
        assert answer.status_code == 302
        assert answer["Location"].startswith("/admin/login/")
