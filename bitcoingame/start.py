"""What every entry point does first."""

import os
import sys

from django.core.exceptions import ImproperlyConfigured


def load_settings() -> None:
    """Load the settings; wrong ones end the process with their one sentence on stderr and exit code 1."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bitcoingame.settings")
    from django.conf import settings

    try:
        settings._setup()  # type: ignore[misc]
    except ImproperlyConfigured as error:
        sys.exit(str(error))
