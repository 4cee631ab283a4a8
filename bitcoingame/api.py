"""What every endpoint shares: JSON in and out, the one error shape, pages, strict fields, read-only rows."""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any, NamedTuple, cast

import orjson
from django.conf import settings
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from drf_spectacular.utils import OpenApiResponse
from rest_framework import exceptions, serializers
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from bitcoingame.errors import DomainError, InvalidInput, NotAllowed, NotFound, NotSignedIn, TooManyAttempts
from bitcoingame.text import BadText, clean_line

MAX_PAGE = 1_000_000
MAX_PER_PAGE = 100


class JSONRenderer(BaseRenderer):
    """orjson: several times the standard library's speed; timestamps come out as ISO 8601 with Z."""

    media_type = "application/json"
    format = "json"
    charset = None

    def render(self, data: Any, accepted_media_type: Any = None, renderer_context: Any = None) -> bytes:
        return b"" if data is None else orjson.dumps(data, option=orjson.OPT_UTC_Z)


class JSONParser(BaseParser):
    media_type = "application/json"

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Any:
        try:
            return orjson.loads(stream.read(settings.DATA_UPLOAD_MAX_MEMORY_SIZE))
        except orjson.JSONDecodeError:
            raise exceptions.ParseError("The body is not valid JSON.") from None


class AlwaysJSON(BaseContentNegotiation):
    """Answers JSON whatever the Accept header asks for; a client that wants HTML still learns what went wrong."""

    def select_parser(self, request: Request, parsers: Iterable[Any]) -> Any:
        media_type = request.content_type.split(";")[0].strip().lower()
        return next((parser for parser in parsers if parser.media_type == media_type), None)

    def select_renderer(
        self, request: Request, renderers: Iterable[Any], format_suffix: str | None = None
    ) -> tuple[Any, str]:
        renderer = next(iter(renderers))
        return renderer, renderer.media_type


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
    body: dict[str, Any] = {"detail": error.detail, "code": error.code}
    if isinstance(error, InvalidInput):
        body["errors"] = error.errors
    return body


def error_response(error: DomainError) -> HttpResponse:
    """The refusal as JSON, for middleware and Django's own error handlers too."""
    return HttpResponse(
        orjson.dumps(error_body(error)), status=error.status, content_type="application/json", headers=_headers(error)
    )


def exception_handler(exc: Exception, context: dict[str, Any]) -> HttpResponse | None:
    """Turns whatever a view raised into the one error shape; None (a fault of ours) goes on to the 500 handler.

    Rendered here, for the views that answer in HTML or YAML refuse in JSON too.
    """
    error = as_domain_error(exc)
    return None if error is None else error_response(error)


def as_domain_error(exc: Exception) -> DomainError | None:
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
    """Keeps the sentence and code a permission class gave, where it gave its own."""
    detail = getattr(exc, "detail", None)
    if isinstance(detail, exceptions.ErrorDetail) and detail.code != exceptions.PermissionDenied.default_code:
        error.detail, error.code = str(detail), str(detail.code)
    return error


def _headers(error: DomainError) -> dict[str, str]:
    if isinstance(error, TooManyAttempts):
        return {"Retry-After": str(error.retry_after)}
    return {"WWW-Authenticate": "Bearer"} if error.status == 401 else {}


def _flatten(detail: Any, field: str = "") -> dict[str, list[str]]:
    """DRF's nested error detail as {dotted field: [sentences]}; what concerns no field stands under `body`."""
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

    Django takes a body without a length for none at all: a chunked PATCH would be answered 200 and change nothing.
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
    """In bytes: what people send is small; what services and the admin send may be larger."""
    is_small = path.startswith("/api/v1/") and not path.startswith("/api/v1/internal/")
    return settings.MAX_BODY_BYTES if is_small else settings.DATA_UPLOAD_MAX_MEMORY_SIZE


class Page(NamedTuple):
    """A window of a list: `page` counts from 1."""

    page: int = 1
    per_page: int = 20

    @property
    def window(self) -> slice:
        start = (self.page - 1) * self.per_page
        return slice(start, start + self.per_page)

    def envelope(self, plural: str, rows: list[Any], total: int) -> dict[str, Any]:
        return {plural: rows, "total": total, "page": self.page, "per_page": self.per_page}


class PageQuery(serializers.Serializer):
    """For the schema; requested_page reads the query itself, without building a serializer for each list."""

    page = serializers.IntegerField(min_value=1, max_value=MAX_PAGE, default=1)
    per_page = serializers.IntegerField(min_value=1, max_value=MAX_PER_PAGE, default=20)


def requested_page(request: Request) -> Page:
    """Raises InvalidInput (400) for anything but whole numbers in range."""
    return Page(
        page=_whole_number(request, "page", default=1, maximum=MAX_PAGE),
        per_page=_whole_number(request, "per_page", default=20, maximum=MAX_PER_PAGE),
    )


def _whole_number(request: Request, name: str, *, default: int, maximum: int) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    if not re.fullmatch("[0-9]{1,9}", text) or not 1 <= int(text) <= maximum:
        raise InvalidInput({name: [f"This must be a whole number from 1 to {maximum}."]})
    return int(text)


def parsed(form: type[serializers.Serializer], data: Any, *, partial: bool = False) -> dict[str, Any]:
    """The validated fields of a request's body or query. Raises ValidationError (400)."""
    bound = form(data=data, partial=partial)
    bound.is_valid(raise_exception=True)
    return dict(bound.validated_data)


class StrictCharField(serializers.CharField):
    """A string that arrived as a string; DRF's own would turn numbers into text."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class LineField(StrictCharField):
    """One line of text a person typed, cleaned; min_length and max_length count what is left."""

    def __init__(self, *, min_length: int = 1, max_length: int, **kwargs: Any) -> None:
        self.bounds = {"minimum": min_length, "maximum": max_length}
        super().__init__(trim_whitespace=False, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        try:
            return clean_line(super().to_internal_value(data), **self.bounds)
        except BadText as error:
            raise exceptions.ValidationError(str(error)) from None


class StrictBooleanField(serializers.BooleanField):
    """true or false; DRF's own would take "yes", 1 and a dozen others."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class IdField(serializers.RegexField):
    """An id: a string of digits on the wire, within PostgreSQL's bigint."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(regex=r"^[0-9]{1,19}\Z", **kwargs)

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)

    def run_validators(self, value: Any) -> None:
        super().run_validators(value)
        if int(value) >= 2**63:
            self.fail("invalid")


class ReadSerializer(serializers.Serializer):
    """Declares the shape of an answer for the schema, and builds it from a row without DRF's per-field machinery.

    `of(row)` reads one key per declared field, so a query that forgets one fails loudly; ids become strings.
    """

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> dict[str, Any]:
        return {name: row[source] if convert is None else convert(row[source]) for name, source, convert in _plan(cls)}


@cache
def _plan(serializer: type[ReadSerializer]) -> list[tuple[str, str, Callable[[Any], Any] | None]]:
    return [(name, str(field.source), _converter(field)) for name, field in serializer().fields.items()]


def _converter(field: serializers.Field) -> Callable[[Any], Any] | None:
    if isinstance(field, serializers.ListSerializer):
        of = cast(type[ReadSerializer], type(field.child)).of
        return lambda rows: [of(row) for row in rows]
    if isinstance(field, ReadSerializer):
        return type(field).of
    return str if isinstance(field, IdField) else None


class ErrorBody(serializers.Serializer):
    """Every refusal: a sentence for people, a token for programs, and for bad input what is wrong with each field."""

    detail = serializers.CharField()
    code = serializers.CharField()
    errors = serializers.DictField(  # type: ignore[assignment]  # a serializer's own `errors` stays a property
        child=serializers.ListField(child=serializers.CharField()), required=False
    )


class DetailBody(serializers.Serializer):
    detail = serializers.CharField()


def refusals(*statuses: int) -> dict[int, OpenApiResponse]:
    """The error answers of an operation, for its schema."""
    return {status: OpenApiResponse(ErrorBody) for status in statuses}
