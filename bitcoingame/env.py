"""Typed readers of environment variables.

Each reader returns a value of its type or raises ImproperlyConfigured with one sentence that names the variable, so
that a wrong configuration ends the start and does not show up in a request. An empty variable counts as unset, because
compose files pass a missing one on as empty.
"""

import os
import re
from base64 import b64decode
from urllib.parse import SplitResult, urlsplit

from django.core.exceptions import ImproperlyConfigured
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

EMAIL_BACKENDS = {
    "console": "django.core.mail.backends.console.EmailBackend",
    "smtp": "django.core.mail.backends.smtp.EmailBackend",
    "sendgrid": "anymail.backends.sendgrid.EmailBackend",
    "ses": "anymail.backends.amazon_ses.EmailBackend",
}

_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off"}
_DATABASE_PATH = re.compile(r"(/\d*)?")


def text(name: str, default: str | None = None) -> str:
    """The variable without white space around it. Without a default it must be set."""
    value = os.environ.get(name, "").strip() or default
    if value is None:
        raise ImproperlyConfigured(f"{name} must be set.")
    return value


def choice(name: str, choices: tuple[str, ...], default: str) -> str:
    """One of the choices."""
    value = text(name, default)
    if value not in choices:
        raise ImproperlyConfigured(f"{name} must be one of {', '.join(choices)}, not {value!r}.")
    return value


def boolean(name: str, default: bool) -> bool:
    """1, true, yes, on or 0, false, no, off, in any case."""
    value = text(name, str(default)).lower()
    if value not in _TRUE | _FALSE:
        raise ImproperlyConfigured(f"{name} must be true or false, not {value!r}.")
    return value in _TRUE


def integer(name: str, default: int, *, minimum: int = 0, maximum: int = 2**31 - 1) -> int:
    """A whole number from minimum to maximum, both included."""
    value = text(name, str(default))
    try:
        number = int(value)
    except ValueError:
        raise ImproperlyConfigured(f"{name} must be a whole number, not {value!r}.") from None
    if not minimum <= number <= maximum:
        raise ImproperlyConfigured(f"{name} must be between {minimum} and {maximum}, not {number}.")
    return number


def words(name: str, default: str | None = "") -> list[str]:
    """A comma-separated list; empty items are dropped. Without a default it must hold at least one."""
    found = [word.strip() for word in text(name, default).split(",") if word.strip()]
    if default is None and not found:
        raise ImproperlyConfigured(f"{name} must be set.")
    return found


def origins(name: str, default: str | None = "") -> list[str]:
    """Browser origins, each `scheme://host[:port]` and nothing more."""
    found = words(name, default)
    for origin in found:
        if not _is_origin(origin):
            raise ImproperlyConfigured(f"{name} must list origins such as https://example.com, not {origin!r}.")
    return found


def origin(name: str, default: str | None = None) -> str:
    """One origin: `scheme://host[:port]`, a slash at its end dropped."""
    value = text(name, default).removesuffix("/")
    if not _is_origin(value):
        raise ImproperlyConfigured(f"{name} must be an origin such as https://example.com, not {value!r}.")
    return value


def _is_origin(value: str) -> bool:
    parts = _split(value)
    return bool(
        parts
        and parts.scheme in ("http", "https")
        and parts.hostname
        and not parts.username
        and f"{parts.scheme}://{parts.netloc}" == value
    )


def _split(url: str) -> SplitResult | None:
    """The parts of the URL; None if the port is no number above 0, or if it holds white space or control characters."""
    try:
        parts = urlsplit(url)
        has_sound_port = parts.port is None or parts.port > 0
    except ValueError:
        return None
    return parts if has_sound_port and not re.search(r"[\s\x00-\x1f]", url) else None


def database_url(name: str, default: str | None = None) -> dict[str, str]:
    """The parts of a PostgreSQL URI, as libpq reads it. Errors do not repeat the URI, because it holds a password."""
    value = text(name, default)
    try:
        if not value.startswith(("postgresql://", "postgres://")):
            raise ProgrammingError
        parts = {key: str(part) for key, part in conninfo_to_dict(value).items()}
    except ProgrammingError:
        raise ImproperlyConfigured(f"{name} must be a URL such as postgresql://user:password@host/name.") from None
    if not all(port.isdecimal() and 0 < int(port) < 65536 for port in parts.get("port", "5432").split(",")):
        raise ImproperlyConfigured(f"{name} must have a port between 1 and 65535.")
    if not parts.get("dbname"):
        raise ImproperlyConfigured(f"{name} must name a database, as in postgresql://user:password@host/name.")
    return parts


def redis_url(name: str, default: str | None = None) -> str:
    """The URL of Redis or Valkey. Errors do not repeat it, because it may hold a password."""
    value = text(name, default)
    parts = _split(value)
    is_remote = (
        parts and parts.scheme in ("redis", "rediss") and parts.hostname and _DATABASE_PATH.fullmatch(parts.path)
    )
    is_local = parts and parts.scheme == "unix" and parts.path.startswith("/")
    if not (is_remote or is_local):
        raise ImproperlyConfigured(f"{name} must be a URL such as redis://host:6379/0.")
    return value


def pem(name: str, default: str | None = None) -> str:
    """A PEM text; "" if unset. The variable holds the text (\\n may stand for a line end) or the path of a file."""
    value = text(name, default or "").replace("\\n", "\n")
    if not value or value.startswith("-----BEGIN "):
        return value
    try:
        with open(value, encoding="ascii") as file:
            content = file.read()
    except (OSError, UnicodeDecodeError):
        content = ""
    if not content.startswith("-----BEGIN "):
        raise ImproperlyConfigured(f"{name} must be a PEM key or the path of a file that holds one.")
    return content


def is_public_key(value: str) -> bool:
    """Whether the text is a public key in base64, which is PEM without its frame."""
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    try:
        load_der_public_key(b64decode(value, validate=True))
    except ValueError:
        return False
    return True
