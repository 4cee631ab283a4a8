"""The line that `make run` logs for each request."""

import re

import pytest
from django.conf import settings as project
from django.test import Client

from bitcoingame.local import web
from bitcoingame.local.wallet import Wallet
from conftest import access_token, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def lines(settings, caplog):
    """Gets a path as the web process of `make run` would; returns the lines logged, with 0 in place of each time."""
    settings.MIDDLEWARE = [*project.MIDDLEWARE]
    web.log_requests()
    caplog.set_level("INFO", "requests")

    def get(path, method="get", **headers):
        caplog.clear()
        getattr(Client(headers=headers), method)(path).getvalue()
        said = [record.getMessage() for record in caplog.records if record.name == "requests"]
        return [re.sub(r"\d+ ms", "0 ms", line) for line in said]

    return get


def test_it_names_the_user_who_signed_in(lines):
    user = make_user("Alice")
    authorization = f"Bearer {access_token(user)}"

    assert lines("/api/v1/users/me", authorization=authorization) == [f"GET /api/v1/users/me 200 0 ms user {user.pk}"]
    assert lines("/api/v1/users/me") == ["GET /api/v1/users/me 401 0 ms user -"]
    assert lines("/api/v1/cooperatives/leave", "post") == ["POST /api/v1/cooperatives/leave 401 0 ms user -"]


@pytest.mark.parametrize("path", ["/api/v1/users/me", "/api/v1/nothing", "/admin/login/", "/metrics"])
def test_it_leaves_out_the_query(lines, path):
    [line] = lines(f"{path}?token=secret&next=/secret")

    assert f"GET {path} " in line
    assert "secret" not in line
    assert "?" not in line


@pytest.mark.parametrize("kind", ["p2pkh", "p2sh-p2wpkh", "p2wpkh", "p2wsh", "p2tr"])
@pytest.mark.parametrize("path", ["users/{}/profile", "users/{}/stats", "users/{}", "nothing/of/{}"])
def test_it_leaves_out_addresses(lines, kind, path):
    address = Wallet.of("Bob").address(kind)

    for spelling in (address, address.upper()):
        [line] = lines("/api/v1/" + path.format(spelling))
        assert line == f"GET /api/v1/{path.format('<address>')} 404 0 ms user -"


def test_a_path_cannot_start_a_line_of_its_own(lines):
    assert lines("/api/v1/a%0Ab%0D%1B%5B31m") == ["GET /api/v1/a%0Ab%0D%1B%5B31m 404 0 ms user -"]


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/static/admin/css/base.css"])
def test_it_is_silent_about_probes_and_static_files(lines, path):
    assert lines(path) == []
