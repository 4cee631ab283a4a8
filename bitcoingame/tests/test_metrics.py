"""The metrics that operators graph, with Redis alive and dead."""

import pytest
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from bitcoingame.models import JobRun, OutgoingEvent, SetAsideEvent
from conftest import make_user
from notifications.models import EmailConfirmation

pytestmark = pytest.mark.django_db


def read(client):
    response = client.get("/metrics")
    assert response.status_code == 200
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(response.content.decode())
        for sample in family.samples
    }


def test_open_work_and_jobs(client):
    SetAsideEvent.objects.create(stream="platform:events", entry="1-0", reason="broken")
    SetAsideEvent.objects.create(
        stream="platform:events", entry="2-0", reason="broken", state="handled", handled_at=timezone.now()
    )
    OutgoingEvent.objects.create(event="coop_created", payload={})
    JobRun.objects.update_or_create(name="a_job", defaults={"last_succeeded_at": "2026-01-01T00:00:00Z"})

    EmailConfirmation.objects.create(user=make_user("Alice"), address="alice@example.com")
    EmailConfirmation.objects.create(user=make_user("Bob"), address="bob@example.com", state="sent")

    seen = read(client)

    assert seen["social_open_confirmations",] == 1
    assert seen["social_set_aside_events",] == 1
    assert seen["social_outgoing_events",] == 1
    assert seen["social_open_emails",] == seen["social_open_broadcasts",] == 0
    assert seen["social_job_last_success_timestamp_seconds", "a_job"] == 1767225600
    assert seen["social_redis_up",] == 1
    assert seen["social_stream_lag_entries", "mining:share_submitted"] == 0


def test_with_redis_down(client, valkey):
    valkey.kill()

    seen = read(client)

    assert seen["social_redis_up",] == 0
    assert seen["social_outgoing_events",] == 0
    assert not [key for key in seen if key[0].startswith("social_stream")]
