"""Runs the mining simulator until SIGTERM or SIGINT."""

import signal
from argparse import ArgumentParser
from threading import Event
from types import FrameType
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

MAX_RATE = 20_000


class Command(BaseCommand):
    help = "Writes the events of a small pool to the streams, with the users there are as its miners."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--rate", type=float, default=20, help="shares a second, up to 20000 (default 20)")

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEVELOPMENT:
            raise CommandError("The simulator is for development only.")
        if not 0 < options["rate"] <= MAX_RATE:
            raise CommandError(f"--rate must be above 0 and at most {MAX_RATE}.")
        from bitcoingame.local.simulator import simulate

        stopping = Event()

        def stop(number: int, frame: FrameType | None) -> None:
            stopping.set()

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        simulate(url=settings.REDIS_URL, rate=options["rate"], stopping=stopping)
