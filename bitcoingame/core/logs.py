"""Keeps paths out of log lines: a path may hold the address of a user who chose not to be named."""

import logging


class RouteForPath(logging.Filter):
    """In django.request's lines, replaces the path of a request by its route, such as /users/<address>/profile."""

    def filter(self, record: logging.LogRecord) -> bool:
        request = getattr(record, "request", None)
        if request is not None and isinstance(record.args, tuple) and request.path in record.args:
            match = request.resolver_match
            route = f"/{match.route}" if match else "an unknown path"
            record.args = tuple(route if part == request.path else part for part in record.args)
        return True
