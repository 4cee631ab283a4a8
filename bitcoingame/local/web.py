"""`make run`'s web process: REST and WebSocket on one listening socket, handed down by the supervisor.

The supervisor keeps the socket open, so that the port stays ours while this process is started again.
"""

import socket
import sys
import warnings

import uvicorn


def main() -> None:
    # Whitenoise streams files the WSGI way; in production they are served by the WSGI process.
    warnings.filterwarnings("ignore", message="StreamingHttpResponse must consume synchronous iterators")
    config = uvicorn.Config(
        "bitcoingame.asgi:application",
        proxy_headers=False,  # nobody stands in front: a forwarded address is forged
        access_log=False,  # a WebSocket's URL may hold a token
        log_level="warning",
        timeout_graceful_shutdown=5,
        ws="notifications.websocket.uvicorn_protocol:SocketProtocol",
        ws_max_size=64 * 1024,
        ws_per_message_deflate=False,
    )
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=int(sys.argv[1]))])


if __name__ == "__main__":
    main()
