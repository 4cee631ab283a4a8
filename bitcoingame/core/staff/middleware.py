"""Django's middleware for people with a session, which only the admin has.

The API has neither sessions, forms nor messages, and need not pay for them at every request.
"""

from typing import Any

from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest, HttpResponseBase
from django.middleware.csrf import CsrfViewMiddleware


class _OnlyForTheAdmin:
    get_response: Any

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.path.startswith("/api/"):
            response: HttpResponseBase = self.get_response(request)
            return response
        return super().__call__(request)  # type: ignore[misc]


class Sessions(_OnlyForTheAdmin, SessionMiddleware):
    pass


class Authentication(_OnlyForTheAdmin, AuthenticationMiddleware):
    pass


class Messages(_OnlyForTheAdmin, MessageMiddleware):
    pass


class CsrfProtection(_OnlyForTheAdmin, CsrfViewMiddleware):
    """Tokens in a header cannot be forged across sites; the API's views are exempt in any case."""
