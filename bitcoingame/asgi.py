"""HTTP on an ASGI server: `uvicorn bitcoingame.asgi:application`."""

from bitcoingame.start import set_up

set_up()

from channels.routing import ProtocolTypeRouter  # noqa: E402 - the settings come first
from django.core.asgi import get_asgi_application  # noqa: E402

application = ProtocolTypeRouter({"http": get_asgi_application()})
