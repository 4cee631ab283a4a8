"""What a run of the statistics makes of workers, days and seats. The tests give every instant; no clock is read."""

from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import connection
from django.utils import timezone

from conftest import client_of, make_cooperative, make_user
from notifications.models import Notification
from profiles.models import DailyShares, NotificationPreferences, Worker
from social import services
from social.models import Cooperative, CooperativeMember, CooperativeWeek, HashrateSample
from social.statistics import Refreshed, delete_old_samples, update_cooperative_stats

pytestmark = pytest.mark.django_db

MONDAY = date(2026, 6, 1)
TUESDAY_NOON = datetime(2026, 6, 2, 12, 34, 56, tzinfo=UTC)


def at(year, month, day, hour=12, minute=0, second=0):
    return datetime(year, month, day, hour, minute, second, tzinfo=UTC)


def mine(user, day, shares=1, best=0.0):
    DailyShares.objects.update_or_create(user=user, day=day, defaults={"shares": shares, "best_difficulty": best})


def stats(cooperative):
    cooperative.refresh_from_db()
    return {
        "hashrate": cooperative.combined_hashrate,
        "shares": cooperative.total_shares_week,
        "best": cooperative.best_combined_diff,
        "streak": cooperative.weekly_streak,
        "rank": cooperative.weekly_rank,
    }


def seat(user):
    return CooperativeMember.objects.filter(user=user).values_list("hashrate", "shares_today", "is_online").get()


def seated_since(instant, *users):
    CooperativeMember.objects.filter(user__in=users).update(joined_at=instant)


def want_coop_activity(*users):
    NotificationPreferences.objects.filter(user__in=users).update(coop_activity=True)


def told(user):
    return list(Notification.objects.filter(user=user).order_by("seq").values_list("description", flat=True))


def transaction_ids():
    """The transaction that wrote each row. It stays the same for a row that is not written again."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT ctid::text FROM cooperatives UNION ALL SELECT ctid::text FROM cooperative_members"
            " UNION ALL SELECT ctid::text FROM cooperative_weeks UNION ALL SELECT ctid::text FROM cooperative_hashrates"
        )
        return cursor.fetchall()


class TestMembersAndSums:
    def test_two_members_with_three_machines(self, alice, bob):
        cooperative = make_cooperative(alice, bob)
        Worker.objects.create(user=alice, name="bitaxe-1", hashrate_1h=1.5e12, is_online=True)
        Worker.objects.create(user=alice, name="bitaxe-2", hashrate_1h=0.5e12)
        Worker.objects.create(user=bob, name="bitaxe-1", hashrate_1h=4e12)
        mine(alice, MONDAY, shares=100, best=5e6)
        mine(alice, MONDAY + timedelta(days=1), shares=7, best=2e6)
        mine(bob, MONDAY, shares=40, best=3e6)

        written = update_cooperative_stats(now=TUESDAY_NOON)

        assert written == Refreshed(members=2, cooperatives=1, ranks=1, notifications=0)
        assert seat(alice) == (2e12, 7, True)
        assert seat(bob) == (4e12, 0, False)
        assert stats(cooperative) == {"hashrate": 6e12, "shares": 147, "best": 8e6, "streak": 1, "rank": 1}

    def test_a_second_run_writes_nothing(self, alice, bob):
        make_cooperative(alice, bob)
        make_cooperative(make_user())
        Worker.objects.bulk_create(
            Worker(user=alice, name=f"rig-{n}", hashrate_1h=rate, is_online=True)
            for n, rate in enumerate((0.1, 0.2, 0.7))
        )
        mine(alice, MONDAY, shares=3, best=0.1)
        mine(bob, MONDAY, shares=3, best=0.7)
        update_cooperative_stats(now=TUESDAY_NOON)
        before = transaction_ids()

        assert update_cooperative_stats(now=TUESDAY_NOON) == Refreshed()
        assert transaction_ids() == before

    def test_only_what_changed_is_written(self, alice, bob):
        make_cooperative(alice)
        make_cooperative(bob)
        for user in (alice, bob):
            Worker.objects.create(user=user, name="rig", hashrate_1h=1e12, is_online=True)
        update_cooperative_stats(now=TUESDAY_NOON)
        Worker.objects.filter(user=bob).update(is_online=False)

        assert update_cooperative_stats(now=TUESDAY_NOON) == Refreshed(members=1)

    def test_a_block_count_and_the_edit_time_are_left_alone(self, alice):
        cooperative = make_cooperative(alice)
        Cooperative.objects.update(blocks_found=2)
        mine(alice, MONDAY)
        edited_at = cooperative.updated_at

        update_cooperative_stats(now=TUESDAY_NOON)

        cooperative.refresh_from_db()
        assert (cooperative.blocks_found, cooperative.updated_at) == (2, edited_at)

    def test_a_mover_takes_the_week_along_and_leaves_the_record_behind(self, alice, bob, charlie):
        left, joined = make_cooperative(alice, bob), make_cooperative(charlie)
        mine(alice, MONDAY, shares=1, best=10)
        mine(bob, MONDAY, shares=50, best=500)
        update_cooperative_stats(now=TUESDAY_NOON)
        services.leave_cooperative(user=bob)
        services.join_cooperative(user=bob, invite_code=joined.invite_code)

        update_cooperative_stats(now=TUESDAY_NOON)

        assert stats(left) == {"hashrate": 0, "shares": 1, "best": 510, "streak": 1, "rank": 2}
        assert stats(joined) == {"hashrate": 0, "shares": 50, "best": 500, "streak": 1, "rank": 1}

    def test_a_dissolved_one_has_nothing_left_but_its_record(self, alice):
        cooperative = make_cooperative(alice)
        mine(alice, MONDAY, shares=9, best=99)
        update_cooperative_stats(now=TUESDAY_NOON)
        services.leave_cooperative(user=alice)

        update_cooperative_stats(now=TUESDAY_NOON + timedelta(hours=1))

        assert stats(cooperative) == {"hashrate": 0, "shares": 0, "best": 99, "streak": 1, "rank": 0}
        assert HashrateSample.objects.count() == 1

    def test_many_batches(self, alice, monkeypatch):
        monkeypatch.setattr("social.statistics.BATCH_SIZE", 2)
        users = [make_user() for _ in range(5)]
        cooperatives = [make_cooperative(user) for user in users]
        for number, user in enumerate(users):
            mine(user, MONDAY, shares=10 + number)

        assert update_cooperative_stats(now=TUESDAY_NOON) == Refreshed(cooperatives=5, ranks=5)
        assert [stats(cooperative)["rank"] for cooperative in cooperatives] == [5, 4, 3, 2, 1]


class TestRanks:
    def test_most_shares_first_then_hashrate_then_the_older(self):
        users = [make_user() for _ in range(6)]
        cooperatives = [make_cooperative(user) for user in users]
        for user, (shares, rate) in zip(users, [(5, 1), (9, 1), (5, 2), (5, 1), (0, 9), (7, 7)], strict=True):
            mine(user, MONDAY, shares=shares)
            Worker.objects.create(user=user, name="rig", hashrate_1h=rate)
        Cooperative.objects.filter(pk=cooperatives[5].pk).update(is_active=False)

        update_cooperative_stats(now=TUESDAY_NOON)

        assert [stats(cooperative)["rank"] for cooperative in cooperatives] == [3, 1, 2, 4, 0, 0]

    def test_suspended_it_loses_the_rank_and_the_others_move_up(self, alice, bob):
        first, second = make_cooperative(alice), make_cooperative(bob)
        mine(alice, MONDAY, shares=2)
        mine(bob, MONDAY, shares=1)
        update_cooperative_stats(now=TUESDAY_NOON)
        Cooperative.objects.filter(pk=first.pk).update(is_active=False)

        assert update_cooperative_stats(now=TUESDAY_NOON) == Refreshed(ranks=2)
        assert (stats(first)["rank"], stats(second)["rank"]) == (0, 1)


class TestDaysAndWeeks:
    def test_the_day_ends_at_midnight_utc(self, alice):
        cooperative = make_cooperative(alice)
        mine(alice, date(2026, 6, 2), shares=5)

        update_cooperative_stats(now=at(2026, 6, 2, 23, 59, 59))
        assert (seat(alice)[1], stats(cooperative)["shares"]) == (5, 5)
        update_cooperative_stats(now=at(2026, 6, 3, 0))
        assert (seat(alice)[1], stats(cooperative)["shares"]) == (0, 5)

    def test_the_instant_counts_in_whatever_zone_it_is_written(self, alice):
        make_cooperative(alice)
        mine(alice, date(2026, 6, 2), shares=5)

        update_cooperative_stats(now=datetime.fromisoformat("2026-06-03T01:30:00+02:00"))

        assert seat(alice)[1] == 5

    def test_week_53_runs_over_the_new_year(self, alice):
        cooperative = make_cooperative(alice)
        seated_since(at(2026, 12, 1), alice)
        mine(alice, date(2026, 12, 27), shares=1000)
        mine(alice, date(2026, 12, 28), shares=1)
        mine(alice, date(2027, 1, 1), shares=10)
        mine(alice, date(2027, 1, 3), shares=100)

        update_cooperative_stats(now=at(2027, 1, 3, 23, 59, 59), since=at(2026, 12, 27, 23, 55))
        assert (stats(cooperative)["shares"], stats(cooperative)["streak"]) == (111, 2)
        update_cooperative_stats(now=at(2027, 1, 4, 0), since=at(2027, 1, 3, 23, 59, 59))
        assert (stats(cooperative)["shares"], stats(cooperative)["streak"]) == (0, 2)
        weeks = CooperativeWeek.objects.order_by("week").values_list("week", "streak")
        assert list(weeks) == [(date(2026, 12, 21), 1), (date(2026, 12, 28), 2)]

    def test_the_leap_day_belongs_to_its_week(self, alice):
        cooperative = make_cooperative(alice)
        mine(alice, date(2028, 2, 28), shares=1)
        mine(alice, date(2028, 2, 29), shares=2)
        mine(alice, date(2028, 3, 1), shares=4)

        update_cooperative_stats(now=at(2028, 2, 29, 23))
        assert (seat(alice)[1], stats(cooperative)["shares"]) == (2, 3)
        update_cooperative_stats(now=at(2028, 3, 1, 1))
        assert (seat(alice)[1], stats(cooperative)["shares"]) == (4, 7)

    def test_shares_of_tomorrow_wait_until_tomorrow(self, alice):
        cooperative = make_cooperative(alice)
        mine(alice, date(2026, 6, 3), shares=5, best=5)

        update_cooperative_stats(now=TUESDAY_NOON)

        assert stats(cooperative) == {"hashrate": 0, "shares": 0, "best": 0, "streak": 0, "rank": 0}


class TestStreaks:
    def run_week(self, number, alice, *, shares=1):
        monday = MONDAY + timedelta(weeks=number)
        if shares:
            mine(alice, monday, shares=shares)
        update_cooperative_stats(now=datetime(monday.year, monday.month, monday.day, 12, tzinfo=UTC))

    def test_it_grows_each_week_waits_for_this_weeks_share_and_breaks_after_a_week_without(self, alice):
        cooperative = make_cooperative(alice)
        grown = []
        for number, shares in enumerate((1, 1, 1, 0, 0, 1)):
            self.run_week(number, alice, shares=shares)
            grown.append(stats(cooperative)["streak"])

        assert grown == [1, 2, 3, 3, 0, 1]

    def test_a_past_week_stays_when_its_miner_leaves(self, alice, bob):
        cooperative = make_cooperative(alice, bob)
        self.run_week(0, bob)
        services.leave_cooperative(user=bob)
        self.run_week(1, alice)

        assert stats(cooperative)["streak"] == 2

    def test_sundays_late_shares_count_for_the_week_that_ended(self, alice):
        cooperative = make_cooperative(alice)
        seated_since(at(2026, 5, 1), alice)
        mine(alice, MONDAY - timedelta(days=1), best=77)
        mine(alice, MONDAY, best=1)

        update_cooperative_stats(now=at(2026, 6, 1, 0, 10), since=at(2026, 6, 1, 0, 5))

        assert stats(cooperative) == {"hashrate": 0, "shares": 1, "best": 77, "streak": 2, "rank": 1}

    def test_last_week_of_somebody_who_came_since_counts_where_they_were(self, alice, bob):
        cooperative = make_cooperative(alice, bob)
        seated_since(at(2026, 5, 1), alice)
        seated_since(at(2026, 6, 1), bob)
        mine(bob, MONDAY - timedelta(days=1), best=77)

        update_cooperative_stats(now=at(2026, 6, 1, 0, 10), since=at(2026, 6, 1, 0, 5))

        assert (stats(cooperative)["streak"], stats(cooperative)["best"]) == (0, 0)

    def test_an_outage_of_weeks_is_caught_up(self, alice):
        cooperative = make_cooperative(alice)
        seated_since(at(2026, 5, 1), alice)
        for weeks in range(4):
            mine(alice, MONDAY + timedelta(weeks=weeks, days=3), best=weeks)

        update_cooperative_stats(now=at(2026, 6, 26), since=at(2026, 6, 2))

        assert (stats(cooperative)["streak"], stats(cooperative)["best"]) == (4, 3)


class TestMilestones:
    def test_four_weeks_are_told_once(self, alice, bob):
        cooperative = make_cooperative(alice, bob, name="Hash Pirates")
        want_coop_activity(alice)
        CooperativeWeek.objects.create(
            cooperative=cooperative, week=MONDAY - timedelta(weeks=1), streak=3, best_rank_class=1
        )
        mine(bob, MONDAY)

        assert update_cooperative_stats(now=TUESDAY_NOON).notifications == 1
        assert update_cooperative_stats(now=TUESDAY_NOON + timedelta(minutes=5)).notifications == 0
        assert told(alice) == ["Hash Pirates has mined for 4 weeks in a row."]
        assert told(bob) == []

    def test_a_streak_that_a_late_share_mends_is_not_told_again(self, alice):
        cooperative = make_cooperative(alice, name="Hash Pirates")
        seated_since(at(2026, 5, 1), alice)
        want_coop_activity(alice)
        CooperativeWeek.objects.create(
            cooperative=cooperative, week=MONDAY - timedelta(weeks=1), streak=3, best_rank_class=1
        )
        mine(alice, MONDAY)
        update_cooperative_stats(now=TUESDAY_NOON)
        update_cooperative_stats(now=at(2026, 6, 15, 0, 0), since=at(2026, 6, 14, 23, 55))
        assert stats(cooperative)["streak"] == 0
        mine(alice, date(2026, 6, 14))

        update_cooperative_stats(now=at(2026, 6, 15, 0, 5), since=at(2026, 6, 15, 0, 0))

        assert stats(cooperative)["streak"] == 5
        assert told(alice) == ["Hash Pirates has mined for 4 weeks in a row."]

    def test_entering_the_best_class_of_ranks_is_told_once(self, alice):
        make_cooperative(alice, name="Hash Pirates")
        want_coop_activity(alice)
        mine(alice, MONDAY)

        update_cooperative_stats(now=TUESDAY_NOON)
        update_cooperative_stats(now=TUESDAY_NOON + timedelta(minutes=5))

        assert told(alice) == ["Hash Pirates is in first place this week."]

    def test_a_rank_around_a_border_is_told_once(self, alice):
        make_cooperative(alice, name="Hash Pirates")
        want_coop_activity(alice)
        rivals = [make_user() for _ in range(3)]
        for rival in rivals:
            make_cooperative(rival)
            mine(rival, MONDAY, shares=5)
        for shares in (1, 6, 1, 6, 1, 6):
            mine(alice, MONDAY, shares=shares)
            for rival in rivals[1:]:
                mine(rival, MONDAY, shares=5 if shares == 1 else 7)
            update_cooperative_stats(now=TUESDAY_NOON)

        assert told(alice) == [
            "Hash Pirates entered this week's top 10.",
            "Hash Pirates entered this week's top 3.",
        ]

    def test_a_new_week_tells_only_what_the_last_one_had_not_reached(self, alice):
        cooperative = make_cooperative(alice, name="Hash Pirates")
        want_coop_activity(alice)
        CooperativeWeek.objects.create(
            cooperative=cooperative, week=MONDAY - timedelta(weeks=1), streak=1, best_rank_class=1
        )
        mine(alice, MONDAY)

        assert update_cooperative_stats(now=TUESDAY_NOON).notifications == 0
        assert CooperativeWeek.objects.get(week=MONDAY).best_rank_class == 1

    def test_no_class_beyond_a_hundred(self, alice):
        cooperative = make_cooperative(alice)
        want_coop_activity(alice)
        update_cooperative_stats(now=TUESDAY_NOON)

        assert not CooperativeWeek.objects.filter(cooperative=cooperative).exists()
        assert told(alice) == []


class TestHashrateChart:
    def test_the_first_run_of_an_hour_is_its_sample(self, alice):
        make_cooperative(alice)
        worker = Worker.objects.create(user=alice, name="rig", hashrate_1h=1e12)
        update_cooperative_stats(now=at(2026, 6, 2, 12, 0))
        Worker.objects.filter(pk=worker.pk).update(hashrate_1h=2e12)
        update_cooperative_stats(now=at(2026, 6, 2, 12, 55))
        update_cooperative_stats(now=at(2026, 6, 2, 13, 5))

        samples = HashrateSample.objects.order_by("sampled_at").values_list("sampled_at", "hashrate")
        assert list(samples) == [(at(2026, 6, 2, 12), 1e12), (at(2026, 6, 2, 13), 2e12)]

    @pytest.mark.parametrize(("window", "hours"), [("24h", 24), ("7d", 168), ("30d", 720)])
    def test_every_window_has_a_point_for_each_hour(self, alice, window, hours, django_assert_num_queries):
        cooperative = make_cooperative(alice)
        hour = timezone.now().replace(minute=0, second=0, microsecond=0)
        for ago, rate in ((hours + 5, 1.0), (20, 2.0), (3, 3.0)):
            HashrateSample.objects.create(
                cooperative=cooperative, sampled_at=hour - timedelta(hours=ago), hashrate=rate
            )

        with django_assert_num_queries(3):
            body = client_of(None).get(f"/api/v1/cooperatives/{cooperative.pk}/hashrate?window={window}").json()

        assert body["window"] == window
        assert [point["value"] for point in body["points"]] == [1.0] * (hours - 21) + [2.0] * 17 + [3.0] * 4
        assert body["points"][-1]["time"] == hour.strftime("%Y-%m-%dT%H:00:00Z")
        assert body["points"][0]["time"] == (hour - timedelta(hours=hours - 1)).strftime("%Y-%m-%dT%H:00:00Z")

    def test_without_samples_it_is_a_line_of_zeros(self, alice):
        cooperative = make_cooperative(alice)

        body = client_of(alice).get(f"/api/v1/cooperatives/{cooperative.pk}/hashrate").json()

        assert (body["window"], len(body["points"])) == ("24h", 24)
        assert {point["value"] for point in body["points"]} == {0.0}

    @pytest.mark.parametrize("window", ["1h", "7D", "24h\x00"])
    def test_another_window_is_bad_input(self, alice, window):
        cooperative = make_cooperative(alice)

        response = client_of(None).get(f"/api/v1/cooperatives/{cooperative.pk}/hashrate", {"window": window})

        assert (response.status_code, list(response.json()["errors"])) == (400, ["window"])

    def test_a_suspended_one_shows_it_to_its_members_only(self, alice, charlie):
        cooperative = make_cooperative(alice)
        Cooperative.objects.update(is_active=False)
        url = f"/api/v1/cooperatives/{cooperative.pk}/hashrate"

        assert client_of(alice).get(url).status_code == 200
        assert (
            client_of(charlie).get(url).json()["code"]
            == client_of(None).get(url).json()["code"]
            == "cooperative_not_found"
        )
        assert client_of(charlie).get("/api/v1/cooperatives/0/hashrate").status_code == 404

    def test_old_samples_go_in_batches(self, alice):
        cooperative = make_cooperative(alice)
        for days in (30, 32, 33, 34):
            HashrateSample.objects.create(
                cooperative=cooperative, sampled_at=at(2026, 6, 2) - timedelta(days=days), hashrate=1
            )

        assert delete_old_samples(now=at(2026, 6, 2), batch_size=2) == 2
        assert delete_old_samples(now=at(2026, 6, 2), batch_size=2) == 1
        assert delete_old_samples(now=at(2026, 6, 2), batch_size=2) == 0
        assert HashrateSample.objects.get().sampled_at == at(2026, 5, 3)
