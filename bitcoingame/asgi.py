"""HTTP on an ASGI server: `uvicorn bitcoingame.asgi:application`."""

from bitcoingame.start import load_settings

load_settings()

from channels.routing import ProtocolTypeRouter  # noqa: E402 - the settings come first
from django.core.asgi import get_asgi_application  # noqa: E402

application = ProtocolTypeRouter({"http": get_asgi_application()})
