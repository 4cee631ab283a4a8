#!/usr/bin/env python
"""Django's commands. In development the embedded servers run for as long as the command does."""

import os
import sys

WITHOUT_SERVERS = {
    "help",
    "version",
    "check",
    "collectstatic",
    "spectacular",
    "makemessages",
    "compilemessages",
    "wallet",
}


def main() -> None:
    os.environ.setdefault("ENVIRONMENT", "development")
    from bitcoingame.start import set_up

    set_up()
    from django.conf import settings
    from django.core.management import execute_from_command_line

    words = set(sys.argv[1:])
    if not settings.DEVELOPMENT or not words or sys.argv[1] in WITHOUT_SERVERS or words & {"--help", "-h", "--version"}:
        execute_from_command_line(sys.argv)
        return
    from bitcoingame.local.keeper import embedded_servers

    with embedded_servers():
        execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
