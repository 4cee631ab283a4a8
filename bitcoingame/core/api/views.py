"""The base of every view of the API: a write takes the parameters and fields that its schema declares, and no others.

Without it a client that misspells a field would be answered as if its wish had been granted. Reads ignore what they do
not know, because nothing is lost by it.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from django.http import QueryDict
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.views import APIView
from rest_framework.viewsets import ViewSetMixin

from bitcoingame.core.errors import InvalidInput


class View(APIView):
    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuses what the write does not declare, once the asker may ask at all. Raises InvalidInput (400)."""
        super().initial(request, *args, **kwargs)
        handler = getattr(self, (request.method or "").lower(), None)
        if handler is not None and request.method not in SAFE_METHODS:
            _refuse_undeclared(request, _declared_by(handler.__func__, self))


class ViewSet(ViewSetMixin, View):
    """DRF's own, on the base above."""


class _Declared(NamedTuple):
    """The names in a write's query and in its body."""

    parameters: frozenset[str]
    fields: frozenset[str]


_declared: dict[Callable[..., Any], _Declared] = {}


def _refuse_undeclared(request: Request, declared: _Declared) -> None:
    body = request.data
    if not isinstance(body, dict):
        raise InvalidInput({"body": ["This must be a JSON object."]})
    errors = {
        **_complaints_of_repeated(request.query_params),
        **_complaints(request.query_params, declared.parameters, "There is no such parameter."),
        **_complaints(body, declared.fields, "There is no such field."),
    }
    if errors:
        raise InvalidInput(errors)


def _complaints(names: Iterable[str], known: frozenset[str], sentence: str) -> dict[str, list[str]]:
    return {name: [sentence] for name in names if name not in known}


def _complaints_of_repeated(parameters: QueryDict) -> dict[str, list[str]]:
    """Only one of the values would be heard."""
    return {name: ["This may be given once."] for name, values in parameters.lists() if len(values) > 1}


def _declared_by(handler: Callable[..., Any], view: View) -> _Declared:
    if handler not in _declared:
        _declared[handler] = _read_schema(handler, view)
    return _declared[handler]


def _read_schema(handler: Callable[..., Any], view: View) -> _Declared:
    """What extend_schema says of the handler. A handler without it takes nothing."""
    schema_class = getattr(handler, "kwargs", {}).get("schema")
    if schema_class is None:
        return _Declared(frozenset(), frozenset())
    schema = schema_class()
    schema.view, schema.method = view, view.request.method
    parameters = (_names_in(parameter) for parameter in schema.get_override_parameters())
    return _Declared(frozenset().union(*parameters), _names_in(schema.get_request_serializer()))


def _names_in(declared: Any) -> frozenset[str]:
    """The names of a form's fields (of all forms, if there is one for each media type), or of a single parameter."""
    if declared is None:
        return frozenset()
    if isinstance(declared, dict):
        return frozenset().union(*map(_names_in, declared.values()))
    if isinstance(declared, type):
        return _names_in(declared())
    return frozenset(declared.fields) if hasattr(declared, "fields") else frozenset({declared.name})
