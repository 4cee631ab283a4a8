"""Starts and ends the consumer and the simulator by their commands, as `make run` and operators do."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from bitcoingame.events.status import consumer_status
from bitcoingame.tests.platform import wait_until
from conftest import make_user
from profiles.models import DailyShares

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.django_db(transaction=True)
def test_both_work_together_and_end_when_asked(valkey):
    valkey.empty()
    make_user()
    parts = connection.settings_dict
    url = f"postgresql://{parts['USER']}@/{parts['NAME']}?host={parts['HOST']}"
    environment = os.environ | {"DATABASE_URL": url, "REDIS_URL": settings.REDIS_URL}
    processes = [
        subprocess.Popen([sys.executable, "manage.py", *command], cwd=ROOT, env=environment, stderr=subprocess.PIPE)
        for command in (["consume_events"], ["simulate_mining", "--rate", "200"])
    ]
    try:
        wait_until(lambda: DailyShares.objects.filter(shares__gt=10).exists(), seconds=60)
        wait_until(lambda: len(consumer_status()["consumers"]) == 1)
    finally:
        for process in processes:
            process.send_signal(signal.SIGTERM)
        ends = [process.communicate(timeout=30) for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert [said for _, said in ends] == [b"", b""]
    assert consumer_status()["consumers"] == {}
