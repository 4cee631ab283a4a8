"""Machines that fall silent and come back: what events and the minute's job make of them, and who is told."""

import math
import random
from datetime import UTC, datetime
from functools import partial

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bitcoingame.core.postgresql.statements import fetch
from bitcoingame.tests.platform import NOON, entry, happen, share
from conftest import client_of, make_cooperative, make_user
from notifications.models import Notification
from notifications.reminders import tell_silent_workers
from profiles import mining
from profiles.models import NotificationPreferences, User, Worker
from profiles.workers import delete_worker
from social.statistics import update_cooperative_stats

pytestmark = pytest.mark.django_db

WORKERS = "/api/v1/users/me/workers"
HASHES_PER_DIFFICULTY = 2**32


def minute(number):
    """A time as events say it: so many minutes after noon."""
    return NOON + number * 60


def job_at(number):
    """Runs the minute's job, so many minutes after noon. Returns how many silences began."""
    return tell_silent_workers(now=datetime.fromtimestamp(minute(number), UTC))


def mine(user, number, **changes):
    happen(share(user, at=minute(number), **changes))


def presence(user, event, number, worker="bitaxe-1"):
    happen(entry(f"mining:miner_{event}", user=user.btc_address, worker=worker, at=minute(number)))


def report_rate(user, rate, number=0, worker="bitaxe-1"):
    data = {"user": user.btc_address, "worker": worker, "hashrate_1h": rate}
    happen(entry("mining:hashrate_update", at=minute(number), **data))


def told(user):
    return list(Notification.objects.filter(user=user).order_by("seq").values_list("description", flat=True))


def is_silent(worker):
    return mining.is_silence_news(user_id=worker.user_id, name=worker.name, worker_id=worker.pk)


def kinds(user):
    return list(Notification.objects.filter(user=user).order_by("seq").values_list("subtype", flat=True))


def state():
    worker = Worker.objects.get()
    return worker.is_online, worker.hashrate_1h


def fall_silent(user, number, after=31):
    """One share, and then nothing until the job has found it."""
    mine(user, number)
    assert job_at(number + after) == 1


OFFLINE = "bitaxe-1 has been offline for 31 minutes."
ONLINE = "bitaxe-1 is mining again."


class TestBackOnline:
    def test_a_share_after_a_told_silence_is_told_once(self, alice):
        fall_silent(alice, 0)
        mine(alice, 40)
        mine(alice, 41)
        happen(share(alice, at=minute(42)), share(alice, at=minute(42)))

        assert told(alice) == [OFFLINE, ONLINE]
        assert state()[0]

    def test_a_connection_alone_is_shown_and_not_told_and_ends_after_thirty_minutes(self, alice):
        fall_silent(alice, 0)
        presence(alice, "connected", 40)
        assert state()[0]
        job_at(70)
        assert state()[0]
        assert job_at(71) == 0
        assert not state()[0]
        assert told(alice) == [OFFLINE]

    @pytest.mark.parametrize("mined_before", [True, False])
    def test_a_connection_without_a_share_ends_after_thirty_minutes_however_patient_the_machine(
        self, alice, mined_before
    ):
        if mined_before:
            mine(alice, 0)
        presence(alice, "connected", 1)
        Worker.objects.update(silent_after_minutes=1440)
        assert job_at(1441) == mined_before
        presence(alice, "connected", 1500)
        report_rate(alice, 1e12, 1500)
        job_at(1530)
        assert state() == (True, 1e12)
        assert job_at(1531) == 0
        assert state() == (False, 0)
        assert len(told(alice)) == mined_before

    def test_five_hourly_reconnects_without_a_share_tell_nothing(self, alice):
        fall_silent(alice, 0)
        for hour in range(1, 6):
            presence(alice, "connected", hour * 60)
            assert state()[0]
            for number in range(1, 60, 7):
                assert job_at(hour * 60 + number) == 0
            assert not state()[0]
        assert told(alice) == [OFFLINE]
        mine(alice, 400)
        assert told(alice) == [OFFLINE, ONLINE]

    def test_reconnects_never_tell_also_when_each_follows_a_disconnection(self, alice):
        fall_silent(alice, 0)
        for number in range(40, 100, 10):
            presence(alice, "disconnected", number)
            presence(alice, "connected", number + 1)
            job_at(number + 2)
        assert told(alice) == [OFFLINE]

    def test_a_reconnect_within_a_silence_that_nobody_was_told_of_is_not_told(self, alice):
        mine(alice, 0)
        presence(alice, "disconnected", 5)
        presence(alice, "connected", 6)
        mine(alice, 7)
        assert told(alice) == []

    def test_the_second_return_within_an_hour_is_told(self, alice):
        fall_silent(alice, 25)
        mine(alice, 60)
        assert job_at(91) == 1
        mine(alice, 92)
        assert told(alice) == [OFFLINE, ONLINE, OFFLINE, ONLINE]
        assert state()[0]

    def test_repeated_and_late_events_tell_nothing_twice(self, alice):
        fall_silent(alice, 0)
        back = share(alice, at=minute(40))
        happen(back, back, share(alice, at=minute(40)), share(alice, at=minute(35)))
        happen(back)
        presence(alice, "connected", 36)
        presence(alice, "disconnected", 34)
        assert (told(alice), state()[0]) == ([OFFLINE, ONLINE], True)

    def test_a_late_share_from_before_the_silence_was_noticed_ends_nothing(self, alice):
        fall_silent(alice, 0)
        mine(alice, 0.5)
        mine(alice, 20)
        assert not state()[0]
        assert job_at(60) == 0
        assert told(alice) == [OFFLINE]
        mine(alice, 61)
        assert told(alice) == [OFFLINE, ONLINE]

    def test_a_share_heard_after_its_disconnection_is_told_when_the_machine_connects_soon(self, alice):
        fall_silent(alice, 0)
        presence(alice, "disconnected", 52)
        mine(alice, 50)
        assert (told(alice), state()[0]) == ([OFFLINE], False)
        presence(alice, "connected", 55)
        presence(alice, "connected", 56)
        assert (told(alice), state()[0]) == ([OFFLINE, ONLINE], True)
        assert job_at(81) == 1
        assert told(alice)[2:] == [OFFLINE]

    @pytest.mark.parametrize("connected_at", [80, 90])
    def test_and_is_not_when_it_connects_thirty_minutes_later(self, alice, connected_at):
        fall_silent(alice, 0)
        presence(alice, "disconnected", 52)
        mine(alice, 50)
        presence(alice, "connected", connected_at)
        assert job_at(connected_at + 1) == 0
        assert (told(alice), state()[0]) == ([OFFLINE], True)

    def test_a_late_share_after_a_connection_counts_if_it_was_close_to_it(self, alice):
        fall_silent(alice, 0)
        presence(alice, "connected", 61)
        mine(alice, 31)
        assert told(alice) == [OFFLINE]
        mine(alice, 32)
        assert told(alice) == [OFFLINE, ONLINE]

    def test_a_refused_share_shows_that_the_machine_lives(self, alice):
        fall_silent(alice, 0)
        mine(alice, 40, accepted=False)
        assert told(alice) == [OFFLINE, ONLINE]

    def test_a_user_who_was_not_told_of_the_silence_is_not_told_of_its_end(self, alice):
        NotificationPreferences.objects.filter(user=alice).update(in_app=False)
        fall_silent(alice, 0)
        NotificationPreferences.objects.filter(user=alice).update(in_app=True)
        mine(alice, 40)
        assert told(alice) == []

    def test_a_suspended_user_likewise(self, alice):
        User.objects.filter(pk=alice.pk).update(is_active=False)
        fall_silent(alice, 0)
        User.objects.filter(pk=alice.pk).update(is_active=True)
        mine(alice, 40)
        assert told(alice) == []

    def test_the_rate_of_a_silent_machine_does_not_count(self, alice):
        report_rate(alice, "1T")
        mine(alice, 0)
        job_at(31)
        report_rate(alice, "500G", 32)
        assert state() == (False, 0)
        mine(alice, 40)
        report_rate(alice, "900G", 41)
        assert state() == (True, 9e11)

    def test_what_is_sent_later_can_look_up_whether_the_silence_goes_on(self, alice):
        fall_silent(alice, 0)
        row, worker = Notification.objects.get(), Worker.objects.get()
        assert row.metadata == {
            "worker": "bitaxe-1", "minutes": 31, "worker_id": worker.pk, "silent_since": "2026-01-01T12:00:00+00:00",
        }  # fmt: skip
        assert is_silent(worker)
        presence(alice, "connected", 40)
        assert is_silent(worker)
        mine(alice, 41)
        assert not is_silent(worker)
        assert not mining.is_silence_news(user_id=alice.pk, name="bitaxe-1", worker_id=0)


@pytest.mark.django_db(transaction=True)
def test_several_consumers_and_jobs_tell_each_silence_and_each_return_once(at_once):
    users = [make_user() for _ in range(10)]
    for user in users:
        mine(user, 0)
    for round_ in range(3):
        start = round_ * 60
        batches = [[share(user, at=minute(start + 40)) for user in users] for _ in range(4)]
        results = at_once([partial(job_at, start + 31)] * 3)
        results += at_once([partial(happen, *batch) for batch in batches] + [partial(job_at, start + 41)] * 2)
        assert not [result for result in results if isinstance(result, Exception)]
        for user in users:
            assert kinds(user) == ["worker_offline", "worker_online"] * (round_ + 1)
            mine(user, start + 60)


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_is_deleted_while_it_mines_loses_no_share(at_once, alice):
    mine(alice, 0)
    for round_ in range(5):
        delete = partial(delete_worker, user_id=alice.pk, worker_id=Worker.objects.get().pk)
        batches = [[share(alice, at=minute(round_ + 1), sdiff=number + 1.0)] for number in range(4)]
        results = at_once([delete, *[partial(happen, *batch) for batch in batches], partial(job_at, round_)])
        assert not [result for result in results if isinstance(result, Exception)]
        mine(alice, round_ + 1.5)
    alice.game_state.refresh_from_db()
    assert alice.game_state.total_shares == 1 + 5 * 5


class TestJudgedByTheMachine:
    def rate_for(self, minutes, difficulty=1024):
        """The hashrate in H/s with which a share of this difficulty takes so many minutes on average."""
        return difficulty * HASHES_PER_DIFFICULTY / (minutes * 60)

    def silent_after(self, *, about):
        """The first minute in which the job takes the machine offline whose last share was at noon."""
        return next(number for number in range(about - 3, about + 4) if job_at(number))

    def test_a_share_every_35_minutes_tells_nothing(self, alice):
        report_rate(alice, self.rate_for(35))
        for number in range(0, 24 * 60, 35):
            mine(alice, number)
            for later in range(1, 36, 5):
                job_at(number + later)
            report_rate(alice, self.rate_for(35), number + 1)
        assert told(alice) == []
        assert state()[0]

    @pytest.mark.parametrize("rate_comes_first", [True, False])
    @pytest.mark.parametrize(
        ("mean", "minutes"), [(0.01, 30), (2, 30), (3, 30), (3.5, 35), (35, 350), (144, 1440), (500, 1440)]
    )
    def test_ten_times_the_mean_time_between_shares(self, alice, mean, minutes, rate_comes_first):
        if rate_comes_first:
            report_rate(alice, self.rate_for(mean))
        mine(alice, 0)
        report_rate(alice, self.rate_for(mean))
        assert self.silent_after(about=minutes) - minutes in (0, 1)
        # The quotient is exact only up to the last bits, so the minute of the border itself may fall either way.
        assert told(alice)[0].startswith("bitaxe-1 has been offline for ")
        assert int(told(alice)[0].split()[-2].replace(",", "")) - minutes in (0, 1)
        job_at(3000)
        assert len(told(alice)) == 1

    def test_the_rate_fades_in_silence_and_the_patience_does_not_grow(self, alice):
        report_rate(alice, self.rate_for(6))
        mine(alice, 0)
        for number in range(1, 60):
            report_rate(alice, self.rate_for(6) * 0.98**number, number)
        assert job_at(59) == 0
        assert self.silent_after(about=60) in (60, 61)

    def test_a_repeated_share_does_not_bring_the_faded_rate_in(self, alice):
        report_rate(alice, self.rate_for(6))
        mine(alice, 0)
        report_rate(alice, self.rate_for(60), 20)
        mine(alice, 0)
        assert self.silent_after(about=60) in (60, 61)

    def test_what_a_cooperative_counts_ends_with_the_machines_own_patience(self, alice):
        cooperative = make_cooperative(alice)
        report_rate(alice, self.rate_for(35))
        mine(alice, 0)
        for number, counted in ((340, self.rate_for(35)), (352, 0)):
            job_at(number)
            update_cooperative_stats(now=datetime.fromtimestamp(minute(number), UTC))
            cooperative.refresh_from_db()
            member = cooperative.members.get()
            assert cooperative.combined_hashrate == member.hashrate == pytest.approx(counted)
            assert member.is_online == bool(counted)

    def test_a_new_difficulty_counts_at_once(self, alice):
        report_rate(alice, self.rate_for(1))
        mine(alice, -1)
        mine(alice, 0, diff=1024 * 16)
        assert self.silent_after(about=160) in (160, 161)

    @pytest.mark.parametrize("rate", [None, 0])
    def test_without_a_rate_thirty_minutes(self, alice, rate):
        mine(alice, 0, diff=1e9)
        if rate is not None:
            report_rate(alice, rate)
        assert self.silent_after(about=31) == 31

    def test_a_stale_rate_counts_as_none(self, alice):
        report_rate(alice, self.rate_for(35), -24 * 60 - 1)
        mine(alice, 0)
        assert self.silent_after(about=31) == 31

    @pytest.mark.parametrize("difficulty", [5e-324, 1e-300, 1, 1e18])
    @pytest.mark.parametrize("rate", [5e-324, 1e-300, 1.0, 1e24])
    def test_absurd_values_are_judged_too(self, alice, difficulty, rate):
        report_rate(alice, rate)
        mine(alice, 0, diff=difficulty)
        assert job_at(30) == 0
        assert job_at(1441) == 1

    def test_a_difficulty_that_is_not_said_leaves_the_one_before(self, alice):
        report_rate(alice, self.rate_for(35))
        mine(alice, -1)
        mining.hear_shares({(alice.pk, "bitaxe-1"): mining.MachineNews(minute(0), 0.0, 0.0)})
        assert self.silent_after(about=350) in (350, 351)

    def test_a_healthy_machine_is_called_silent_less_than_once_in_20_000_shares(self, alice):
        """Draws the gaps between two million shares from the distribution that real ones have."""
        chance = random.Random(21)
        shares = alarms = 0
        for name, mean in (("slow", 5), ("slower", 35), ("slowest", 140)):
            report_rate(alice, self.rate_for(mean), worker=name)
            mine(alice, 0, worker=name)
            patience = self.silent_after(about=10 * mean)
            shares += 700_000
            alarms += sum(chance.expovariate(1 / mean) > patience for _ in range(700_000))
            Worker.objects.all().delete()
        assert 0 < alarms < shares / 20_000

    def test_the_days_rate_counts_if_it_is_lower(self, alice):
        data = {"user": alice.btc_address, "worker": "bitaxe-1"}
        rates = {"hashrate_1h": self.rate_for(10), "hashrate_1d": self.rate_for(35)}
        happen(entry("mining:hashrate_update", **data, **rates))
        mine(alice, 0)
        assert self.silent_after(about=350) in (350, 351)

    @pytest.mark.parametrize("day", [None, "", 0, "0", "nonsense", -1, 1e30, [], "1Z"])
    def test_a_days_rate_that_says_nothing_changes_nothing(self, alice, day):
        data = {"user": alice.btc_address, "worker": "bitaxe-1", "hashrate_1h": self.rate_for(10), "hashrate_1d": day}
        happen(entry("mining:hashrate_update", **data))
        mine(alice, 0)
        assert self.silent_after(about=100) in (100, 101)

    @pytest.mark.parametrize("mean", [3, 10, 35])
    def test_the_rates_that_a_pool_works_out_from_its_shares_raise_no_more_alarms(self, db, mean):
        """The pool's rates are averages that fade over an hour and a day, and each share makes them leap.

        The rule is tried as the statement has it, without events, because there are a quarter of a million of them.
        """
        chance = random.Random(1)
        hour = day = 1 / mean
        gaps, rates = [], []
        for _ in range(250_000):
            rates.append(min(hour, day) * 1024 * HASHES_PER_DIFFICULTY / 60)
            gaps.append(chance.expovariate(1 / mean))
            hour = (hour + 1 / 60) * math.exp(-gaps[-1] / 60)
            day = (day + 1 / 1440) * math.exp(-gaps[-1] / 1440)
        worker = "SELECT gap, rate AS rate_at_share, 1024 AS assigned_difficulty, NULL::int AS silent_after_minutes"
        ((alarms,),) = fetch(
            f"SELECT count(*) FROM ({worker} FROM unnest(%s::float8[], %s::float8[]) AS share (gap, rate)) AS worker "
            f"WHERE gap * 60 > {mining._SILENT_AFTER}",
            [gaps, rates],
        )
        assert 0 < alarms < len(gaps) / 20_000


class TestFlapping:
    def flap(self, user, *starts):
        for start in starts:
            fall_silent(user, start)
            mine(user, start + 40)

    def test_the_fourth_silence_within_a_day_is_told_as_such_and_the_next_ones_are_not_told(self, alice):
        self.flap(alice, *range(0, 600, 60))
        flapping = "bitaxe-1 has gone silent 4 times in the last 24 hours."
        assert told(alice) == [OFFLINE, ONLINE] * 3 + [flapping, ONLINE]

    def test_three_a_day_are_told_each(self, alice):
        self.flap(alice, *range(0, 5 * 1440, 480))
        assert told(alice) == [OFFLINE, ONLINE] * 15

    def test_after_a_day_without_a_silence_they_are_told_again(self, alice):
        self.flap(alice, 0, 60, 120, 180, 240, 300)
        before = len(told(alice))
        self.flap(alice, 300 + 1439)
        assert len(told(alice)) == before
        self.flap(alice, 300 + 1439 + 1440)
        assert told(alice)[before:] == [OFFLINE, ONLINE]

    def test_a_silence_that_was_held_back_is_told_when_it_has_gone_on_for_a_day(self, alice):
        self.flap(alice, 0, 60, 120, 180)
        before = len(told(alice))
        fall_silent(alice, 240)
        for number in (300, 1000, 240 + 1440):
            job_at(number)
        assert len(told(alice)) == before
        for number in (1, 2, 3):
            assert job_at(240 + 1440 + number) == 0
        assert told(alice)[before:] == ["bitaxe-1 has been offline for 1,441 minutes."]
        mine(alice, 3000)
        assert told(alice)[before + 1 :] == [ONLINE]
        self.flap(alice, 3001)
        assert told(alice)[before + 2 :] == [OFFLINE, ONLINE]

    def test_each_machine_is_counted_by_itself(self, alice):
        for name in ("a", "b"):
            for start in (0, 60, 120):
                mine(alice, start, worker=name)
        for start in (0, 60, 120):
            for name in ("a", "b"):
                mine(alice, 1000 + start, worker=name)
            job_at(1000 + start + 31)
        assert len([text for text in told(alice) if "offline for 31 minutes" in text]) == 6


class TestOwnWorkers:
    def test_the_list(self, alice, bob):
        mine(alice, 0, worker="rig-2", sdiff=5000.5)
        mine(alice, 1, worker="rig-2", sdiff=7000)
        mine(alice, 2, worker="rig-2", sdiff=9e9, accepted=False)
        report_rate(alice, "1.5T", 3, worker="rig-1")
        mine(bob, 0)
        ids = dict(Worker.objects.values_list("name", "pk"))

        assert client_of(alice).get(WORKERS).json() == {
            "workers": [
                {
                    "id": str(ids["rig-1"]), "name": "rig-1", "online": False, "last_share_at": None,
                    "hashrate": 1.5e12, "best_difficulty": 0, "alerts": True, "silent_after_minutes": None,
                },
                {
                    "id": str(ids["rig-2"]), "name": "rig-2", "online": True, "last_share_at": "2026-01-01T12:02:00Z",
                    "hashrate": 0, "best_difficulty": 7000, "alerts": True, "silent_after_minutes": None,
                },
            ],
            "total": 2, "page": 1, "per_page": 20,
        }  # fmt: skip
        page = client_of(alice).get(WORKERS, {"page": 2, "per_page": 1}).json()
        assert ([row["name"] for row in page["workers"]], page["total"], page["page"]) == (["rig-2"], 2, 2)
        assert client_of(alice).get(WORKERS, {"per_page": 0}).status_code == 400
        assert client_of(None).get(WORKERS).status_code == 401

    @pytest.mark.parametrize("count", [1, 30])
    def test_its_queries(self, alice, django_assert_num_queries, count):
        Worker.objects.bulk_create(Worker(user=alice, name=f"rig-{number}") for number in range(count))
        client = client_of(alice)
        client.get(WORKERS)
        with django_assert_num_queries(3):
            client.get(WORKERS)

    def patch(self, user, changes, worker=None):
        pk = (worker or Worker.objects.get()).pk
        return client_of(user).patch(f"{WORKERS}/{pk}", changes, format="json")

    def test_changes(self, alice):
        mine(alice, 0)
        answer = self.patch(alice, {"alerts": False})
        assert (answer.status_code, answer.json()) == (200, client_of(alice).get(WORKERS).json()["workers"][0])
        assert (answer.json()["alerts"], answer.json()["silent_after_minutes"]) == (False, None)
        answer = self.patch(alice, {"silent_after_minutes": 1440}).json()
        assert (answer["alerts"], answer["silent_after_minutes"]) == (False, 1440)
        answer = self.patch(alice, {"alerts": True, "silent_after_minutes": 30}).json()
        assert (answer["alerts"], answer["silent_after_minutes"]) == (True, 30)
        assert self.patch(alice, {}).json() == answer
        assert self.patch(alice, {"silent_after_minutes": None}).json()["silent_after_minutes"] is None

    @pytest.mark.parametrize(
        "changes",
        [
            {"alerts": None}, {"alerts": 1}, {"alerts": "true"}, {"silent_after_minutes": 29},
            {"silent_after_minutes": 1441}, {"silent_after_minutes": 30.5}, {"silent_after_minutes": 30.0},
            {"silent_after_minutes": "30"}, {"silent_after_minutes": True}, {"silent_after_minutes": 10**30},
            {"name": "x"}, {"alerts": False, "online": True}, [], "alerts",
        ],
    )  # fmt: skip
    def test_refused_changes(self, alice, changes):
        mine(alice, 0)
        before = Worker.objects.values().get()
        answer = self.patch(alice, changes)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_input")
        assert Worker.objects.values().get() == before

    @pytest.mark.parametrize(("method", "body"), [("patch", {"alerts": False}), ("delete", None)])
    def test_somebody_elses_and_absent_ones_are_refused_alike(self, alice, bob, method, body):
        mine(alice, 0)
        before = Worker.objects.values().get()
        answers = [
            getattr(client_of(bob), method)(f"{WORKERS}/{pk}", body, format="json")
            for pk in (before["id"], before["id"] + 1, 10**17)
        ]
        assert {(answer.status_code, answer.content) for answer in answers} == {(404, answers[0].content)}
        assert answers[0].json()["code"] == "worker_not_found"
        assert getattr(client_of(None), method)(f"{WORKERS}/{before['id']}").status_code == 401
        assert Worker.objects.values().get() == before

    @pytest.mark.parametrize("pk", ["x", "-1", "1.5", "9" * 40, "1e3", "%00"])
    def test_what_is_no_id_is_not_found(self, alice, pk):
        answer = client_of(alice).delete(f"{WORKERS}/{pk}")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")

    def test_a_deleted_worker_comes_back_with_its_next_share_and_its_shares_stay_counted(self, alice):
        mine(alice, 0)
        self.patch(alice, {"alerts": False, "silent_after_minutes": 60})
        pk = Worker.objects.get().pk
        assert client_of(alice).delete(f"{WORKERS}/{pk}").status_code == 204
        assert client_of(alice).delete(f"{WORKERS}/{pk}").status_code == 404
        assert client_of(alice).get(WORKERS).json()["total"] == 0

        report_rate(alice, 0, 1)
        presence(alice, "disconnected", 2)
        assert not Worker.objects.exists()
        mine(alice, 3)
        row = client_of(alice).get(WORKERS).json()["workers"][0]
        assert (row["id"] != str(pk), row["alerts"], row["silent_after_minutes"]) == (True, True, None)
        alice.game_state.refresh_from_db()
        assert alice.game_state.total_shares == 2
        assert told(alice) == []

    def test_the_owners_minutes_come_before_the_rule(self, alice):
        report_rate(alice, 1024 * HASHES_PER_DIFFICULTY / (35 * 60))
        mine(alice, 0)
        self.patch(alice, {"silent_after_minutes": 45})
        assert job_at(45) == 0
        assert job_at(46) == 1
        assert told(alice) == ["bitaxe-1 has been offline for 46 minutes."]

    def test_without_alerts_the_state_changes_and_nothing_is_told(self, alice):
        mine(alice, 0)
        self.patch(alice, {"alerts": False})
        assert job_at(31) == 1
        assert state() == (False, 0)
        mine(alice, 40)
        assert state()[0]
        assert told(alice) == []

    def test_a_silence_that_began_without_alerts_is_not_told_later(self, alice):
        mine(alice, 0)
        self.patch(alice, {"alerts": False})
        job_at(31)
        self.patch(alice, {"alerts": True})
        for number in (32, 2000):
            assert job_at(number) == 0
        mine(alice, 2001)
        assert told(alice) == []
        fall_silent(alice, 2002)
        assert told(alice) == [OFFLINE]

    def test_a_silence_that_was_told_has_no_all_clear_without_alerts(self, alice):
        fall_silent(alice, 0)
        self.patch(alice, {"alerts": False})
        mine(alice, 40)
        self.patch(alice, {"alerts": True})
        mine(alice, 41)
        assert told(alice) == [OFFLINE]

    def test_and_has_one_if_they_are_on_again_by_then(self, alice):
        fall_silent(alice, 0)
        self.patch(alice, {"alerts": False})
        self.patch(alice, {"alerts": True})
        mine(alice, 40)
        assert told(alice) == [OFFLINE, ONLINE]

    def test_silences_without_alerts_do_not_make_a_machine_flap(self, alice):
        mine(alice, 0)
        self.patch(alice, {"alerts": False})
        job_at(31)
        for start in range(60, 400, 60):
            fall_silent(alice, start)
        self.patch(alice, {"alerts": True})
        mine(alice, 420)
        fall_silent(alice, 430)
        assert told(alice) == [OFFLINE]


def test_news_without_a_machine_makes_no_worker(alice):
    from bitcoingame.events.effects import Effects, Fact
    from bitcoingame.events.mining import Presence, Share, handle_presence, handle_shares

    handle_shares([Fact(alice.pk, NOON, "1-1", Share(alice.pk, None, 1024, 2048, True))], Effects())
    handle_presence([Fact(alice.pk, NOON, "1-2", Presence(alice.pk, None, True))], Effects())
    alice.game_state.refresh_from_db()
    assert alice.game_state.total_shares == 1
    assert not Worker.objects.exists()


HAPPENINGS = st.sampled_from(["share", "connected", "disconnected", "rate", "job", "job"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(HAPPENINGS, st.integers(0, 200), st.integers(0, 60)), max_size=40))
def test_whatever_happens_the_newest_word_is_true(db, history):
    """Events come up to an hour late and in any order. `job` stands twice, because it runs more often than all else."""
    with transaction.atomic():
        user = make_user()
        now = 0
        mine(user, 0)
        for happening, pause, late in history:
            now += pause
            match happening:
                case "share":
                    mine(user, now - late)
                case "rate":
                    report_rate(user, 1e9 if late < 30 else 0, now - late)
                case "job":
                    job_at(now)
                case _:
                    presence(user, happening, now - late)
            said = kinds(user)
            # Each silence that is told begins with its word and ends with one all-clear.
            assert said == (["worker_offline", "worker_online"] * len(said))[: len(said)]
            worker = Worker.objects.get(user=user)
            if said[-1:] == ["worker_offline"]:
                assert is_silent(worker)
            elif is_silent(worker):
                assert worker.silence_news == "held"
        job_at(now)
        worker = Worker.objects.get(user=user)
        quiet_for = now * 60 - (worker.last_share_at.timestamp() - NOON)
        assert (quiet_for <= 24 * 3600) or is_silent(worker)
        transaction.set_rollback(True)
