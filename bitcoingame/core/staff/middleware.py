"""Django's middleware for sessions, forms and messages, which only the admin has.

The API has none of them, so its requests pass by and do not pay for them.
"""

from collections.abc import Awaitable

from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest, HttpResponseBase
from django.middleware.csrf import CsrfViewMiddleware
from django.utils.deprecation import MiddlewareMixin


class _OnlyForTheAdmin(MiddlewareMixin):
    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        return self.get_response(request) if request.path.startswith("/api/") else super().__call__(request)


class Sessions(_OnlyForTheAdmin, SessionMiddleware):
    pass


class Authentication(_OnlyForTheAdmin, AuthenticationMiddleware):
    pass


class Messages(_OnlyForTheAdmin, MessageMiddleware):
    pass


class CsrfProtection(_OnlyForTheAdmin, CsrfViewMiddleware):
    """The API needs none: another site cannot put a token in the header, and DRF exempts its views anyway."""
