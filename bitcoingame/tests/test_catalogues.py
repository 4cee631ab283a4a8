"""Each kind of notification and of activity has an event, a service or a job that creates it."""

from datetime import UTC, datetime

import pytest

from bitcoingame.tests.platform import NOON, entry, happen, platform_event, share
from conftest import make_cooperative
from notifications.kinds import CATALOGUE
from notifications.models import Broadcast, Notification
from notifications.reminders import tell_silent_workers, warn_of_ending_streaks
from profiles.models import NotificationPreferences, User
from social.activity import TITLES
from social.models import UserActivity
from social.moderation import suspend_cooperative
from social.services import remove_member

SUNDAY = datetime(2026, 1, 11, 18, tzinfo=UTC)
pytestmark = pytest.mark.django_db


def want_everything():
    switches = [kind.preference for kind in CATALOGUE.values() if kind.preference]
    NotificationPreferences.objects.update(**dict.fromkeys(switches, True))


def test_both_tables_are_brought_about_to_the_last_row(alice, bob):
    want_everything()
    staff = User.objects.create_staff("mona")
    cooperative = make_cooperative(alice, bob)
    user = {"user": alice.btc_address}
    machine = {**user, "worker": "bitaxe-1"}
    match = {"match_id": "m", "team_a": "A", "team_b": "B", "score_a": 1, "score_b": 0, "user_ids": [alice.pk]}
    happen(
        share(alice, diff=1, sdiff=100),
        entry("mining:miner_disconnected", **machine),
        entry("mining:miner_connected", **machine),
        entry("mining:hashrate_update", **machine, hashrate_1h="1T"),
        entry("mining:share_best_diff", **machine, new_best=5, prev_best=1, timeframe="alltime"),
        entry("mining:block_found", **machine, height=1, hash="00", reward_sats=1),
        platform_event("badge_earned", **user, badge_slug="b", badge_name="B", xp_reward=1, description="d"),
        platform_event("level_up", **user, old_level=1, new_level=2, title="T"),
        platform_event("streak_extended", **user, streak_weeks=4),
        platform_event("streak_milestone", **user, streak_weeks=4),
        platform_event("game_played", **user, game_type="dice"),
        platform_event("lottery_results", **user, rank=1, week_iso="2026-W01"),
        platform_event("match_starting", **match),
        platform_event("match_result", **match),
        platform_event("leaderboard_change", **user, old_rank=9, new_rank=1, period="weekly"),
        platform_event("worldcup_registered", **user, country_code="PT"),
        platform_event("education_recommendation", **user, lesson="l", title="L"),
        platform_event("maintenance", description="We move."),
        platform_event("user_onboarded", **user),
    )
    tell_silent_workers(now=datetime.fromtimestamp(NOON + 3600, UTC))
    happen(share(alice, at=NOON + 7200))
    warn_of_ending_streaks(now=SUNDAY)
    remove_member(actor=alice, cooperative_id=cooperative.pk, user_id=bob.pk)
    suspend_cooperative(staff=staff, reason="A test.", cooperative_id=cooperative.pk)

    announced = set(Broadcast.objects.values_list("kind", flat=True))
    told = set(Notification.objects.values_list("subtype", flat=True))
    assert announced == {"block_found", "maintenance"}
    assert told | announced == CATALOGUE.keys()
    assert set(UserActivity.objects.values_list("activity_type", flat=True)) == TITLES.keys()
