"""JSON in and out, and nothing else: the renderer, the parser and the negotiation of every endpoint."""

from collections.abc import Iterable
from typing import Any

import orjson
from django.conf import settings
from rest_framework import exceptions
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request


class JSONRenderer(BaseRenderer):
    """Uses orjson, several times as fast as the standard library. Times come out as ISO 8601 with Z."""

    media_type = "application/json"
    format = "json"
    charset = None

    def render(self, data: Any, accepted_media_type: Any = None, renderer_context: Any = None) -> bytes:
        return b"" if data is None else orjson.dumps(data, option=orjson.OPT_UTC_Z)


class JSONParser(BaseParser):
    """Reads a body of JSON. Raises ParseError (400) if it is not JSON."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Any:
        try:
            return orjson.loads(stream.read(settings.DATA_UPLOAD_MAX_MEMORY_SIZE))
        except orjson.JSONDecodeError:
            raise exceptions.ParseError("The body is not valid JSON.") from None


class AlwaysJSON(BaseContentNegotiation):
    """Answers in JSON whatever the Accept header asks for: a client that wants HTML still learns what went wrong."""

    def select_parser(self, request: Request, parsers: Iterable[Any]) -> Any:
        media_type = request.content_type.split(";")[0].strip().lower()
        return next((parser for parser in parsers if parser.media_type == media_type), None)

    def select_renderer(
        self, request: Request, renderers: Iterable[Any], format_suffix: str | None = None
    ) -> tuple[Any, str]:
        renderer = next(iter(renderers))
        return renderer, renderer.media_type
