"""How much one socket process carries, with 2,000 users connected.

    .venv/bin/python -m benchmarks.websocket [--users 2000] [--runs 3] [--seconds 3] [--json results.json]

Starts embedded PostgreSQL and Valkey of its own under .local, and uvicorn in the production shape. Measures
connections a second, memory of an idle socket, the highest rate of messages published on ws:user:{id} with a 99th
percentile below 100 ms from publishing to frame, and the times from commit to frame of 1,000 stored notifications a
second. Each figure is the median of several runs with the lowest and the highest.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import psutil
import psycopg
import uvloop
from btclib.b32 import address_from_witness

from benchmarks.tabs import Tab, open_tabs
from bitcoingame.local import defaults
from bitcoingame.local.servers import SERVERS

HOME = defaults.LOCAL / "benchmarks-websocket"
PORT = 8778
LATE_MS = 100.0
RATES = (5_000, 10_000, 15_000, 20_000, 25_000, 30_000, 35_000, 40_000)
STORED_RATE = 1_000
RECIPIENTS = 20
ENVIRONMENT = {
    "ENVIRONMENT": "production",
    "DATABASE_URL": defaults.database_url(HOME),
    "REDIS_URL": defaults.redis_url(HOME),
    "SECRET_KEY": "only-for-this-benchmark-" * 2,
    "JWT_PRIVATE_KEY": str(defaults.LOCAL / "private_key.pem"),
    "ALLOWED_HOSTS": "localhost",
    "DASHBOARD_ORIGINS": "https://dashboard.example",
    "PUBLIC_URL": "https://api.example",
    "SECURE_SSL_REDIRECT": "false",
}
COMMAND = [
    *(sys.executable, "-m", "uvicorn", "bitcoingame.asgi:application", "--port", str(PORT), "--backlog", "4096"),
    *("--ws", "notifications.websocket.uvicorn_protocol:SocketProtocol", "--ws-max-size", "65536"),
    *("--ws-per-message-deflate", "false", "--http", "httptools", "--no-access-log", "--log-level", "warning"),
]


class Times(NamedTuple):
    """Milliseconds from publishing, or from the commit, to the frame. `lost` counts messages that never came."""

    p50: float
    p99: float
    highest: float
    lost: int


def main() -> None:
    options = _options()
    _require_files(options.users)
    defaults.private_key()
    servers = [SERVERS[name](HOME, keeps_data=False) for name in SERVERS]
    os.environ |= ENVIRONMENT
    try:
        for server in servers:
            server.start()
        subprocess.run([sys.executable, "manage.py", "migrate", "--verbosity", "0"], check=True)
        results = uvloop.run(_measure(options, _make_users(options.users)))
    finally:
        for server in servers:
            server.stop()
    report(results, options)


def _options() -> Any:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=2_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--json", help="write every run's figures to this file")
    return parser.parse_args()


def _require_files(users: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = users + 200
    if soft < needed:
        if hard != resource.RLIM_INFINITY and hard < needed:
            raise SystemExit(f"{users} sockets need {needed} open files; the limit is {hard} (ulimit -n).")
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def _make_users(number: int) -> list[int]:
    with psycopg.connect(ENVIRONMENT["DATABASE_URL"], autocommit=True) as connection:
        connection.execute("TRUNCATE users CASCADE")
        addresses = [address_from_witness(0, place.to_bytes(20, "little")) for place in range(number)]
        rows = connection.execute("INSERT INTO users (btc_address) SELECT unnest(%s::text[]) RETURNING id", [addresses])
        return [row[0] for row in rows.fetchall()]


def _sign_tokens(users: list[int]) -> list[str]:
    import jwt
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    key: Any = load_pem_private_key(defaults.private_key().encode(), None)
    claims = {"iss": "thebitcoingame.com", "type": "access", "exp": int(time.time()) + 3600}
    addresses = [address_from_witness(0, place.to_bytes(20, "little")) for place in range(len(users))]
    return [
        jwt.encode(claims | {"sub": str(user), "address": address}, key, "RS256")
        for user, address in zip(users, addresses, strict=True)
    ]


async def _measure(options: Any, users: list[int]) -> dict[str, Any]:
    tokens = _sign_tokens(users)
    results: dict[str, list[Any]] = {
        name: [] for name in ("connections", "connection_cpu_us", "kibibytes", "rates", "stored")
    }
    for run in range(options.runs):
        with _server() as process:
            receiver = Receiver()
            # The first sockets are not counted, because they load modules and open the pool. They stay open.
            tabs = await open_tabs(PORT, tokens[: len(tokens) // 10], receiver.on_frame)
            await asyncio.sleep(1)
            tabs += await _connect(tokens[len(tabs) :], receiver, process, results)
            results["rates"].append(await _climb(receiver, users, options.seconds, process))
            results["stored"].append((await receiver.run(_store, users, STORED_RATE, options.seconds))[1]._asdict())
            assert not any(tab.gone.done() for tab in tabs), "sockets were closed"
            _leave(tabs)
        print(f"run {run + 1}: {json.dumps({name: values[-1] for name, values in results.items()})}", flush=True)
    return results


async def _connect(
    tokens: list[str], receiver: "Receiver", process: psutil.Process, results: dict[str, list[Any]]
) -> list[Tab]:
    memory, used, started = _memory(process), _processor_seconds(process), time.perf_counter()
    tabs = await open_tabs(PORT, tokens, receiver.on_frame)
    results["connections"].append(len(tokens) / (time.perf_counter() - started))
    results["connection_cpu_us"].append((_processor_seconds(process) - used) / len(tokens) * 1e6)
    await asyncio.sleep(2)
    results["kibibytes"].append((_memory(process) - memory) / len(tokens) / 1024)
    return tabs


async def _climb(receiver: "Receiver", users: list[int], seconds: float, process: psutil.Process) -> list[Any]:
    """Raises the rate until the 99th percentile passes 100 ms or a message is lost."""
    steps = []
    for rate in RATES:
        used = _processor_seconds(process)
        sent, times = await receiver.run(_publish, users, rate, seconds)
        used = (_processor_seconds(process) - used) / sent * 1e6
        steps.append({"rate": rate, "sent": round(sent / seconds), "cpu_us": round(used, 1), **times._asdict()})
        if times.p99 >= LATE_MS or times.lost:
            break
    return steps


class Receiver:
    """Notes when each expected frame came. A message carries its key in the id."""

    def __init__(self) -> None:
        self.came: dict[bytes, float] = {}

    def on_frame(self, number: int, frame: bytes, now: float) -> None:
        start = frame.find(b'"id":"')
        if start >= 0:
            self.came[frame[start + 6 : frame.index(b'"', start + 6)]] = now

    async def run(self, tell: Any, users: list[int], rate: int, seconds: float) -> tuple[int, Times]:
        """Runs `tell` in a process of its own, which sends back {key: time of sending}; returns how many it sent."""
        self.came = {}
        ours, theirs = multiprocessing.Pipe()
        teller = multiprocessing.get_context("spawn").Process(target=tell, args=(theirs, users, rate, seconds))
        teller.start()
        theirs.close()
        sent = await asyncio.to_thread(ours.recv)
        teller.join()
        for _ in range(50):
            if len(self.came) >= len(sent):
                break
            await asyncio.sleep(0.1)
        taken = sorted((self.came[key] - at) * 1000 for key, at in sent.items() if key in self.came)
        return len(sent), Times(
            p50=round(taken[len(taken) // 2], 2),
            p99=round(taken[int(len(taken) * 0.99)], 2),
            highest=round(taken[-1], 2),
            lost=len(sent) - len(taken),
        )


def _publish(answer: Any, users: list[int], rate: int, seconds: float) -> None:
    """Publishes messages of a notification's size as services of the platform do, evenly over users and time."""
    import redis

    client = redis.Redis.from_url(ENVIRONMENT["REDIS_URL"])
    sent: dict[bytes, float] = {}
    number, started = 0, time.monotonic()
    while (elapsed := time.monotonic() - started) < seconds:
        due = int(elapsed * rate) - number
        if due < 10:
            time.sleep(0.001)
            continue
        pipeline = client.pipeline(transaction=False)
        for _ in range(min(due, 200)):
            pipeline.publish(f"ws:user:{users[number % len(users)]}", _message(number))
            sent[b"%d" % number] = time.monotonic()
            number += 1
        pipeline.execute()
    answer.send(sent)


def _message(number: int) -> bytes:
    return (
        b'{"event":"notification","data":{"id":"%d","type":"mining","subtype":"worker_offline","title":"Worker '
        b'Offline","description":"bitaxe-1 has been offline for 30 minutes","timestamp":"2026-01-01T00:00:00Z",'
        b'"read":false,"actionUrl":"/mining/workers","actionLabel":"View Workers"}}' % number
    )


def _store(answer: Any, users: list[int], rate: int, seconds: float) -> None:
    """Stores notifications by the service's own function, for 20 recipients in a transaction."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bitcoingame.settings")
    import django

    django.setup()
    from django.db import transaction

    from notifications.models import Notification
    from notifications.services import create_notification

    committed_at: dict[str, float] = {}
    begun = time.time()
    number, started = 0, time.monotonic()
    while (elapsed := time.monotonic() - started) < seconds:
        if elapsed * rate < (number + 1) * RECIPIENTS:
            time.sleep(0.001)
            continue
        start = number * RECIPIENTS % len(users)
        cause = f"benchmark {begun} {number}"
        with transaction.atomic():
            transaction.on_commit(lambda cause=cause: committed_at.update({cause: time.monotonic()}))
            create_notification(
                kind="worker_online", recipients=users[start : start + RECIPIENTS], cause=cause, worker="bitaxe-1"
            )
        number += 1
    stored = Notification.objects.filter(cause__startswith=f"benchmark {begun} ").values_list("id", "cause")
    answer.send({str(id).encode(): committed_at[cause] for id, cause in stored})


@contextmanager
def _server() -> Iterator[psutil.Process]:
    running = subprocess.Popen(COMMAND)
    try:
        _wait_for_the_port()
        yield psutil.Process(running.pid)
    finally:
        running.terminate()
        running.wait(20)


def _wait_for_the_port() -> None:
    import socket

    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", PORT), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise SystemExit("the server does not start")


def _processor_seconds(process: psutil.Process) -> float:
    used = process.cpu_times()
    return float(used.user + used.system)


def _memory(process: psutil.Process) -> int:
    return int(process.memory_info().rss)


def _leave(tabs: list[Tab]) -> None:
    for tab in tabs:
        tab.leave()


def report(results: dict[str, Any], options: Any) -> None:
    kept = [[step for step in run if step["p99"] < LATE_MS and not step["lost"]] for run in results["rates"]]
    highest = [max((step["sent"] for step in run), default=0) for run in kept]
    print(
        f"\n{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {options.users} users\n"
    )
    print("| figure | median | lowest | highest |\n|---|---|---|---|")
    rows = {
        "connections a second": results["connections"],
        "processor time per connection (µs)": results["connection_cpu_us"],
        "KiB per idle socket": results["kibibytes"],
        "highest rate with p99 < 100 ms (messages/s)": highest,
        "processor time per message at that rate (µs)": [run[-1]["cpu_us"] for run in kept if run] or [0],
        "p50 commit to frame at 1,000/s (ms)": [run["p50"] for run in results["stored"]],
        "p99 commit to frame at 1,000/s (ms)": [run["p99"] for run in results["stored"]],
    }
    for name, values in rows.items():
        print(f"| {name} | {statistics.median(values):,.1f} | {min(values):,.1f} | {max(values):,.1f} |")
    if options.json:
        with open(options.json, "w") as file:
            json.dump(results, file, indent=1)


if __name__ == "__main__":
    main()
