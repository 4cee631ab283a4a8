"""With wrong configuration a process ends at its start, with one sentence that names the variable."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import django
import pytest
from django.apps import apps
from django.conf import empty, settings
from django.core.exceptions import ImproperlyConfigured

import bitcoingame.settings
from bitcoingame import env
from bitcoingame.start import set_up

ROOT = Path(__file__).resolve().parents[2]


def key_pair() -> tuple[str, str]:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()


# A bare environment still needs these, to find programs and to measure coverage in child processes.
INHERITED = {name: value for name, value in os.environ.items() if name == "PATH" or name.startswith("COVERAGE")}

PRODUCTION = {
    "SECRET_KEY": "correct-horse-battery-staple-and-then-some",
    "DATABASE_URL": "postgresql://service:pass@localhost/service",
    "REDIS_URL": "redis://localhost:6379/0",
    "ALLOWED_HOSTS": "api.example.com",
    "DASHBOARD_ORIGINS": "https://example.com",
    "PUBLIC_URL": "https://api.example.com",
    "JWT_PUBLIC_KEY": key_pair()[1],
}


def start(*program: str, **environment: str) -> tuple[int, str, str]:
    """Runs a Python program with only this environment; returns its exit code, stdout and stderr."""
    done = subprocess.run(
        [sys.executable, *program],
        cwd=ROOT,
        env={**INHERITED, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def set_up_again(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, str]], None]:
    """Does what every entry point does first, in this process: a process for each case would take a second.

    The settings are read once more, and the apps check them once more; only their models stay loaded.
    """

    def check_apps() -> None:
        for config in apps.get_app_configs():
            if Path(config.path).parent == ROOT:
                config.ready()

    def run(environment: dict[str, str]) -> None:
        for name in set(os.environ) - set(INHERITED):
            monkeypatch.delenv(name)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(bitcoingame, "settings", bitcoingame.settings)
        monkeypatch.delitem(sys.modules, "bitcoingame.settings")
        monkeypatch.setattr(settings, "_wrapped", empty)
        monkeypatch.setattr(django, "setup", check_apps)
        set_up()

    return run


@pytest.fixture
def refusal(set_up_again: Callable[[dict[str, str]], None]) -> Callable[[dict[str, str]], object]:
    """The result of a start in this environment. A real process prints a result that is a text, and exits with 1."""

    def ask(environment: dict[str, str]) -> object:
        with pytest.raises(SystemExit) as end:
            set_up_again(environment)
        return end.value.code

    return ask


def test_production_starts_with_everything_set() -> None:
    program = "from bitcoingame.start import set_up; set_up()"
    assert start("-c", program, **PRODUCTION) == (0, "", "")


def test_production_starts_in_this_process_too(set_up_again: Any) -> None:
    """Each refusal below is therefore caused by what its case leaves out or puts in."""
    set_up_again(PRODUCTION)
    assert settings.ENVIRONMENT == "production"


@pytest.mark.parametrize("name", [name for name in PRODUCTION if name != "JWT_PUBLIC_KEY"])
def test_production_refuses_to_start_without(refusal: Any, name: str) -> None:
    rest = {key: value for key, value in PRODUCTION.items() if key != name}
    assert refusal(rest) == f"{name} must be set."


def test_production_refuses_to_start_without_a_key(refusal: Any) -> None:
    rest = {key: value for key, value in PRODUCTION.items() if key != "JWT_PUBLIC_KEY"}
    assert refusal(rest) == "JWT_PUBLIC_KEY or JWT_PRIVATE_KEY must be set."


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("SECRET_KEY", "short", "SECRET_KEY must have at least 32 characters in production."),
        ("DEBUG", "true", "DEBUG must be off in production."),
        ("DEBUG", "maybe", "DEBUG must be true or false, not 'maybe'."),
        ("ENVIRONMENT", "staging", "ENVIRONMENT must be one of development, production, not 'staging'."),
        (
            "EMAIL_WEBHOOK_SECRET",
            "reports:short",
            "EMAIL_WEBHOOK_SECRET must be name:password, with a password of at least 32 characters.",
        ),
        ("JWT_PUBLIC_KEY", "-----BEGIN PUBLIC KEY-----", "JWT_PUBLIC_KEY must be an RSA public key in PEM form."),
    ],
)
def test_production_refuses_to_start_with(refusal: Any, name: str, value: str, sentence: str) -> None:
    assert refusal({**PRODUCTION, name: value}) == sentence


@pytest.mark.parametrize("key", ["x", "nonsense", "MFkw", "-----BEGIN PUBLIC KEY-----"])
def test_production_refuses_a_key_of_sendgrid_that_is_none(refusal: Any, key: str) -> None:
    environment = {**PRODUCTION, "EMAIL_SERVICE": "sendgrid", "SENDGRID_API_KEY": "k", "SENDGRID_WEBHOOK_KEY": key}
    assert refusal(environment) == "SENDGRID_WEBHOOK_KEY must be the verification key that SendGrid shows."


def test_production_takes_what_signs_the_reports(set_up_again: Any) -> None:
    key = "".join(PRODUCTION["JWT_PUBLIC_KEY"].splitlines()[1:-1])
    set_up_again(
        {
            **PRODUCTION,
            "EMAIL_SERVICE": "sendgrid",
            "SENDGRID_API_KEY": "k",
            "SENDGRID_WEBHOOK_KEY": key,
            "EMAIL_WEBHOOK_SECRET": "reports:" + "x" * 32,
        }
    )
    assert settings.ANYMAIL["WEBHOOK_SECRET"] == "reports:" + "x" * 32
    assert settings.ANYMAIL["SENDGRID_TRACKING_WEBHOOK_VERIFICATION_KEY"] == key


@pytest.mark.parametrize(
    "module",
    [["manage.py", "check"], ["manage.py", "migrate"], ["manage.py", "rqworker"]]
    + [["-m", "bitcoingame.local"], ["-m", "bitcoingame.local.web"]]
    + [["-c", f"import bitcoingame.{name}"] for name in ("wsgi", "asgi")],
)
def test_every_entry_point_ends_with_the_sentence(module: list[str]) -> None:
    environment = {**PRODUCTION, "ENVIRONMENT": "production", "REDIS_URL": "localhost"}
    sentence = "REDIS_URL must be a URL such as redis://host:6379/0.\n"
    assert start(*module, **environment) == (1, "", sentence)


@pytest.mark.parametrize(
    ("module", "name"), [("bitcoingame.local", "`make run`"), ("bitcoingame.local.web", "This web process")]
)
def test_make_run_is_for_development_only(module: str, name: str) -> None:
    code, _, stderr = start("-m", module, **PRODUCTION, ENVIRONMENT="production")
    assert (code, stderr) == (1, f"{name} is for development: ENVIRONMENT must not be set to anything else.\n")


@pytest.mark.parametrize(
    ("reader", "value", "expected"),
    [
        (env.text, " word ", "word"),
        (env.integer, "12", 12),
        (env.words, "a, b,,c ", ["a", "b", "c"]),
        (env.origins, "https://a.example,http://localhost:5173", ["https://a.example", "http://localhost:5173"]),
        (env.origin, "https://a.example/", "https://a.example"),
        (env.redis_url, "rediss://:secret@host:6380/1", "rediss://:secret@host:6380/1"),
        (env.redis_url, "unix:///run/valkey.sock", "unix:///run/valkey.sock"),
        (
            env.database_url,
            "postgres://me:a%40b@host:5433/game?sslmode=require",
            {"user": "me", "password": "a@b", "host": "host", "port": "5433", "dbname": "game", "sslmode": "require"},
        ),
        (env.pem, "-----BEGIN X-----\\nabc", "-----BEGIN X-----\nabc"),
    ],
)
def test_reads(monkeypatch: pytest.MonkeyPatch, reader: Any, value: str, expected: Any) -> None:
    monkeypatch.setenv("NAME", value)
    assert (reader("NAME", 1) if reader is env.integer else reader("NAME")) == expected


@pytest.mark.parametrize(
    ("reader", "value", "sentence"),
    [
        (lambda name: env.boolean(name, default=True), "2", "NAME must be true or false, not '2'."),
        (lambda name: env.integer(name, 5), "five", "NAME must be a whole number, not 'five'."),
        (lambda name: env.integer(name, 5, minimum=1, maximum=9), "10", "NAME must be between 1 and 9, not 10."),
        (lambda name: env.choice(name, ("a", "b"), "a"), "c", "NAME must be one of a, b, not 'c'."),
        (lambda name: env.words(name, None), ", ,", "NAME must be set."),
        (env.origin, "https://u@b.c", "NAME must be an origin such as https://example.com, not 'https://u@b.c'."),
        (env.database_url, "postgresql://h:none/d", "NAME must have a port between 1 and 65535."),
        (
            env.database_url,
            "postgresql://h/",
            "NAME must name a database, as in postgresql://user:password@host/name.",
        ),
        (env.pem, "/nowhere", "NAME must be a PEM key or the path of a file that holds one."),
        (env.pem, str(ROOT / "manage.py"), "NAME must be a PEM key or the path of a file that holds one."),
    ],
)
def test_refuses(monkeypatch: pytest.MonkeyPatch, reader: Any, value: str, sentence: str) -> None:
    monkeypatch.setenv("NAME", value)
    with pytest.raises(ImproperlyConfigured) as refusal:
        reader("NAME")
    assert str(refusal.value) == sentence


@pytest.mark.parametrize("bad", ["a.b", "https://a.b/", "ftp://a.b", "https://", "https://a:x", "https://[a"])
def test_refuses_what_is_no_origin(monkeypatch: pytest.MonkeyPatch, bad: str) -> None:
    monkeypatch.setenv("NAME", f"https://a.example,{bad}")
    with pytest.raises(ImproperlyConfigured) as refusal:
        env.origins("NAME")
    assert str(refusal.value) == f"NAME must list origins such as https://example.com, not {bad!r}."


@pytest.mark.parametrize(
    "bad",
    ["localhost", "http://h", "redis://", "redis://h:port/0", "redis://h:0", "redis://[h", "redis://h/x", "unix:"],
)
def test_refuses_what_is_no_redis(monkeypatch: pytest.MonkeyPatch, bad: str) -> None:
    monkeypatch.setenv("NAME", bad)
    with pytest.raises(ImproperlyConfigured, match=r"^NAME must be a URL such as redis://host:6379/0\.$"):
        env.redis_url("NAME")


@pytest.mark.parametrize(
    "bad", ["localhost", "mysql://h/d", "postgresql://h/d?nonsense=1", "host=h dbname=d", "postgresql://[h/d"]
)
def test_refuses_what_is_no_database(monkeypatch: pytest.MonkeyPatch, bad: str) -> None:
    monkeypatch.setenv("NAME", bad)
    with pytest.raises(ImproperlyConfigured, match=r"^NAME must be a URL such as postgresql://user:password@host/name"):
        env.database_url("NAME")


def test_reads_a_key_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    file.write_text(key_pair()[0])
    monkeypatch.setenv("NAME", str(file))
    assert env.pem("NAME") == file.read_text()


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAME", " ")
    assert env.integer("NAME", 7) == 7
    with pytest.raises(ImproperlyConfigured, match=r"^NAME must be set\.$"):
        env.text("NAME")
