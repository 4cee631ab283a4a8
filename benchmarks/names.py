"""What it costs that texts name people only with their consent: telling everyone a name, and taking it back again.

    .venv/bin/python -m benchmarks.names [--users 100000]

Starts embedded PostgreSQL and Valkey of its own, as benchmarks/notifications.py does. A user finds a block and everyone
is told, once without a name, once with a public finder's and once with a private finder's. The public finder then goes
private. While the rows turn, one reader marks all their notifications read, over and over.
"""

import argparse
import os
import statistics
import threading
import time

from benchmarks.notifications import ENVIRONMENT, HOME, Stopwatch, seed
from bitcoingame.local.servers import SERVERS, remove_home


def tell_everyone(number: int, *, finder: int | None) -> float:
    """Rows per second of one core."""
    from django.db import transaction

    from notifications.jobs import deliver_broadcast
    from notifications.kinds import Person
    from notifications.models import Broadcast
    from notifications.services import announce_to_everyone
    from profiles.models import User

    user = User.objects.filter(pk=finder).first()
    values = {"finder": Person(user.pk, user.shown_name)} if user else {}
    with transaction.atomic():
        variant = "" if user else "anonymous"
        announce_to_everyone(kind="block_found", cause=f"block:{number}", variant=variant, height=number, **values)
    broadcast = Broadcast.objects.latest("pk")
    with Stopwatch() as watch:
        deliver_broadcast(broadcast.pk)
    broadcast.refresh_from_db()
    return watch.rates(broadcast.notified)[1]


def read_often(reader: int, done: threading.Event, seconds: list[float]) -> None:
    """Makes the reader's rows unread and marks them read again; keeps how long the marking took."""
    from django.db import connection

    from notifications.marking import mark_all_read
    from notifications.models import Notification, NotificationCounter

    while not done.is_set():
        count = Notification.objects.filter(user_id=reader).update(read=False)
        NotificationCounter.objects.filter(pk=reader).update(unread=count, unread_by_type=[0, 0, 0, count, 0])
        began = time.perf_counter()
        mark_all_read(user_id=reader)
        seconds.append(time.perf_counter() - began)
    connection.close()


def take_back(finder: int, reader: int) -> tuple[int, float, list[float], list[float]]:
    """Rows turned, seconds in all, the milliseconds of each batch, and those of each marking meanwhile."""
    from notifications import withdrawals
    from profiles.models import User

    batches: list[float] = []
    turn = withdrawals.execute

    def timed(statement: str, parameters: object) -> int:
        began = time.perf_counter()
        rows = turn(statement, parameters)
        batches.append((time.perf_counter() - began) * 1000)
        return rows

    withdrawals.execute = timed
    User.objects.filter(pk=finder).update(public_profile=False)
    done, markings = threading.Event(), []
    thread = threading.Thread(target=read_often, args=(reader, done, markings))
    thread.start()
    began = time.perf_counter()
    turned = withdrawals.withdraw_names()
    took = time.perf_counter() - began
    done.set()
    thread.join()
    return turned, took, batches, [second * 1000 for second in markings]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=100_000)
    options = parser.parse_args()

    os.environ.update(ENVIRONMENT)
    servers = [server(HOME, keeps_data=False) for server in SERVERS.values()]
    try:
        for server in servers:
            server.start()
        import django

        django.setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        seed(options.users)
        from profiles.models import User

        public, private, reader = User.objects.order_by("pk").values_list("pk", flat=True)[:3]
        User.objects.filter(pk=private).update(public_profile=False)
        tell_everyone(0, finder=None)
        for number, (who, finder) in enumerate([("nobody", None), ("private", private), ("public", public)], start=1):
            print(f"everyone is told, {who} named: {tell_everyone(number, finder=finder):8,.0f} rows/s per core")
        turned, took, batches, markings = take_back(public, reader)
        print(f"{turned:,} rows turned in {took:.1f} s, {len(batches)} statements,")
        print(f"  each {statistics.median(batches):.0f} ms, {max(batches):.0f} at most")
        print(f"{len(markings)} markings meanwhile: {statistics.median(markings):.1f} ms, {max(markings):.0f} at most")
    finally:
        for server in reversed(servers):
            server.stop()
        remove_home(HOME)


if __name__ == "__main__":
    main()
