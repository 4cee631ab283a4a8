"""The statistics while members join and leave: nothing deadlocks, and the next run gets everything right."""

from datetime import timedelta
from functools import partial

import pytest
from django.db import connection
from django.utils import timezone

from bitcoingame.core.weeks import utc_day
from conftest import make_cooperative, make_user
from profiles.models import DailyShares, Worker
from social import services, statistics
from social.models import Cooperative, CooperativeMember
from social.statistics import update_cooperative_stats

pytestmark = pytest.mark.django_db(transaction=True)


def raise_rates(_round):
    Worker.objects.update(hashrate_1h=_round + 1, is_online=_round % 2 == 0)
    DailyShares.objects.update(shares=_round + 1)


def keep_refreshing(now, rounds):
    for number in range(rounds):
        raise_rates(number)
        update_cooperative_stats(now=now)


def move_about(user, cooperatives, rounds):
    """Joins and leaves one cooperative after another, and skips those dissolved in the meantime."""
    for number in range(rounds):
        try:
            services.join_cooperative(user=user, invite_code=cooperatives[number % len(cooperatives)].invite_code)
        except services.CooperativeInactive:
            continue
        services.leave_cooperative(user=user)


def test_joins_and_leaves_never_deadlock_with_a_run(at_once, monkeypatch):
    monkeypatch.setattr(statistics, "BATCH_SIZE", 3)
    now = timezone.now()
    founders = [make_user() for _ in range(5)]
    cooperatives = [make_cooperative(founder) for founder in founders]
    movers = [make_user() for _ in range(4)]
    for user in founders + movers:
        Worker.objects.create(user=user, name="rig", hashrate_1h=1, is_online=True)
        DailyShares.objects.create(user=user, day=utc_day(now), shares=1)

    results = at_once(
        [partial(keep_refreshing, now, 12)]
        + [
            partial(move_about, user, cooperatives[number:] + cooperatives[:number], 12)
            for number, user in enumerate(movers)
        ]
        + [partial(services.leave_cooperative, user=founders[0])]
    )

    assert [result for result in results if isinstance(result, Exception)] == []
    update_cooperative_stats(now=now)
    dissolved, *others = Cooperative.objects.order_by("id")
    assert (dissolved.total_shares_week, dissolved.weekly_rank, dissolved.is_active) == (0, 0, False)
    assert [cooperative.weekly_rank for cooperative in others] == [1, 2, 3, 4]
    assert {cooperative.total_shares_week for cooperative in others} == {12}


def test_a_user_who_joins_during_a_run_is_counted_by_the_next(at_once):
    now = timezone.now() + timedelta(minutes=1)
    founder, joiner = make_user(), make_user()
    cooperative = make_cooperative(founder)
    for user in (founder, joiner):
        DailyShares.objects.create(user=user, day=utc_day(now), shares=5)

    at_once(
        [
            partial(update_cooperative_stats, now=now),
            partial(services.join_cooperative, user=joiner, invite_code=cooperative.invite_code),
        ]
    )
    update_cooperative_stats(now=now)

    cooperative.refresh_from_db()
    assert (cooperative.total_shares_week, cooperative.member_count) == (10, 2)
    assert set(CooperativeMember.objects.values_list("shares_today", flat=True)) == {5}


def test_a_run_that_dies_between_batches_is_healed_by_the_next(monkeypatch):
    """A batch is written completely or not at all, at whatever point the run dies."""
    now = timezone.now()
    monkeypatch.setattr(statistics, "BATCH_SIZE", 1)
    users = [make_user() for _ in range(3)]
    cooperatives = [make_cooperative(user) for user in users]
    for number, user in enumerate(users):
        DailyShares.objects.create(user=user, day=utc_day(now), shares=number + 1)

    def die_in_the_second(execute, sql, params, many, context):
        if params and isinstance(params, dict) and params.get("first") == cooperatives[1].pk:
            raise KeyboardInterrupt
        return execute(sql, params, many, context)

    with pytest.raises(KeyboardInterrupt), connection.execute_wrapper(die_in_the_second):
        update_cooperative_stats(now=now)
    assert list(Cooperative.objects.order_by("id").values_list("total_shares_week", flat=True)) == [1, 0, 0]

    update_cooperative_stats(now=now)
    assert list(Cooperative.objects.order_by("id").values_list("total_shares_week", "weekly_rank")) == [
        (1, 3),
        (2, 2),
        (3, 1),
    ]
