"""The statistics against a slow and obvious model of them, over random histories."""

from collections import defaultdict
from datetime import UTC, datetime, time, timedelta

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conftest import make_cooperative, make_user
from profiles.models import DailyShares, Worker
from social import services, statistics
from social.errors import AlreadyMember, NotAMember
from social.models import Cooperative, CooperativeMember, CooperativeWeek, HashrateSample

# A Friday: the histories run over the end of a 53-week year.
START = datetime(2026, 12, 18, 12, tzinfo=UTC)
PEOPLE = 6
COOPERATIVES = 4


class Model:
    """Keeps everything in dictionaries, computes with nested loops, and remembers only what the rules say is kept."""

    def __init__(self):
        self.now = START
        self.last_run_at = None
        self.shares = defaultdict(int)
        self.best = defaultdict(float)
        self.rates = defaultdict(dict)
        self.online = defaultdict(dict)
        self.seats = {}
        self.is_active = {}
        self.weeks = defaultdict(set)
        self.records = defaultdict(float)
        self.samples = {}
        self.members = {}
        self.standing = {}

    def run(self):
        monday = monday_of(self.now.date())
        since = (self.last_run_at or self.now) - timedelta(days=1)
        week = monday_of(since.date())
        while week <= monday:
            for cooperative in self.is_active:
                self.close(cooperative, week)
            week += timedelta(days=7)
        self.members = {
            user: (sum_of(self.rates[user]), self.shares[user, self.now.date()], any(self.online[user].values()))
            for user in self.seats
        }
        self.standing = {cooperative: self.standing_of(cooperative, monday) for cooperative in self.is_active}
        for place, (*_, cooperative) in enumerate(self.ranking(), start=1):
            self.standing[cooperative][-1] = place
        for cooperative in self.is_active:
            if self.people_of(cooperative):
                self.samples.setdefault((cooperative, self.now.replace(minute=0)), self.standing[cooperative][0])
        self.last_run_at = self.now

    def close(self, cooperative, week):
        next_week = datetime.combine(week + timedelta(days=7), time(), UTC)
        people = [user for user in self.people_of(cooperative) if self.seats[user][1] < next_week]
        days = [day for day in days_of(week) if day <= self.now.date()]
        if any(self.shares[user, day] for user in people for day in days):
            self.weeks[cooperative].add(week)
        total = 0.0
        for user in people:
            total += max(self.best[user, day] for day in days)
        self.records[cooperative] = max(self.records[cooperative], total)

    def standing_of(self, cooperative, monday):
        people = self.people_of(cooperative)
        rate = 0.0
        for user in people:
            rate += sum_of(self.rates[user])
        shares = sum(self.shares[user, day] for user in people for day in days_of(monday) if day <= self.now.date())
        week = monday if monday in self.weeks[cooperative] else monday - timedelta(days=7)
        return [rate, shares, self.records[cooperative], self.streak_until(cooperative, week), 0]

    def streak_until(self, cooperative, week):
        streak = 0
        while week in self.weeks[cooperative]:
            streak, week = streak + 1, week - timedelta(days=7)
        return streak

    def ranking(self):
        return sorted(
            (-shares, -rate, cooperative)
            for cooperative, (rate, shares, *_) in self.standing.items()
            if self.is_active[cooperative] and shares
        )

    def people_of(self, cooperative):
        return sorted(user for user, (seat, _) in self.seats.items() if seat == cooperative)


def monday_of(day):
    while day.isoweekday() != 1:
        day -= timedelta(days=1)
    return day


def days_of(monday):
    return [monday + timedelta(days=number) for number in range(7)]


def sum_of(rates):
    total = 0.0
    for _, rate in sorted(rates.items()):
        total += rate
    return total


class World:
    """One history. Each step of it happens in the service and in the model."""

    def __init__(self):
        self.model = Model()
        self.people = [make_user() for _ in range(PEOPLE)]
        self.cooperatives = []
        for founder in self.people[:COOPERATIVES]:
            cooperative = make_cooperative(founder)
            self.cooperatives.append(cooperative)
            self.model.is_active[cooperative.pk] = True
            self.seat(founder, cooperative)

    def seat(self, user, cooperative):
        self.model.seats[user.pk] = (cooperative.pk, self.model.now)
        CooperativeMember.objects.filter(user=user).update(joined_at=self.model.now)

    def join(self, person, cooperative):
        user, cooperative = self.people[person], self.cooperatives[cooperative]
        cooperative.refresh_from_db()
        if not cooperative.is_active:
            return
        try:
            services.join_cooperative(user=user, invite_code=cooperative.invite_code)
        except AlreadyMember:
            return
        self.seat(user, cooperative)

    def leave(self, person):
        user = self.people[person]
        try:
            cooperative = services.leave_cooperative(user=user)
        except NotAMember:
            return
        del self.model.seats[user.pk]
        self.model.is_active[cooperative.pk] = bool(
            self.model.people_of(cooperative.pk) and self.model.is_active[cooperative.pk]
        )

    def mine(self, person, days_ago, shares, best):
        user, day = self.people[person], self.model.now.date() - timedelta(days=days_ago)
        self.model.shares[user.pk, day] += shares
        self.model.best[user.pk, day] = max(best, self.model.best[user.pk, day])
        DailyShares.objects.update_or_create(
            user=user,
            day=day,
            defaults={"shares": self.model.shares[user.pk, day], "best_difficulty": self.model.best[user.pk, day]},
        )

    def report(self, person, machine, rate, online):
        user = self.people[person]
        worker, _ = Worker.objects.update_or_create(
            user=user, name=f"rig-{machine}", defaults={"hashrate_1h": rate, "is_online": online}
        )
        self.model.rates[user.pk][worker.name] = rate
        self.model.online[user.pk][worker.name] = online

    def suspend(self, cooperative, is_active):
        cooperative = self.cooperatives[cooperative]
        if self.model.people_of(cooperative.pk):
            Cooperative.objects.filter(pk=cooperative.pk).update(is_active=is_active)
            self.model.is_active[cooperative.pk] = is_active

    def wait(self, hours):
        self.model.now += timedelta(hours=hours)

    def run(self):
        statistics.update_cooperative_stats(now=self.model.now, since=self.model.last_run_at)
        self.model.run()
        self.compare()
        again = statistics.update_cooperative_stats(now=self.model.now, since=self.model.last_run_at)
        assert again == statistics.Refreshed()

    def compare(self):
        columns = ("combined_hashrate", "total_shares_week", "best_combined_diff", "weekly_streak", "weekly_rank")
        stored = {pk: values for pk, *values in Cooperative.objects.values_list("pk", *columns)}
        assert stored == self.model.standing
        seats = CooperativeMember.objects.values_list("user_id", "hashrate", "shares_today", "is_online")
        assert {user: tuple(values) for user, *values in seats} == self.model.members
        weeks = defaultdict(set)
        for cooperative, week, streak in CooperativeWeek.objects.values_list("cooperative_id", "week", "streak"):
            weeks[cooperative].add(week)
            assert streak == self.model.streak_until(cooperative, week)
        assert weeks == {cooperative: found for cooperative, found in self.model.weeks.items() if found}
        samples = HashrateSample.objects.values_list("cooperative_id", "sampled_at", "hashrate")
        assert {(cooperative, hour): rate for cooperative, hour, rate in samples} == self.model.samples


people = st.integers(0, PEOPLE - 1)
cooperatives = st.integers(0, COOPERATIVES - 1)
amounts = st.floats(0, 1e15, allow_subnormal=False)
steps = st.one_of(
    st.tuples(st.just("join"), people, cooperatives),
    st.tuples(st.just("leave"), people),
    st.tuples(st.just("mine"), people, st.integers(-1, 9), st.integers(0, 5), amounts),
    st.tuples(st.just("report"), people, st.integers(0, 2), amounts, st.booleans()),
    st.tuples(st.just("suspend"), cooperatives, st.booleans()),
    st.tuples(st.just("wait"), st.integers(1, 200)),
    st.tuples(st.just("run")),
)


class Undo(Exception):
    pass


@pytest.mark.django_db
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=st.lists(steps, max_size=25))
def test_any_history_gives_what_the_model_gives(history):
    try:
        with transaction.atomic():
            world = World()
            for step, *arguments in history:
                getattr(world, step)(*arguments)
            world.run()
            raise Undo
    except Undo:
        pass
