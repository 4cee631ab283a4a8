"""Logs a line for each request, which the developer reads in the terminal of `make run`."""

import logging
import re
import time
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.utils.encoding import escape_uri_path

logger = logging.getLogger("requests")

_ADDRESS = re.compile(r"[0-9A-Za-z]{25,}")


class LogRequests:
    """Logs method, path, status, milliseconds and the user's id; never the query string, never an address."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        started_at = time.perf_counter()
        response = self.get_response(request)
        milliseconds = (time.perf_counter() - started_at) * 1000
        path = _ADDRESS.sub("<address>", escape_uri_path(request.path))
        user = getattr(getattr(request, "user", None), "pk", None) or "-"
        logger.info("%s %s %d %.0f ms user %s", request.method, path, response.status_code, milliseconds, user)
        return response
