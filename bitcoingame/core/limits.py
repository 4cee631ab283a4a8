"""Limits on attempts, counted in PostgreSQL: exact under concurrency, independent of Redis and of forged headers."""

from collections.abc import Mapping
from datetime import datetime
from ipaddress import IPv6Address, ip_address, ip_network
from typing import cast

from django.db import connection
from django.http import HttpRequest
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from bitcoingame.core.errors import TooManyAttempts
from bitcoingame.core.postgresql.purging import delete_batch

WINDOW_SECONDS = 3600

# One statement counts the attempt against every key, in key order so that two requests cannot deadlock.
# A key whose window has passed starts a new one.
_SPEND = """
INSERT INTO attempt_counters AS counter (key, count, window_ends_at)
SELECT key, 1, statement_timestamp() + make_interval(secs => %(seconds)s) FROM unnest(%(keys)s::text[]) key ORDER BY key
ON CONFLICT (key) DO UPDATE SET
    count = CASE WHEN counter.window_ends_at <= statement_timestamp() THEN 1 ELSE counter.count + 1 END,
    window_ends_at = CASE WHEN counter.window_ends_at <= statement_timestamp()
                          THEN excluded.window_ends_at ELSE counter.window_ends_at END
RETURNING key, count, ceil(extract(epoch FROM window_ends_at - statement_timestamp()))::int
"""
_REFUND = """
UPDATE attempt_counters SET count = count - 1 WHERE key IN (
    SELECT key FROM attempt_counters WHERE key = ANY(%(keys)s) AND count > 0 ORDER BY key FOR UPDATE)
"""


def spend_attempt(limits: Mapping[str, int]) -> None:
    """Counts one attempt against each key of {key: attempts per hour}.

    Call it before the attempt: then no more than the limit get through, however many arrive at once. Call it outside
    the attempt's transaction, because a rollback would undo the count. Raises TooManyAttempts and leaves the counts as
    they were.
    """
    with connection.cursor() as cursor:
        cursor.execute(_SPEND, {"keys": sorted(limits), "seconds": WINDOW_SECONDS})
        counts = cursor.fetchall()
    waits = [wait for key, count, wait in counts if count > limits[key]]
    if waits:
        refund_attempt(limits)
        raise TooManyAttempts(max(1, *waits))


def refund_attempt(limits: Mapping[str, int]) -> None:
    """Takes back one attempt that turned out not to count."""
    with connection.cursor() as cursor:
        cursor.execute(_REFUND, {"keys": sorted(limits)})


def purge_attempts(*, now: datetime, batch_size: int) -> int:
    """Deletes up to batch_size counters whose window is over; returns how many."""
    return delete_batch(table="attempt_counters", column="window_ends_at", before=now, batch_size=batch_size)


def client_address(request: Request) -> str:
    """The client's IP address as our own proxies saw it (settings.TRUSTED_PROXIES); for IPv6 its /64 network.

    A /64 counts as one client because one customer usually has all of it. An IPv4 client that a server on IPv6 writes
    as ::ffff:1.2.3.4 counts as 1.2.3.4. Text that is not an address is returned as it is, cut to 64 characters.
    """
    text = BaseThrottle().get_ident(request) or ""
    try:
        address = ip_address(text)
    except ValueError:
        return text[:64]
    if isinstance(address, IPv6Address):
        return str(address.ipv4_mapped or ip_network((address, 64), strict=False))
    return str(address)


def storable_client_address(request: HttpRequest) -> str | None:
    """`client_address` for a column of IP addresses: the first of an IPv6 /64; None if it is not an address."""
    text = client_address(cast(Request, request)).partition("/")[0]
    try:
        return str(ip_address(text))
    except ValueError:
        return None
