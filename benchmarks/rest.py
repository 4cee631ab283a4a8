"""How many requests one web process answers, with 5,000 cooperatives of 20 and 100,000 users.

    .venv/bin/python -m benchmarks.rest [--seconds 5] [--runs 5] [--only list,detail]

Starts embedded PostgreSQL and Valkey of its own under .local, one granian worker in the production shape, and calls
it over loopback. Each figure is the median of several runs, with the lowest and the highest; the runs of all
endpoints alternate, so that a slow minute of the machine touches each. "Per core" divides by the processor time
that the server process used, without PostgreSQL's.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from urllib.request import urlopen
from uuid import uuid4

import psutil
import psycopg
from btclib.b32 import address_from_witness

from benchmarks.load import load, request
from bitcoingame.local import defaults
from bitcoingame.local.servers import SERVERS, Server

HOME = defaults.LOCAL / "benchmarks"
PORT = 8777
USERS, SEATS = 100_000, 20

ENVIRONMENT = {
    **os.environ,
    "ENVIRONMENT": "production",
    "DATABASE_URL": defaults.database_url(HOME),
    "REDIS_URL": defaults.redis_url(HOME),
    "SECRET_KEY": "only-for-this-benchmark-" * 2,
    "JWT_PRIVATE_KEY": "",
    "ALLOWED_HOSTS": "localhost",
    "DASHBOARD_ORIGINS": "https://dashboard.example",
    "PUBLIC_URL": "https://api.example",
    "SECURE_SSL_REDIRECT": "false",
}


def address_of(number: int) -> str:
    return address_from_witness(0, number.to_bytes(20, "little"))


def seed(cooperatives: int) -> None:
    """Fills an empty database; does nothing if it is full already."""
    with psycopg.connect(ENVIRONMENT["DATABASE_URL"]) as connection:
        if connection.execute("SELECT count(*) FROM users").fetchone() == (USERS,):
            return
        connection.execute("TRUNCATE users, cooperatives, cooperative_totals CASCADE")
        with connection.cursor().copy("COPY users (id, btc_address, display_name) FROM STDIN") as copy:
            for number in range(1, USERS + 1):
                copy.write_row((number, address_of(number), f"Miner {number}"))
        connection.execute(
            """
            INSERT INTO cooperatives (id, name, invite_code, owner_user_id, member_count, weekly_rank,
                                      combined_hashrate)
            SELECT n, 'Cooperative ' || n, upper(substr(md5(n::text), 1, 8)), (n - 1) * %(seats)s + 1, %(seats)s,
                   CASE WHEN n %% 10 = 0 THEN 0 ELSE n END, n * 1e12
            FROM generate_series(1, %(cooperatives)s) n
            """,
            {"seats": SEATS, "cooperatives": cooperatives},
        )
        connection.execute(
            """
            INSERT INTO cooperative_members (cooperative_id, user_id, role, hashrate, shares_today)
            SELECT (n - 1) / %(seats)s + 1, n, CASE WHEN n %% %(seats)s = 1 THEN 'admin' ELSE 'member' END, 1e12, 500
            FROM generate_series(1, %(members)s) n
            """,
            {"seats": SEATS, "members": cooperatives * SEATS},
        )
        connection.execute(
            """
            SELECT count(*) FROM generate_series(1, 200) i, LATERAL (SELECT create_notifications(
                array_agg(id), array_agg(1), ARRAY['bench:' || i], ARRAY['New Best Difficulty!'],
                ARRAY['Your best difficulty is now 1.2T.'], ARRAY['{}'::jsonb], 'mining', 'personal_best', '',
                '/mining/difficulty', 'View difficulty', false, NULL)
                FROM users WHERE id <= 200) created
            """
        )
        connection.execute("SELECT setval(pg_get_serial_sequence('users', 'id'), %s)", [USERS])
        connection.execute("SELECT setval(pg_get_serial_sequence('cooperatives', 'id'), %s)", [cooperatives])
    with psycopg.connect(ENVIRONMENT["DATABASE_URL"], autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")


def token_of(user: int) -> str:
    from profiles.sign_in.tokens import issue_pair

    return issue_pair(
        user_id=user, btc_address=address_of(user), family=uuid4(), refresh_jti=uuid4(), now=datetime.now(UTC)
    ).access_token


def requests_of(cooperatives: int) -> dict[str, list[bytes]]:
    tokens = [token_of(user) for user in range(1, 201)]
    api = "/api/v1"
    return {
        "list 20 cooperatives": [request(f"{api}/cooperatives?page={page}") for page in range(1, 51)],
        "detail with 20 members": [
            request(f"{api}/cooperatives/{number}") for number in range(1, cooperatives, max(1, cooperatives // 500))
        ],
        "profile": [request(f"{api}/users/{address_of(user)}/profile") for user in range(1, USERS, 199)],
        "one's own account": [request(f"{api}/users/me", token=tokens[0])],
        "unread-count": [request(f"{api}/notifications/unread-count", token=one) for one in tokens],
        "list 20 of 200 notifications": [request(f"{api}/notifications", token=one) for one in tokens],
        "liveness (no view)": [request("/healthz")],
    }


def start_server() -> subprocess.Popen[bytes]:
    command = [
        sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(PORT),
        "--workers", "1", "--no-ws", "--blocking-threads", "1", "bitcoingame.wsgi:application",
    ]  # fmt: skip
    process = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.DEVNULL)
    for _ in range(200):
        try:
            with urlopen(f"http://127.0.0.1:{PORT}/healthz", timeout=1):
                return process
        except OSError:
            time.sleep(0.1)
    process.terminate()
    raise SystemExit("The server did not start.")


def processor_seconds(process: subprocess.Popen[bytes]) -> float:
    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    return sum(sum(one.cpu_times()[:2]) for one in family)


@contextmanager
def running_service(cooperatives: int) -> Iterator[tuple[subprocess.Popen[bytes], dict[str, Server]]]:
    """Starts servers, data and one web process; yields the process, and {variable of the settings: server}."""
    ENVIRONMENT["JWT_PRIVATE_KEY"] = defaults.private_key()
    os.environ.update(ENVIRONMENT, DJANGO_SETTINGS_MODULE="bitcoingame.settings")
    servers = {variable: server(HOME, keeps_data=True) for variable, server in SERVERS.items()}
    process = None
    try:
        for server in servers.values():
            server.start()
        import django

        django.setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        seed(cooperatives)
        process = start_server()
        yield process, servers
    finally:
        if process is not None:
            process.terminate()
            process.wait(30)
        for server in servers.values():
            server.thaw()
            server.stop()


def bare_statements() -> dict[str, tuple[list[str], list[dict[str, Any]]]]:
    """{endpoint: (the statements it runs, the parameters to run them with in turn)}."""
    from profiles.selectors import _PROFILE
    from social.selectors import _FIND, _LIST, _MEMBERS

    pages = [{"limit": 20, "offset": 20 * page} for page in range(50)]
    cooperatives = [{"id": number} for number in range(1, 5_000, 10)]
    addresses = [{"address": address_of(user)} for user in range(1, USERS, 199)]
    return {
        "list 20 cooperatives": ([_LIST], pages),
        "detail with 20 members": ([_FIND, _MEMBERS], cooperatives),
        "profile": ([_PROFILE], addresses),
    }


def bare_rate(statements: list[str], parameters: list[dict[str, Any]], seconds: float) -> float:
    """How often per second one connection runs the prepared statements and fetches their rows."""
    with psycopg.connect(ENVIRONMENT["DATABASE_URL"], autocommit=True) as connection:
        cursor = connection.cursor()
        count, until = 0, time.perf_counter() + seconds
        while time.perf_counter() < until:
            for statement in statements:
                cursor.execute(statement, parameters[count % len(parameters)], prepare=True)
                cursor.fetchall()
            count += 1
    return count / seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--cooperatives", type=int, default=5_000)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    with running_service(options.cooperatives) as (process, _):
        measure(process, options)


def measure(process: subprocess.Popen[bytes], options: argparse.Namespace) -> None:
    chosen = {
        name: requests
        for name, requests in requests_of(options.cooperatives).items()
        if not options.only or any(part in name for part in options.only.split(","))
    }
    bare = bare_statements()
    seen: dict[str, list[tuple[float, float, float, float, float]]] = {name: [] for name in chosen}
    for run in range(options.runs + 1):
        for name, requests in chosen.items():
            seconds = options.seconds if run else 1
            sql = bare_rate(*bare[name], seconds / 4) if name in bare else 0
            before = processor_seconds(process)
            result = load(PORT, requests, connections=options.connections, seconds=seconds)
            used = processor_seconds(process) - before
            if result.failures:
                raise SystemExit(f"{name}: {result.failures} refused answers")
            if run:
                seen[name].append((result.rate, result.rate * seconds / used, result.p50, result.p99, sql))
    print(f"| {'endpoint':30} | requests/s (low to high) | per core | p50 ms | p99 ms | bare SQL/s |")
    print(f"|{'-' * 32}|---:|---:|---:|---:|---:|")
    for name, rows in seen.items():
        rates, *others = zip(*rows, strict=True)
        core, p50, p99, sql = map(statistics.median, others)
        print(
            f"| {name:30} | {statistics.median(rates):,.0f} ({min(rates):,.0f} to {max(rates):,.0f}) "
            f"| {core:,.0f} | {p50:.2f} | {p99:.2f} | {f'{sql:,.0f}' if sql else ''} |"
        )


if __name__ == "__main__":
    main()
