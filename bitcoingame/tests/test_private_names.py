"""Lists the private names of other packages that we use, with a note on what to check when a package is upgraded.

A release of another series fails here until somebody has followed its note and written the new series down.
"""

import ast
import inspect
import textwrap
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import pytest
import redis.asyncio.connection as redis_connection
from channels.generic.websocket import AsyncWebsocketConsumer
from channels_redis.pubsub import RedisPubSubChannelLayer, RedisPubSubLoopLayer
from django.conf import settings
from django.db.backends.postgresql.base import DatabaseWrapper
from django.utils import log
from django_rq.queues import DjangoScheduler
from rq import Queue, Worker
from rq.job import Job
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request, Response
from websockets.server import ServerProtocol


class Fence(NamedTuple):
    """`names` of `thing` that `module` uses. The note was written for releases of `series`."""

    package: str
    series: str
    thing: object
    names: str
    module: str
    note: str


UVICORN = """
Read uvicorn's WebSocketsSansIOProtocol beside our SocketProtocol. Does run_asgi still start the application, with
`scope` already there? Do `writable`, `close_sent`, `disconnected` and `handshake_complete` still mean what write_text
takes them for, and does `send` still wait for `writable`? Does shutdown still close with 1012 when we have not?
Does anything still read `request`, `response` or `scope` after the handshake? We empty them.
Then run notifications/tests/test_socket_server.py, and benchmarks/websocket.py for the memory of an idle socket."""
WEBSOCKETS = """
Our SocketProtocol writes the header of a text frame itself, behind whatever `conn` has written: is that still whole and
in order? Are a request's path and headers, and a response's headers, still ours to empty?"""
CHANNELS = """
Our consumer replaces __call__ and dispatch. Does websocket_connect still call connect and turn DenyConnection into a
close? Do accept and close still go by `base_send`?"""
CHANNELS_REDIS = """
Does _get_layer still answer the layer of the running event loop, and is that layer still flushed when the loop is
closed? Otherwise each send from a view leaves a connection behind. Does the layer still connect again by itself a
second after a loss? notifications/tests/test_control.py asks. Does it still log to "channels_redis" (settings.LOGGING)?
"""
REDIS = """
The feed connects by redis-py and then reads and writes the two streams itself. Are they still asyncio's, is nothing
read ahead of us after connect() with protocol 2, and does disconnect still take nowait? Have the defaults of retries
and timeouts changed? core/redis.py names ours.
notifications/tests/test_websocket_faults.py asks."""
DJANGO = """
Read BaseDatabaseWrapper.cursor beside fetch_rows: does ensure_connection, create_cursor, _prepare_cursor still make the
cursor that queries are counted and logged by? Does close_if_health_check_failed still ask is_usable, once for a
request? bitcoingame/tests/test_database.py asks."""
DJANGO_LOG = """
Does log_response still leave out a response that says it has been logged? A probe's 503 would be logged as an error."""
SCHEDULER = """
Does run still call enqueue_jobs under the lock, and that enqueue_job for each job that is due? Does _create_job
still store a job without queueing it? Is scheduled_jobs_key still a sorted set of job ids by Unix time? If the
package now keeps jobs through its own death, TimetableScheduler may go. bitcoingame/tests/test_schedule.py asks."""
RQ = """
Is Queue.key still the list of the ids that wait, and Job.key_for the job's key? Does Worker still take
maintenance_interval, in seconds? bitcoingame/tests/test_worker_death.py asks."""

PROTOCOL = "notifications/websocket/uvicorn_protocol.py"
CONSUMERS = "notifications/websocket/consumers.py"
CONTROL = "notifications/websocket/control.py"
FEED = "notifications/websocket/redis_feed.py"
IMPATIENCE = "bitcoingame/core/redis.py"
LAYER = "bitcoingame/core/channel_layer.py"
DATABASE = "bitcoingame/core/postgresql/base.py"
HEALTH = "bitcoingame/health.py"
TIMETABLE = "bitcoingame/scheduler.py"

OVERRIDDEN = "run_asgi send handle_ping shutdown"
STATE = "scope request response writable close_sent disconnected handshake_complete transport queue conn loop"
CONSUMER = "__call__ dispatch websocket_connect connect accept close base_send scope"
STREAMS = "_reader _writer connect disconnect"
READING = "connection is_usable ensure_connection close_if_health_check_failed create_cursor _prepare_cursor"
SCHEDULING = "enqueue_jobs enqueue_job get_queue_for_job scheduled_jobs_key connection _create_job"

FENCES = [
    Fence("uvicorn", "0.54", WebSocketsSansIOProtocol, f"{OVERRIDDEN} {STATE}", PROTOCOL, UVICORN),
    Fence("websockets", "17", ServerProtocol, "send_close data_to_send", PROTOCOL, WEBSOCKETS),
    Fence("websockets", "17", Request, "path headers", PROTOCOL, WEBSOCKETS),
    Fence("websockets", "17", Response, "headers", PROTOCOL, WEBSOCKETS),
    Fence("channels", "4.3", AsyncWebsocketConsumer, CONSUMER, CONSUMERS, CHANNELS),
    Fence("channels-redis", "4.3", RedisPubSubChannelLayer, "_get_layer", LAYER, CHANNELS_REDIS),
    Fence("channels-redis", "4.3", RedisPubSubLoopLayer, "send group_send", LAYER, CHANNELS_REDIS),
    Fence(
        "channels-redis", "4.3", RedisPubSubLoopLayer, "new_channel group_add receive flush", CONTROL, CHANNELS_REDIS
    ),
    Fence("redis", "8.1", redis_connection.Connection, STREAMS, FEED, REDIS),
    Fence("redis", "8.1", redis_connection.SSLConnection, STREAMS, FEED, REDIS),
    Fence("redis", "8.1", redis_connection.UnixDomainSocketConnection, STREAMS, FEED, REDIS),
    Fence("redis", "8.1", redis_connection.ConnectionPool, "from_url make_connection", IMPATIENCE, REDIS),
    Fence("Django", "5.2", DatabaseWrapper, READING, DATABASE, DJANGO),
    Fence("Django", "5.2", log.log_response, "_has_been_logged", HEALTH, DJANGO_LOG),
    Fence("rq-scheduler", "0.14", DjangoScheduler, SCHEDULING, TIMETABLE, SCHEDULER),
    Fence("rq", "3.0", Queue, "key enqueue_job", TIMETABLE, RQ),
    Fence("rq", "3.0", Job, "key_for", TIMETABLE, RQ),
    Fence("rq", "3.0", Worker.__init__, "maintenance_interval", TIMETABLE, RQ),
]
# The field in which a node of Python's syntax tree keeps a name.
FIELDS = {
    ast.Attribute: "attr",
    ast.Name: "id",
    ast.arg: "arg",
    ast.keyword: "arg",
    ast.FunctionDef: "name",
    ast.AsyncFunctionDef: "name",
    ast.Constant: "value",
}
each_fence = pytest.mark.parametrize("fence", FENCES, ids=lambda fence: f"{fence.package}:{fence.thing.__qualname__}")


@each_fence
def test_what_a_package_does_not_promise_is_still_there(fence):
    assert version(fence.package).startswith(f"{fence.series}."), fence.note
    assert set(fence.names.split()) - names_of(fence.thing) == set(), fence.note


@each_fence
def test_we_still_use_it(fence):
    """If we no longer use a name, its note can go."""
    used = names_in(ast.parse((Path(settings.BASE_DIR) / fence.module).read_text()))
    assert set(fence.names.split()) - used == set()


def names_of(thing):
    """The attributes of a class, also those its methods set on self; or the arguments and names a function uses."""
    if inspect.isfunction(thing):
        return names_in(parse(thing))
    return set(dir(thing)).union(*(given_to_self(parent) for parent in thing.__mro__ if parent is not object))


def given_to_self(class_):
    try:
        tree = parse(class_)
    except (OSError, TypeError):
        return set()
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Store)
        and getattr(node.value, "id", "") == "self"
    } | set(getattr(class_, "__annotations__", {}))


def parse(thing):
    return ast.parse(textwrap.dedent(inspect.getsource(thing)))


def names_in(tree):
    """All names in the code, also those in texts, such as getattr(response, "_has_been_logged", False)."""
    return {getattr(node, FIELDS[type(node)]) for node in ast.walk(tree) if type(node) in FIELDS}
