"""Brings the development database up to date: migrations, then demo data where there is none."""

from typing import Any

from django.core.management import call_command, get_commands

from bitcoingame.start import set_up

STEPS: list[tuple[str, dict[str, Any]]] = [("migrate", {"interactive": False, "verbosity": 0}), ("load_demo", {})]


def main() -> None:
    set_up()
    for command, options in STEPS:
        if command in get_commands():
            call_command(command, **options)


if __name__ == "__main__":
    main()
