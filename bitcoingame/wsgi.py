"""The REST API and the admin: `granian --interface wsgi bitcoingame.wsgi:application`."""

from bitcoingame.start import set_up

set_up()

from django.core.wsgi import get_wsgi_application  # noqa: E402 - the settings come first

application = get_wsgi_application()
