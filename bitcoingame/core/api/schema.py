"""The refusals of an operation, for its schema."""

from typing import Any

from drf_spectacular.utils import OpenApiResponse

from bitcoingame.core.api.serializers import ErrorBody

_ERROR = {"description": "", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorBody"}}}}


def add_shared_refusals(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """A hook of drf-spectacular: adds the refusals that operations share, so that views declare only their own."""
    operations = (operation for methods in result["paths"].values() for operation in methods.values())
    for operation in operations:
        for status in _shared_statuses(operation):
            operation["responses"].setdefault(status, _ERROR)
    return result


def _shared_statuses(operation: dict[str, Any]) -> list[str]:
    """401 and 403 stand wherever a token is read, because a bad token is refused even if none is needed."""
    signed_in = ["401", "403"] if operation.get("security") else []
    with_body = ["400", "411", "413", "415"] if "requestBody" in operation else []
    return [*signed_in, *with_body, "503"]


def refusals(*statuses: int) -> dict[int, OpenApiResponse]:
    """The error answers of an operation, for its schema."""
    return {status: OpenApiResponse(ErrorBody) for status in statuses}
