"""`Authorization: Bearer`, for DRF and for the schema."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from profiles.models import User
from profiles.sign_in.token_users import authenticate_token


class UserRequest(Request):
    """What a view that needs a sign-in is given."""

    user: User


class BearerAuthentication(BaseAuthentication):
    def authenticate(self, request: Request) -> tuple[User, None] | None:
        """None without a bearer token; a bad one is refused even where none is needed."""
        token = bearer_token(request)
        return None if token is None else (authenticate_token(token)[0], None)

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


def bearer_token(request: Request) -> str | None:
    scheme, _, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


class BearerScheme(OpenApiAuthenticationExtension):
    target_class = BearerAuthentication
    name = "bearer"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
