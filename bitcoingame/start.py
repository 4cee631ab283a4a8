"""What every entry point does first: load the settings, so that a wrong one ends the start with one sentence."""

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import django
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured


def load_settings() -> None:
    """Loads the settings; a wrong one ends the process with one sentence on stderr and exit code 1."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bitcoingame.settings")
    with _one_sentence():
        settings.INSTALLED_APPS  # noqa: B018 - the first access loads them


def set_up() -> None:
    """Loads the settings and the apps, some of which check their settings; ends the process as load_settings does."""
    with _no_collection():
        load_settings()
        with _one_sentence():
            django.setup()


@contextmanager
def _no_collection() -> Iterator[None]:
    """Imports leave no garbage. Looking for some takes a sixth of their time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@contextmanager
def _one_sentence() -> Iterator[None]:
    try:
        yield
    except ImproperlyConfigured as error:
        sys.exit(str(error))
