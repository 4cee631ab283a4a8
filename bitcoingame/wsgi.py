"""The REST API and the admin: `granian --interface wsgi bitcoingame.wsgi:application`."""

from bitcoingame.start import load_settings

load_settings()

from django.core.wsgi import get_wsgi_application  # noqa: E402 - the settings come first

application = get_wsgi_application()
