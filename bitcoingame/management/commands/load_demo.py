from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError


class Command(BaseCommand):
    help = "Fills an empty development database with demo data and prints the staff account's password."

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEVELOPMENT:
            raise CommandError("Demo data is for development only.")
        from bitcoingame.local.demo import load_demo

        password = load_demo()
        if password:
            self.stdout.write(f"Demo data loaded. Staff sign in at /admin/ as admin with the password {password}")
