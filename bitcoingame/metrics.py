"""What an operator graphs, in Prometheus's text format: how much work is waiting, and when it last succeeded."""

from collections.abc import Iterator

from django.http import HttpRequest, HttpResponse
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from bitcoingame.core.job_runs import job_status
from bitcoingame.core.redis import RedisUnavailable
from bitcoingame.events.status import ConsumerStatus, consumer_status
from bitcoingame.models import OutgoingEvent, SetAsideEvent
from notifications.models import Broadcast, EmailConfirmation, EmailDelivery, OutgoingEmail
from notifications.websocket.hub import hub_statuses


class SocialCollector(Collector):
    """Reads all figures when it is asked: each is one query on an index that holds the open work only."""

    def collect(self) -> Iterator[Metric]:
        yield from _open_work()
        yield _job_successes()
        try:
            consumers = consumer_status()
        except RedisUnavailable:
            consumers = None
        yield GaugeMetricFamily("social_redis_up", "Whether Redis answers.", value=consumers is not None)
        if consumers is not None:
            yield from _consumers(consumers)
        yield from _sockets()


def metrics(request: HttpRequest) -> HttpResponse:
    """GET /metrics. It names no user, but the proxy in front should still keep it from the outside."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(SocialCollector())
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_PLAIN_0_0_4)


def _open_work() -> Iterator[Metric]:
    waiting = SetAsideEvent.objects.filter(state=SetAsideEvent.State.WAITING)
    is_open = {"state__in": [OutgoingEmail.State.DUE, OutgoingEmail.State.SENDING]}
    confirmations = EmailConfirmation.objects.filter(**is_open)
    for name, what, rows in (
        ("set_aside_events", "Events waiting for staff.", waiting),
        ("outgoing_events", "Events not yet in social:events.", OutgoingEvent.objects.filter(sent_at__isnull=True)),
        ("open_broadcasts", "Announcements not yet at everyone.", Broadcast.objects.filter(finished_at__isnull=True)),
        ("open_emails", "E-mails due or being sent.", EmailDelivery.objects.filter(**is_open)),
        ("open_confirmations", "E-mails due or being sent that ask to confirm.", confirmations),
    ):
        yield GaugeMetricFamily(f"social_{name}", what, value=rows.count())


def _job_successes() -> Metric:
    family = GaugeMetricFamily(
        "social_job_last_success_timestamp_seconds", "When a job of the timetable last succeeded.", labels=["job"]
    )
    for name, status in job_status().items():
        if status.last_succeeded_at is not None:
            family.add_metric([name], status.last_succeeded_at.timestamp())
    return family


def _consumers(status: ConsumerStatus) -> Iterator[Metric]:
    lag = GaugeMetricFamily("social_stream_lag_entries", "Entries nobody was given yet.", labels=["stream"])
    pending = GaugeMetricFamily("social_stream_pending_entries", "Entries not acknowledged.", labels=["stream"])
    for name, stream in status["streams"].items():
        if stream["lag"] is not None:
            lag.add_metric([name], stream["lag"])
        pending.add_metric([name], stream["pending"])
    rate = GaugeMetricFamily("social_consumer_events_per_second", "Events handled lately.", labels=["consumer"])
    success = GaugeMetricFamily(
        "social_consumer_last_success_timestamp_seconds", "When a consumer last handled a batch.", labels=["consumer"]
    )
    for name, heartbeat in status["consumers"].items():
        rate.add_metric([name], heartbeat["events_per_second"])
        success.add_metric([name], heartbeat["last_success_at"])
    yield from (lag, pending, rate, success)


def _sockets() -> Iterator[Metric]:
    family = GaugeMetricFamily("social_websocket", "This process's sockets, as its hub counts.", labels=["what"])
    for hub in hub_statuses():
        for what, value in hub.items():
            if isinstance(value, int | float):
                family.add_metric([what], float(value))
    yield family
