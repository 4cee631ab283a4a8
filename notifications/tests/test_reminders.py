"""Notifications that the clock alone causes: silent machines, ending streaks, streaks that go on."""

from datetime import UTC, date, datetime, timedelta
from functools import partial

import pytest

from conftest import make_user
from notifications import reminders
from notifications.models import Notification
from notifications.reminders import extend_streaks, tell_silent_workers, warn_of_ending_streaks
from profiles.models import DailyShares, GameState, NotificationPreferences, Worker

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 6, 2, 12, 0, tzinfo=UTC)
SUNDAY = datetime(2027, 1, 3, 18, 0, tzinfo=UTC)
MONDAY = datetime(2027, 1, 4, 0, 5, tzinfo=UTC)


def told(user):
    return list(Notification.objects.filter(user=user).order_by("seq").values_list("subtype", "description"))


def rig(user, *, minutes, name="bitaxe-1", is_online=True):
    """A machine whose last share was this many minutes ago."""
    return Worker.objects.create(
        user=user, name=name, is_online=is_online, hashrate_1h=1e12, last_share_at=NOW - timedelta(minutes=minutes)
    )


def has_streak(user, weeks, week=None):
    GameState.objects.filter(user=user).update(current_streak=weeks, streak_week=week)


def streak(user):
    return GameState.objects.get(user=user).current_streak


class TestSilentWorkers:
    def test_silent_for_over_thirty_minutes(self, alice, bob):
        silent, exactly = rig(alice, minutes=30.5), rig(bob, minutes=30)

        assert tell_silent_workers(now=NOW) == 1

        assert told(alice) == [("worker_offline", "bitaxe-1 has been offline for 30 minutes.")]
        assert told(bob) == []
        silent.refresh_from_db()
        exactly.refresh_from_db()
        assert (silent.is_online, silent.hashrate_1h) == (False, 0)
        assert (exactly.is_online, exactly.hashrate_1h) == (True, 1e12)

    def test_each_silence_is_told_once(self, alice):
        worker = rig(alice, minutes=31)
        for minutes in range(3):
            tell_silent_workers(now=NOW + timedelta(minutes=minutes))
        assert len(told(alice)) == 1

        back_at = NOW + timedelta(minutes=10)
        Worker.objects.filter(pk=worker.pk).update(last_share_at=back_at, is_online=True)
        assert tell_silent_workers(now=back_at + timedelta(minutes=30)) == 0
        assert tell_silent_workers(now=back_at + timedelta(minutes=45)) == 1
        assert told(alice)[1:] == [("worker_offline", "bitaxe-1 has been offline for 45 minutes.")]

    def test_one_that_disconnected_is_told_too(self, alice):
        rig(alice, minutes=31, is_online=False)

        assert tell_silent_workers(now=NOW) == 1
        assert len(told(alice)) == 1

    def test_one_that_never_had_a_share_is_not(self, alice):
        Worker.objects.create(user=alice, name="new", is_online=True)

        assert tell_silent_workers(now=NOW) == 0
        assert told(alice) == []

    def test_one_that_came_back_and_never_mined_does_not_stay_online(self, alice):
        worker = rig(alice, minutes=31)
        tell_silent_workers(now=NOW)
        connected_at, reported_at = NOW + timedelta(minutes=5), NOW + timedelta(minutes=6)
        Worker.objects.filter(pk=worker.pk).update(
            is_online=True, heard_at=connected_at, hashrate_1h=5e11, hashrate_at=reported_at
        )

        tell_silent_workers(now=connected_at + timedelta(minutes=30))
        worker.refresh_from_db()
        assert (worker.is_online, worker.hashrate_1h) == (True, 5e11)

        assert tell_silent_workers(now=connected_at + timedelta(minutes=31)) == 0
        worker.refresh_from_db()
        assert (worker.is_online, worker.hashrate_1h) == (False, 0)
        assert len(told(alice)) == 1

    def test_one_that_connected_and_never_had_a_share_goes_offline_untold(self, alice):
        worker = Worker.objects.create(user=alice, name="new", is_online=True, heard_at=NOW - timedelta(minutes=31))

        assert tell_silent_workers(now=NOW) == 0
        worker.refresh_from_db()
        assert (worker.is_online, told(alice)) == (False, [])

    def test_many_batches(self, alice, bob, monkeypatch):
        monkeypatch.setattr(reminders, "BATCH_SIZE", 2)
        for number in range(5):
            rig(alice if number % 2 else bob, minutes=40 + number, name=f"rig-{number}")

        assert tell_silent_workers(now=NOW) == 5
        assert len(told(alice)) == 2
        assert told(bob)[0] == ("worker_offline", "rig-0 has been offline for 40 minutes.")

    def test_a_user_who_wants_nothing_is_not_told_and_the_silence_stays_settled(self, alice):
        NotificationPreferences.objects.filter(user=alice).update(in_app=False)
        rig(alice, minutes=31)

        assert tell_silent_workers(now=NOW) == 1
        assert tell_silent_workers(now=NOW) == 0
        assert told(alice) == []


class TestEndingStreaks:
    def test_a_streak_without_a_share_this_week_is_warned_of_once(self, alice, bob, charlie):
        for user in (alice, bob):
            has_streak(user, 4)
        DailyShares.objects.create(user=alice, day=date(2026, 12, 27), shares=9)
        DailyShares.objects.create(user=bob, day=date(2026, 12, 28), shares=1)

        assert warn_of_ending_streaks(now=SUNDAY) == 1
        assert warn_of_ending_streaks(now=SUNDAY + timedelta(hours=1)) == 0
        assert told(alice) == [
            ("streak_warning", "Your streak of 4 weeks ends at 00:00 UTC unless you submit a share before.")
        ]
        assert (told(bob), told(charlie)) == ([], [])

    @pytest.mark.parametrize("late", [timedelta(seconds=-1), timedelta(hours=6), timedelta(days=1, hours=20)])
    def test_no_warning_at_any_other_time(self, alice, late):
        has_streak(alice, 4)

        assert warn_of_ending_streaks(now=SUNDAY + late) == 0
        assert told(alice) == []


class TestStreaksOnMonday:
    def test_the_streak_of_a_user_who_mined_goes_on_and_any_other_is_over(self, alice, bob, charlie):
        has_streak(alice, 4)
        has_streak(bob, 7)
        DailyShares.objects.create(user=alice, day=date(2026, 12, 28), shares=1)
        DailyShares.objects.create(user=bob, day=date(2027, 1, 4), shares=1)
        DailyShares.objects.create(user=charlie, day=date(2027, 1, 3), shares=1)

        assert extend_streaks(now=MONDAY) == 2

        assert (streak(alice), streak(bob), streak(charlie)) == (5, 0, 1)
        assert told(alice) == [("streak_extended", "Your mining streak is now 5 weeks long.")]
        assert told(bob) == []
        assert told(charlie) == [("streak_extended", "Your mining streak is now 1 week long.")]

    def test_again_changes_nothing(self, alice, bob):
        has_streak(bob, 7)
        DailyShares.objects.create(user=alice, day=date(2027, 1, 3), shares=1)
        extend_streaks(now=MONDAY)

        assert extend_streaks(now=MONDAY + timedelta(days=1), since=MONDAY) == 0
        assert (streak(alice), streak(bob), len(told(alice))) == (1, 0, 1)

    def test_weeks_missed_are_caught_up_and_the_last_is_told(self, alice, bob):
        last_run_at = MONDAY - timedelta(weeks=3)
        has_streak(alice, 2, date(2026, 12, 7))
        has_streak(bob, 2, date(2026, 12, 7))
        for day in (date(2026, 12, 15), date(2026, 12, 22), date(2026, 12, 29)):
            DailyShares.objects.create(user=alice, day=day, shares=1)
            if day.day != 22:
                DailyShares.objects.create(user=bob, day=day, shares=1)

        assert extend_streaks(now=MONDAY + timedelta(days=2), since=last_run_at) == 2

        assert (streak(alice), streak(bob)) == (5, 1)
        assert told(alice) == [("streak_extended", "Your mining streak is now 5 weeks long.")]

    def test_many_batches(self, monkeypatch):
        monkeypatch.setattr(reminders, "BATCH_SIZE", 2)
        users = [make_user() for _ in range(5)]
        for user in users:
            has_streak(user, 1)
            DailyShares.objects.create(user=user, day=date(2027, 1, 1), shares=1)
        idle = make_user()
        has_streak(idle, 3)

        assert warn_of_ending_streaks(now=SUNDAY) == 1
        assert extend_streaks(now=MONDAY) == 5
        assert [streak(user) for user in [*users, idle]] == [2] * 5 + [0]


@pytest.mark.django_db(transaction=True)
def test_two_at_once_tell_once(at_once):
    users = [make_user() for _ in range(20)]
    for user in users:
        rig(user, minutes=31)
        DailyShares.objects.create(user=user, day=date(2027, 1, 1), shares=1)

    results = at_once([partial(tell_silent_workers, now=NOW)] * 3 + [partial(extend_streaks, now=MONDAY)] * 3)

    assert not [result for result in results if isinstance(result, Exception)]
    assert Notification.objects.filter(subtype="worker_offline").count() == 20
    assert Notification.objects.filter(subtype="streak_extended").count() == 20
    assert set(GameState.objects.values_list("current_streak", flat=True)) == {1}
