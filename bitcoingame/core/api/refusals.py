"""Refusals as HTTP: every error that a view raises becomes one shape of answer."""

from collections.abc import Callable, Mapping
from typing import Any

import orjson
from django.conf import settings
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from rest_framework import exceptions

from bitcoingame.core.errors import DomainError, InvalidInput, NotAllowed, NotFound, NotSignedIn, TooManyAttempts


class BodyTooLarge(DomainError):
    status = 413
    code = "body_too_large"
    detail = "The request body is too large."


class LengthRequired(DomainError):
    status = 411
    code = "length_required"
    detail = "The request must say the length of its body (Content-Length)."


class Unavailable(DomainError):
    status = 503
    code = "unavailable"
    detail = "The service is not available at the moment. Try again shortly."


def error_body(error: DomainError) -> dict[str, Any]:
    """{"detail": sentence, "code": token}, and for bad input also "errors": {field: [sentence, …]}."""
    body: dict[str, Any] = {"detail": error.detail, "code": error.code}
    if isinstance(error, InvalidInput):
        body["errors"] = error.errors
    return body


def error_response(error: DomainError) -> HttpResponse:
    """The refusal as JSON, with the headers that belong to it. Middleware and Django's error handlers use it too."""
    return HttpResponse(
        orjson.dumps(error_body(error)), status=error.status, content_type="application/json", headers=_headers(error)
    )


def exception_handler(exc: Exception, context: dict[str, Any]) -> HttpResponse | None:
    """The answer to an error that a view raised; None if it is a fault of ours, which goes on to the 500 handler.

    The JSON is made here and not by the view's renderer, because views that answer in HTML or YAML refuse in JSON too.
    """
    error = as_domain_error(exc)
    return None if error is None else error_response(error)


def as_domain_error(exc: Exception) -> DomainError | None:
    """The refusal that an error of Django, DRF or PostgreSQL stands for; None if it is a fault of ours."""
    match exc:
        case DomainError():
            return exc
        case exceptions.ValidationError():
            return InvalidInput(_flatten(exc.detail))
        case Http404() | exceptions.NotFound():
            return NotFound()
        case exceptions.NotAuthenticated():
            return NotSignedIn()
        case PermissionDenied() | exceptions.PermissionDenied():
            return _described(NotAllowed(), exc)
        case RequestDataTooBig():
            return BodyTooLarge()
        case OperationalError() | InterfaceError():
            return Unavailable()
        case exceptions.APIException():
            return _from_api_exception(exc)
    return None


def _from_api_exception(exc: exceptions.APIException) -> DomainError:
    error = DomainError(str(exc.detail))
    error.status = exc.status_code
    error.code = str(exc.get_codes())
    return error


def _described(error: NotAllowed, exc: Exception) -> NotAllowed:
    """Takes over the sentence and the code of a permission class that has its own."""
    detail = getattr(exc, "detail", None)
    if isinstance(detail, exceptions.ErrorDetail) and detail.code != exceptions.PermissionDenied.default_code:
        error.detail, error.code = str(detail), str(detail.code)
    return error


def _headers(error: DomainError) -> dict[str, str]:
    if isinstance(error, TooManyAttempts):
        return {"Retry-After": str(error.retry_after)}
    return {"WWW-Authenticate": "Bearer"} if error.status == 401 else {}


def _flatten(detail: Any, field: str = "") -> dict[str, list[str]]:
    """DRF's nested error detail as {dotted field: [sentences]}; what concerns no single field stands under `body`."""
    if isinstance(detail, Mapping):
        found: dict[str, list[str]] = {}
        for key, value in detail.items():
            name = "" if key == "non_field_errors" else str(key)
            for path, sentences in _flatten(value, f"{field}.{name}".strip(".")).items():
                found.setdefault(path, []).extend(sentences)
        return found
    return {field or "body": [str(sentence) for sentence in detail]}


class LimitBody:
    """Refuses a body that is too large before anything reads it, and one of unknown length.

    Django treats a body without a length as no body: it would answer a chunked PATCH with 200 and change nothing.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if "HTTP_TRANSFER_ENCODING" in request.META:
            return error_response(LengthRequired())
        length = request.META.get("CONTENT_LENGTH") or "0"
        if length.isdecimal() and int(length) > body_limit(request.path):
            return error_response(BodyTooLarge())
        return self.get_response(request)


def body_limit(path: str) -> int:
    """The largest body that this path takes, in bytes: little from users, more from services and from the admin."""
    is_small = path.startswith("/api/v1/") and not path.startswith("/api/v1/internal/")
    return settings.MAX_BODY_BYTES if is_small else settings.DATA_UPLOAD_MAX_MEMORY_SIZE
