"""A durable PostgreSQL and a Valkey for one benchmark."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bitcoingame.local.defaults import database_url, redis_url


@contextmanager
def own_servers(home: Path, *, log_level: str = "ERROR") -> Iterator[None]:
    """Names the two servers in the environment, migrates, and removes both with their data at the end.

    Call it before anything loads the settings.
    """
    addresses = {"DATABASE_URL": database_url(home), "REDIS_URL": redis_url(home)}
    os.environ |= {"ENVIRONMENT": "development", "LOG_LEVEL": log_level, **addresses}
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bitcoingame.settings")
    from bitcoingame.local.servers import PostgreSQL, Valkey, remove_home

    shutil.rmtree(home, ignore_errors=True)
    servers = [PostgreSQL(home, keeps_data=True), Valkey(home, keeps_data=False)]
    for server in servers:
        server.start()
    try:
        _migrate()
        yield
    finally:
        for server in servers:
            server.stop()
        remove_home(home)


def _migrate() -> None:
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
