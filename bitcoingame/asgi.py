"""HTTP and WebSocket on an ASGI server.

`uvicorn --ws notifications.websocket.uvicorn_protocol:SocketProtocol --no-access-log bitcoingame.asgi:application`
"""

import os

from bitcoingame.start import set_up

# Each request runs in its own context here, so the next request would never find a connection that was kept.
os.environ.setdefault("DATABASE_POOL_SIZE", "10")
set_up()

from channels.routing import ProtocolTypeRouter  # noqa: E402 - the settings come first
from django.core.asgi import get_asgi_application  # noqa: E402

http = get_asgi_application()

from notifications.websocket.routing import lifespan, websocket  # noqa: E402 - the apps come first

application = ProtocolTypeRouter({"http": http, "websocket": websocket, "lifespan": lifespan})
