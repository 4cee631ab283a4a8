"""Brings the development database up to date: migrations, then demo data where there is none."""

from django.core.management import call_command, get_commands

from bitcoingame.start import set_up


def main() -> None:
    set_up()
    call_command("migrate", interactive=False, verbosity=0)
    if "load_demo" in get_commands():
        call_command("load_demo")


if __name__ == "__main__":
    main()
