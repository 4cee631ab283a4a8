"""Fields that accept exactly the type they name, and the shapes of answers."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, cast

from rest_framework import exceptions, serializers

from bitcoingame.core.text import BadText, clean_name, clean_typed


def parsed(form: type[serializers.Serializer[Any]], data: Any, *, partial: bool = False) -> dict[str, Any]:
    """The validated fields of a request's body or query. Raises ValidationError (400)."""
    bound = form(data=data, partial=partial)
    bound.is_valid(raise_exception=True)
    return dict(bound.validated_data)


class StrictCharField(serializers.CharField):
    """Accepts strings only; DRF's own field would turn numbers into text."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class LineField(StrictCharField):
    """One line of text that a person typed. min_length and max_length count as clean_typed does."""

    clean = staticmethod(clean_typed)

    def __init__(self, *, min_length: int = 1, max_length: int, **kwargs: Any) -> None:
        self.bounds = {"minimum": min_length, "maximum": max_length}
        super().__init__(trim_whitespace=False, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        try:
            return self.clean(super().to_internal_value(data), **self.bounds)
        except BadText as error:
            raise exceptions.ValidationError(str(error)) from None


class NameField(LineField):
    """What a user or a cooperative will be called, cleaned by clean_name."""

    clean = staticmethod(clean_name)


class StrictBooleanField(serializers.BooleanField):
    """Accepts true and false only; DRF's own field would take "yes", 1 and a dozen others."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class WholeNumberField(serializers.IntegerField):
    """Accepts whole numbers only; DRF's own field would take "30", 30.0 and true."""

    def to_internal_value(self, data: Any) -> int:
        if type(data) is not int:
            self.fail("invalid")
        return super().to_internal_value(data)


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


class ReadSerializer(serializers.Serializer[Any]):
    """Declares the shape of an answer for the schema, and builds it from a row without DRF's per-field machinery.

    `of(row)` reads one key per declared field, so a query that forgets one fails loudly; ids become strings.
    """

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> dict[str, Any]:
        return {name: row[source] if convert is None else convert(row[source]) for name, source, convert in _plan(cls)}


@cache
def _plan(serializer: type[ReadSerializer]) -> list[tuple[str, str, Callable[[Any], Any] | None]]:
    return [(name, str(field.source), _converter(field)) for name, field in serializer().fields.items()]


def _converter(field: serializers.Field[Any, Any, Any, Any]) -> Callable[[Any], Any] | None:
    if isinstance(field, serializers.ListSerializer):
        of = cast(type[ReadSerializer], type(field.child)).of
        return lambda rows: [of(row) for row in rows]
    if isinstance(field, ReadSerializer):
        return type(field).of
    return str if isinstance(field, IdField) else None


class ErrorBody(serializers.Serializer[Any]):
    """Every refusal: a sentence for people, a token for programs, and for bad input what is wrong with each field."""

    detail = serializers.CharField()
    code = serializers.CharField()
    errors = serializers.DictField(  # type: ignore[assignment]  # a serializer's own `errors` stays a property
        child=serializers.ListField(child=serializers.CharField()), required=False
    )


class DetailBody(serializers.Serializer[Any]):
    detail = serializers.CharField()
