"""The page a request asks for: `page` counts from 1, `per_page` is 1 to 100."""

import re
from typing import Any

from rest_framework import serializers
from rest_framework.request import Request

from bitcoingame.core.errors import InvalidInput
from bitcoingame.core.paging import MAX_PAGE, MAX_PER_PAGE, Page


class PageQuery(serializers.Serializer[Any]):
    """Describes the query in the schema. requested_page reads it without a serializer, which is faster."""

    page = serializers.IntegerField(min_value=1, max_value=MAX_PAGE, default=1)
    per_page = serializers.IntegerField(min_value=1, max_value=MAX_PER_PAGE, default=20)


def requested_page(request: Request) -> Page:
    """The page that the query asks for. Raises InvalidInput (400) unless both are whole numbers in range."""
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
