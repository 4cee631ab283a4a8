"""What goes into log lines: paths hold addresses, also of people who chose not to be named."""

import logging


class RouteForPath(logging.Filter):
    """Writes in django.request's lines the route of a request, `users/<address>/profile`, instead of its path."""

    def filter(self, record: logging.LogRecord) -> bool:
        request = getattr(record, "request", None)
        if request is not None and isinstance(record.args, tuple) and request.path in record.args:
            match = request.resolver_match
            route = f"/{match.route}" if match else "an unknown path"
            record.args = tuple(route if part == request.path else part for part in record.args)
        return True
