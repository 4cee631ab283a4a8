"""Brings the development database up to date: migrations, then demo data where there is none."""

from bitcoingame.start import load_settings


def main() -> None:
    load_settings()
    import django
    from django.core.management import call_command, get_commands

    django.setup()
    call_command("migrate", interactive=False, verbosity=0)
    if "load_demo" in get_commands():
        call_command("load_demo")


if __name__ == "__main__":
    main()
