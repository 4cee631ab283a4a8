"""`make run`'s web process: REST and WebSocket on one port, a line in the log for each request.

Its argument is the descriptor of the supervisor's listening socket. The supervisor keeps the socket open, so the port
stays ours while this process is started again. Without an argument, for a debugger, the process listens on PORT itself:
`python -m bitcoingame.local.web`.
"""

import contextlib
import os
import socket
import sys
import warnings

import uvicorn
from django.core.exceptions import ImproperlyConfigured

from bitcoingame import env
from bitcoingame.local.keeper import embedded_servers
from bitcoingame.start import load_settings

_LAST_UNLOGGED = "whitenoise.middleware.WhiteNoiseMiddleware"


def main() -> None:
    os.environ.setdefault("ENVIRONMENT", "development")
    try:
        port = env.integer("PORT", 8000, minimum=1, maximum=65535)
    except ImproperlyConfigured as error:
        sys.exit(str(error))
    os.environ.setdefault("PUBLIC_URL", f"http://localhost:{port}")
    load_settings()
    if os.environ["ENVIRONMENT"] != "development":
        sys.exit("This web process is for development: ENVIRONMENT must not be set to anything else.")
    log_requests()
    with embedded_servers(), contextlib.suppress(KeyboardInterrupt):
        _serve(port)


def log_requests() -> None:
    """Log each request except probes and static files."""
    from django.conf import settings

    place = settings.MIDDLEWARE.index(_LAST_UNLOGGED) + 1
    settings.MIDDLEWARE.insert(place, "bitcoingame.local.request_log.LogRequests")


def _serve(port: int) -> None:
    # Whitenoise streams files the WSGI way; in production they are served by the WSGI process.
    warnings.filterwarnings("ignore", message="StreamingHttpResponse must consume synchronous iterators")
    config = uvicorn.Config(
        "bitcoingame.asgi:application",
        port=port,
        proxy_headers=False,  # nobody stands in front: a forwarded address is forged
        access_log=False,  # a WebSocket's URL may hold a token
        log_level="warning",
        timeout_graceful_shutdown=5,
        ws="notifications.websocket.uvicorn_protocol:SocketProtocol",
        ws_max_size=64 * 1024,
        ws_per_message_deflate=False,
    )
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=int(fd)) for fd in sys.argv[1:]] or None)


if __name__ == "__main__":
    main()
