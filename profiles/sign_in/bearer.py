"""The header `Authorization: Bearer`, for DRF and for the OpenAPI document."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from profiles.models import User
from profiles.sign_in.token_users import authenticate_token


class UserRequest(Request):
    """The request that a view gets if it requires a sign-in."""

    user: User


class BearerAuthentication(BaseAuthentication):
    def authenticate(self, request: Request) -> tuple[User, None] | None:
        """The user of the bearer token, or None if there is no token.

        A bad token is refused even by views that need none. Raises InvalidToken, TokenExpired, AccountSuspended.
        """
        token = bearer_token(request)
        return None if token is None else (authenticate_token(token)[0], None)

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


def bearer_token(request: Request) -> str | None:
    """The token in the Authorization header, or None if the header is missing or of another scheme."""
    scheme, _, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # its hook has no types
    target_class = BearerAuthentication
    name = "bearer"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
