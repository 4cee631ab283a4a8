"""Runs a consumer of the platform's events until SIGTERM or SIGINT. Any number of them share the work."""

import gc
import signal
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand

from bitcoingame.events.consumer import Consumer


class Command(BaseCommand):
    help = "Reads the platform's streams and relays our own events; several of these share the work."

    def handle(self, *args: Any, **options: Any) -> None:
        consumer = Consumer()

        def stop(number: int, frame: FrameType | None) -> None:
            consumer.stop()

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        # Each batch makes thousands of small objects, so the collector would search everything that was imported again
        # and again. That took a tenth of the time.
        gc.freeze()
        gc.set_threshold(100_000, 20, 100)
        consumer.run()
