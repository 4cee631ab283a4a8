"""The one settings file. Every value an operator may set comes from the environment; README.md lists them."""

import re
import sys
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from bitcoingame import env
from bitcoingame.staff.look import UNFOLD  # noqa: F401 - a setting

BASE_DIR = Path(__file__).resolve().parent.parent

ENVIRONMENT = env.choice("ENVIRONMENT", ("development", "production"), default="production")
DEVELOPMENT = ENVIRONMENT == "development"
DEBUG = env.boolean("DEBUG", default=False)
if DEBUG and not DEVELOPMENT:
    raise ImproperlyConfigured("DEBUG must be off in production.")

if DEVELOPMENT:
    # Embedded servers and generated keys stand in for what the environment does not name.
    from bitcoingame.local import defaults as local

    _database_default: str | None = local.database_url()
    _redis_default: str | None = local.redis_url()
    _secret_default: str | None = local.secret_key()
else:
    _database_default = _redis_default = _secret_default = None

SECRET_KEY = env.text("SECRET_KEY", _secret_default)
if not DEVELOPMENT and len(SECRET_KEY) < 32:
    raise ImproperlyConfigured("SECRET_KEY must have at least 32 characters in production.")
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]" if DEVELOPMENT else None)
DASHBOARD_ORIGINS = env.origins("DASHBOARD_ORIGINS", "http://localhost:5173" if DEVELOPMENT else None)
PUBLIC_URL = env.origin("PUBLIC_URL", "http://localhost:8000" if DEVELOPMENT else None)

# How many of our own proxies stand in front; only the address they saw is believed, never the client's own claim.
TRUSTED_PROXIES = env.integer("TRUSTED_PROXIES", default=0, maximum=10)

# Daphne stands in for Django's runserver. Other processes leave it out: it imports Twisted, a fifth of their start.
_runserver = ["daphne"] if sys.argv[1:2] == ["runserver"] else []

INSTALLED_APPS = [
    *_runserver,
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django.contrib.humanize",
    "axes",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "corsheaders",
    "channels",
    "django_rq",
    "bitcoingame",
    "profiles",
    "notifications",
    "social",
]

MIDDLEWARE = [
    "bitcoingame.health.HealthProbes",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "bitcoingame.core.api.refusals.LimitBody",
    "bitcoingame.core.staff.middleware.Sessions",
    "django.middleware.common.CommonMiddleware",
    "bitcoingame.core.staff.middleware.CsrfProtection",
    "bitcoingame.core.staff.middleware.Authentication",
    "bitcoingame.core.staff.middleware.Messages",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
]

# The check looks for Django's middleware by its name, and core.staff.middleware.CsrfProtection is a subclass of it.
SILENCED_SYSTEM_CHECKS = ["security.W003"]

ROOT_URLCONF = "bitcoingame.urls"
WSGI_APPLICATION = "bitcoingame.wsgi.application"
ASGI_APPLICATION = "bitcoingame.asgi.application"
APPEND_SLASH = False

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

_database = env.database_url("DATABASE_URL", _database_default)
# A thread that serves one request after another keeps its connection; an ASGI server shares this many (asgi.py).
_pool_size = env.integer("DATABASE_POOL_SIZE", default=0, maximum=1000)
DATABASES = {
    "default": {
        "ENGINE": "bitcoingame.core.postgresql",
        "NAME": _database.pop("dbname"),
        "USER": _database.pop("user", ""),
        "PASSWORD": _database.pop("password", ""),
        "HOST": _database.pop("host", ""),
        "PORT": _database.pop("port", ""),
        "CONN_MAX_AGE": 0 if _pool_size else env.integer("DATABASE_CONN_MAX_AGE", default=60),
        "CONN_HEALTH_CHECKS": True,
        # A statement is prepared when it comes again, because PostgreSQL takes longer to plan a join than to run it. A
        # pooler in front must support prepared statements (PgBouncer does from 1.21 on).
        "OPTIONS": {
            **_database,
            "server_side_binding": True,
            "prepare_threshold": 2,
            "pool": {"min_size": 1, "max_size": _pool_size} if _pool_size else False,
        },
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = env.redis_url("REDIS_URL", _redis_default)

# What processes tell each other (docs/websocket.md). The platform shares this Redis, so the names have our prefix.
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "bitcoingame.core.channel_layer.ImpatientChannelLayer",
        "CONFIG": {"url": REDIS_URL, "prefix": "social"},
    }
}

AUTH_USER_MODEL = "profiles.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
# Signing in to the admin: after 5 wrong passwords for one name from one address, that pair waits for an hour. Only the
# pair does, so that nobody can lock a member of staff out from elsewhere.
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(hours=1)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_CLIENT_IP_CALLABLE = "bitcoingame.core.limits.storable_client_address"
AXES_RESET_ON_SUCCESS = True
AXES_DISABLE_ACCESS_LOG = True
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False
AXES_LOCKOUT_TEMPLATE = "staff/locked_out.html"
# Only the admin has sessions; the API is called with a token in a header.
SESSION_COOKIE_SAMESITE = "Lax"

# Sign-in. With only the public key the service verifies the platform's tokens; with the private one it signs too.
JWT_PRIVATE_KEY = env.pem(
    "JWT_PRIVATE_KEY", local.private_key() if DEVELOPMENT and not env.pem("JWT_PUBLIC_KEY") else None
)
JWT_PUBLIC_KEY = env.pem("JWT_PUBLIC_KEY")
if not (JWT_PRIVATE_KEY or JWT_PUBLIC_KEY):
    raise ImproperlyConfigured("JWT_PUBLIC_KEY or JWT_PRIVATE_KEY must be set.")
JWT_ISSUER = "thebitcoingame.com"
ACCESS_TOKEN_SECONDS = env.integer("ACCESS_TOKEN_SECONDS", default=15 * 60, minimum=60)
REFRESH_TOKEN_SECONDS = env.integer("REFRESH_TOKEN_SECONDS", default=30 * 24 * 3600, minimum=3600)

ON_FIRST_SIGN_IN = "notifications.services.welcome"
ON_EMAIL_GIVEN = "notifications.email.consent.ask_for_confirmation"
# Called when a user may have changed their name, or who may see it.
ON_NAME_CHANGE = "notifications.withdrawals.withdraw_soon"

# Limits, each "attempts per hour"; development is generous so that a tour or a load test is not refused.
_generous = 100 if DEVELOPMENT else 1
INVITE_GUESSES_PER_ACCOUNT = env.integer("INVITE_GUESSES_PER_ACCOUNT", default=10 * _generous, minimum=1)
INVITE_GUESSES_PER_ADDRESS = env.integer("INVITE_GUESSES_PER_ADDRESS", default=100 * _generous, minimum=1)
SIGN_INS_PER_ADDRESS = env.integer("SIGN_INS_PER_ADDRESS", default=300 * _generous, minimum=1)
CONFIRMATIONS_PER_ACCOUNT = env.integer("CONFIRMATIONS_PER_ACCOUNT", default=3 * _generous, minimum=1)
CONFIRMATIONS_PER_MAILBOX = env.integer("CONFIRMATIONS_PER_MAILBOX", default=3 * _generous, minimum=1)
CONFIRMATIONS_PER_ADDRESS = env.integer("CONFIRMATIONS_PER_ADDRESS", default=30 * _generous, minimum=1)
MAX_BODY_BYTES = env.integer("MAX_BODY_BYTES", default=64 * 1024, minimum=1024)
DATA_UPLOAD_MAX_MEMORY_SIZE = 5 * 1024 * 1024

# The platform's events. A service without Redis posts them with a token; there are two while one replaces the other.
SERVICE_TOKENS = env.words("SERVICE_TOKENS")
if any(len(token) < 32 for token in SERVICE_TOKENS) or len(SERVICE_TOKENS) > 2:
    raise ImproperlyConfigured("SERVICE_TOKENS must be one or two tokens of at least 32 characters each.")
# About how many of our own events Redis keeps in the stream social:events.
SOCIAL_EVENTS_MAXLEN = env.integer("SOCIAL_EVENTS_MAXLEN", default=100_000, minimum=1000)

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["profiles.sign_in.bearer.BearerAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["bitcoingame.core.api.json.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["bitcoingame.core.api.json.JSONParser"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "bitcoingame.core.api.json.AlwaysJSON",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_METADATA_CLASS": None,
    "EXCEPTION_HANDLER": "bitcoingame.core.api.refusals.exception_handler",
    "NUM_PROXIES": TRUSTED_PROXIES,
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
    "URL_FORMAT_OVERRIDE": None,
}

SPECTACULAR_SETTINGS = {
    "TITLE": "The Bitcoin Game: social layer",
    "VERSION": "1.0.0",
    "OAS_VERSION": "3.1.1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "bitcoingame.core.api.schema.add_shared_refusals",
    ],
}

CORS_ALLOWED_ORIGINS = DASHBOARD_ORIGINS
CORS_URLS_REGEX = r"^/api/"
CORS_EXPOSE_HEADERS = ["Retry-After"]

RQ = {
    "SCHEDULER_CLASS": "bitcoingame.scheduler.TimetableScheduler",
    "WORKER_CLASS": "bitcoingame.scheduler.PromptWorker",
}
RQ_QUEUES = {"default": {"URL": REDIS_URL, "DEFAULT_TIMEOUT": 300}}

# The service that delivers e-mail; `console` prints it.
EMAIL_SERVICE = env.choice("EMAIL_SERVICE", tuple(env.EMAIL_BACKENDS), "console" if DEVELOPMENT else "smtp")
EMAIL_BACKEND = env.EMAIL_BACKENDS[EMAIL_SERVICE]
EMAIL_HOST = env.text("EMAIL_HOST", "localhost")
EMAIL_PORT = env.integer("EMAIL_PORT", default=587, minimum=1, maximum=65535)
EMAIL_HOST_USER = env.text("EMAIL_HOST_USER", "")
EMAIL_HOST_PASSWORD = env.text("EMAIL_HOST_PASSWORD", "")
_encryption = env.choice("EMAIL_ENCRYPTION", ("starttls", "tls", "none"), default="starttls")
EMAIL_USE_TLS = _encryption == "starttls"
EMAIL_USE_SSL = _encryption == "tls"
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env.text("EMAIL_FROM", "The Bitcoin Game <notifications@thebitcoingame.com>")
ANYMAIL: dict[str, Any] = {"REQUESTS_TIMEOUT": EMAIL_TIMEOUT}
if EMAIL_SERVICE == "sendgrid":
    ANYMAIL["SENDGRID_API_KEY"] = env.text("SENDGRID_API_KEY")
    # The public key of SendGrid's signed event webhook, base64 without PEM's frame.
    _webhook_key = env.text("SENDGRID_WEBHOOK_KEY", "")
    if _webhook_key and not env.is_public_key(_webhook_key):
        raise ImproperlyConfigured("SENDGRID_WEBHOOK_KEY must be the verification key that SendGrid shows.")
    ANYMAIL["SENDGRID_TRACKING_WEBHOOK_VERIFICATION_KEY"] = _webhook_key
# With it, or with SendGrid's key, the service reports bounces and complaints (notifications/email/tracking.py).
ANYMAIL["WEBHOOK_SECRET"] = env.text("EMAIL_WEBHOOK_SECRET", "")
if ANYMAIL["WEBHOOK_SECRET"] and not re.fullmatch(r"[^:\s]+:\S{32,}", ANYMAIL["WEBHOOK_SECRET"]):
    raise ImproperlyConfigured("EMAIL_WEBHOOK_SECRET must be name:password, with a password of at least 32 characters.")
if EMAIL_SERVICE == "ses" and find_spec("boto3") is None:
    raise ImproperlyConfigured("EMAIL_SERVICE=ses needs the package boto3; without it, use smtp with SES's endpoint.")

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False
STATIC_URL = "/static/"
STATIC_ROOT = None if DEVELOPMENT else BASE_DIR / "staticfiles"
WHITENOISE_USE_FINDERS = DEVELOPMENT

if not DEVELOPMENT:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXIES else None
    SECURE_SSL_REDIRECT = env.boolean("SECURE_SSL_REDIRECT", default=True)
    SECURE_HSTS_SECONDS = env.integer("SECURE_HSTS_SECONDS", default=365 * 24 * 3600)
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True
    CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "filters": {"route_for_path": {"()": "bitcoingame.core.logs.RouteForPath"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": env.choice("LOG_LEVEL", ("DEBUG", "INFO", "WARNING", "ERROR"), "INFO")},
    # django.request's warnings repeat the path of each 4xx, and a path may hold the address of a user who chose not to
    # be named.
    "loggers": {
        "django.request": {"level": "ERROR", "filters": ["route_for_path"]},
        "axes": {"level": "WARNING"},
        # It logs a traceback a second while Redis is away. The hub says so too, in one line.
        "channels_redis": {"level": "CRITICAL"},
    },
}
