"""Deleting old rows in batches, from any table: the oldest first, without waiting for locked rows."""

from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from django.conf import settings

from bitcoingame.core.postgresql.purging import delete_batch
from bitcoingame.models import AttemptCounter

pytestmark = pytest.mark.django_db(transaction=True)

NOW = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture
def counters():
    """Five counters, a minute apart. The first three are old."""
    for number in range(5):
        ends_at = NOW + timedelta(minutes=number - 3)
        AttemptCounter.objects.create(key=f"counter {number}", count=1, window_ends_at=ends_at)


def purge(batch_size=10):
    return delete_batch(table="attempt_counters", column="window_ends_at", before=NOW, batch_size=batch_size)


def left():
    return [key[-1] for key in AttemptCounter.objects.order_by("key").values_list("key", flat=True)]


def test_only_what_is_old_goes(counters):
    assert purge() == 3
    assert left() == ["3", "4"]


def test_the_oldest_go_first_and_no_more_than_a_batch(counters):
    assert purge(batch_size=2) == 2
    assert left() == ["2", "3", "4"]
    assert [purge(batch_size=2), purge(batch_size=2)] == [1, 0]


def test_a_row_that_someone_holds_is_left_to_the_next_batch(counters):
    parts = settings.DATABASES["default"]
    with psycopg.connect(host=parts["HOST"], user=parts["USER"], dbname=parts["NAME"]) as other:
        other.execute("SELECT FROM attempt_counters WHERE key = 'counter 1' FOR UPDATE")
        assert purge() == 2
        assert left() == ["1", "3", "4"]

    assert purge() == 1
    assert left() == ["3", "4"]
