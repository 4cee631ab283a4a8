"""The activity feed by pages and by `before`."""

from datetime import timedelta

import pytest
from django.utils import timezone

from conftest import client_of
from social.activity import record_activity
from social.models import UserActivity
from social.tests.test_cooperatives_api import refusal

pytestmark = pytest.mark.django_db

FEED = "/api/v1/activity/feed"


def record(user, *days_ago):
    """One entry for each, so many days old, and their ids."""
    now, ids = timezone.now(), []
    for days in days_ago:
        record_activity(user_id=user.pk, kind="level_up", level=len(ids), title="Hasher")
        entry = UserActivity.objects.latest("pk")
        UserActivity.objects.filter(pk=entry.pk).update(created_at=now - timedelta(days=days))
        ids.append(entry.pk)
    return ids


def listed(user, query=""):
    """(ids, total)"""
    answer = client_of(user).get(FEED + query)
    assert answer.status_code == 200, answer.json()
    body = answer.json()
    return [int(row["id"]) for row in body["activities"]], body["total"]


def test_a_scroll_by_before_does_not_shift(alice, bob):
    first, second, third, fourth = record(alice, 4, 3, 2, 1)
    record(bob, 2)
    assert listed(alice, "?per_page=2") == ([fourth, third], 4)
    (fifth,) = record(alice, 0)
    assert listed(alice, f"?per_page=2&before={third}") == ([second, first], 5)
    assert listed(alice, f"?per_page=1&page=2&before={third}") == ([first], 5)
    assert listed(alice, f"?before={fifth}") == ([fourth, third, second, first], 5)
    assert listed(alice, f"?before={first}") == ([], 5)


def test_entries_of_one_moment_keep_their_order(alice):
    ids = record(alice, 1, 1, 1)
    UserActivity.objects.update(created_at=timezone.now())
    assert listed(alice) == (ids[::-1], 3)
    assert listed(alice, f"?before={ids[1]}") == ([ids[0]], 3)


def test_an_entry_that_came_late_has_the_place_of_its_time(alice):
    new, late, newest = record(alice, 2, 9, 1)
    assert listed(alice) == ([newest, new, late], 3)
    assert listed(alice, f"?before={new}") == ([late], 3)
    assert listed(alice, f"?before={late}") == ([], 3)


def test_an_entry_that_is_gone_still_has_a_place(alice, bob):
    first, second, third, fourth = record(alice, 4, 3, 2, 1)
    UserActivity.objects.filter(pk__in=[first, third]).delete()
    assert listed(alice, f"?before={third}") == ([second], 2)
    assert listed(alice, f"?before={first}") == ([], 2)
    assert listed(alice, f"?before={10**18}") == ([fourth, second], 2)
    assert listed(alice, "?before=0") == ([], 2)
    assert listed(bob, f"?before={third}") == ([], 0)


def test_only_anothers_is_not_found(alice, bob):
    record(alice, 1)
    (foreign,) = record(bob, 2)
    refusal(client_of(alice).get(f"{FEED}?before={foreign}"), 404, "activity_not_found")


@pytest.mark.parametrize("before", ["x", "-1", " ", "1.5", "99999999999999999999", "1%00", "٣"])
def test_bad_ids_are_refused(alice, before):
    answer = client_of(alice).get(f"{FEED}?before={before}")
    assert (answer.status_code, set(answer.json()["errors"])) == (400, {"before"})


@pytest.mark.parametrize("count", [1, 60])
def test_the_query_budget_is_the_same_for_any_number(alice, count, django_assert_num_queries):
    ids = record(alice, *[1] * count)
    for before, budget in ((ids[-1], 4), (ids[-1] + 1, 5)):
        with django_assert_num_queries(budget):
            client_of(alice).get(f"{FEED}?before={before}")
