"""How long requests that publish take while Redis is well, dead and hanging.

    .venv/bin/python -m benchmarks.redis_faults [--seconds 4] [--runs 3]

Each request marks another notification read, which commits and then publishes to the user's other sockets. One
granian worker, as in benchmarks.rest. Every run goes through all states of Redis.
"""

import argparse
import statistics
from collections.abc import Iterator

import psycopg

from benchmarks.load import Load, load, request
from benchmarks.rest import ENVIRONMENT, PORT, running_service, token_of
from bitcoingame.local.servers import Server


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    with running_service(5_000) as (_, servers):
        report(list(measure(servers["REDIS_URL"], options.seconds, options.runs)))


def measure(redis: Server, seconds: float, runs: int) -> Iterator[tuple[str, Load]]:
    for _ in range(runs):
        requests = unread_notifications()
        third = len(requests) // 3
        yield "well", load(PORT, requests[:third], connections=4, seconds=seconds)
        redis.freeze()
        yield "hanging", load(PORT, requests[third : 2 * third], connections=4, seconds=seconds)
        redis.thaw()
        redis.kill()
        yield "dead", load(PORT, requests[2 * third :], connections=4, seconds=seconds)
        redis.start()


def unread_notifications() -> list[bytes]:
    """Marks the 40,000 seeded notifications unread again; returns a request for each of them."""
    with psycopg.connect(ENVIRONMENT["DATABASE_URL"]) as connection:
        connection.execute("UPDATE notifications SET read = false")
        connection.execute("""
            UPDATE notification_counters SET unread = rows.unread, unread_by_type = stored_by_type
            FROM (SELECT user_id, count(*) AS unread FROM notifications GROUP BY user_id) AS rows
            WHERE notification_counters.user_id = rows.user_id""")
        rows = connection.execute("SELECT id, user_id FROM notifications ORDER BY id").fetchall()
    tokens = {user: token_of(user) for user in {user for _, user in rows}}
    return [request(f"/api/v1/notifications/{number}/read", token=tokens[user], method="POST") for number, user in rows]


def report(results: list[tuple[str, Load]]) -> None:
    print("| Redis | requests/s | p50 ms | p99 ms (low to high) | slowest ms | refused |")
    print("|---|---:|---:|---:|---:|---:|")
    for state in ("well", "dead", "hanging"):
        seen = [result for name, result in results if name == state]
        p99s = [result.p99 for result in seen]
        print(
            f"| {state} | {statistics.median(result.rate for result in seen):,.0f} "
            f"| {statistics.median(result.p50 for result in seen):.1f} "
            f"| {statistics.median(p99s):.1f} ({min(p99s):.1f} to {max(p99s):.1f}) "
            f"| {max(result.slowest for result in seen):.0f} | {sum(result.failures for result in seen)} |"
        )


if __name__ == "__main__":
    main()
