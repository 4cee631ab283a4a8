"""The shapes of profiles' requests and answers. Settings travel under the dashboard's own camelCase keys."""

import re
from collections.abc import Iterable
from itertools import chain
from typing import Any

import orjson
from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from bitcoingame.core.api.serializers import (
    IdField,
    NameField,
    ReadSerializer,
    StrictBooleanField,
    StrictCharField,
    WholeNumberField,
)
from profiles.email_addresses import MAX_LENGTH as MAX_EMAIL_LENGTH
from profiles.email_addresses import BadEmail, clean_email
from profiles.models import MAX_SECTION_BYTES, PAUSED, DashboardSettings, User

NAME_LENGTH = 64
MAX_SECTION_DEPTH = 16
KEPT_HELP = (
    f"The dashboard's own: kept as it comes, {MAX_SECTION_BYTES} bytes of compact JSON at most. Keys left out stay; "
    "null empties the section."
)


class CountryCodeField(StrictCharField):
    default_error_messages = {"invalid_country": "This must be a two-letter country code, such as DE."}

    def to_internal_value(self, data: Any) -> str:
        code = super().to_internal_value(data).upper()
        if not re.fullmatch("[A-Z]{2}", code):
            self.fail("invalid_country")
        return code


class MeForm(serializers.Serializer[Any]):
    display_name = NameField(min_length=1, max_length=NAME_LENGTH, required=False, allow_null=True)
    country_code = CountryCodeField(required=False, allow_null=True)


class MeOut(ReadSerializer):
    id = IdField()
    btc_address = serializers.CharField()
    display_name = serializers.CharField(help_text="The chosen name, or `Miner-` and the start of the address.")
    country_code = serializers.CharField(allow_null=True)
    member_since = serializers.DateTimeField(source="created_at")


class ProfileOut(ReadSerializer):
    display_name = serializers.CharField()
    btc_address = serializers.CharField()
    level = serializers.IntegerField()
    level_title = serializers.CharField()
    badges_earned = serializers.IntegerField()
    member_since = serializers.DateTimeField(source="created_at")
    country_code = serializers.CharField(allow_null=True, help_text="Null too where the flag is hidden.")


class ProfileStatsOut(ReadSerializer):
    best_difficulty = serializers.FloatField()
    total_shares = serializers.IntegerField()
    blocks_found = serializers.IntegerField()
    current_streak = serializers.IntegerField(help_text="In weeks.")
    badges = serializers.ListField(child=serializers.CharField(), help_text="Slugs, in the order earned.")


class MailboxField(StrictCharField):
    """An e-mail address we would mail to. No address is written as ""; null is taken for it too."""

    def get_attribute(self, instance: Any) -> Any:
        return super().get_attribute(instance) or ""

    def run_validation(self, data: Any = serializers.empty) -> Any:
        return super().run_validation(None if data == "" else data)

    def to_internal_value(self, data: Any) -> str:
        try:
            return clean_email(super().to_internal_value(data))
        except BadEmail as error:
            raise serializers.ValidationError(str(error)) from None


class SectionSerializer(serializers.Serializer[Any]):
    """One section of the settings. A key it does not have is refused: nothing is silently not saved.

    What is read-only may be sent back, because dashboards send a whole section; it changes nothing.
    """

    def to_internal_value(self, data: Any) -> Any:
        unknown = set(data) - set(self.fields) if isinstance(data, dict) else set()
        if unknown:
            raise serializers.ValidationError({key: ["There is no such setting."] for key in sorted(unknown)})
        return super().to_internal_value(data)


class NotificationSettings(SectionSerializer):
    personalBest = StrictBooleanField(source="personal_best")
    badgeEarned = StrictBooleanField(source="badge_earned")
    educationRecommendation = StrictBooleanField(source="education_recommendation")
    worldCupMatch = StrictBooleanField(source="world_cup_match")
    lotteryResults = StrictBooleanField(source="lottery_results")
    leaderboardChange = StrictBooleanField(source="leaderboard_change")
    blockFoundAny = StrictBooleanField(source="block_found_any")
    coopActivity = StrictBooleanField(source="coop_activity")
    inApp = StrictBooleanField(source="in_app")
    browserPush = StrictBooleanField(source="browser_push")
    emailNotifications = StrictBooleanField(source="email_notifications")
    email = MailboxField(allow_null=True, max_length=MAX_EMAIL_LENGTH, help_text='"" is no address.')
    emailConfirmed = serializers.BooleanField(
        source="is_email_confirmed",
        read_only=True,
        help_text="Whether we mail to the address: only once its owner followed the link we sent.",
    )
    emailPaused = serializers.ChoiceField(
        source="email_paused",
        choices=PAUSED,
        allow_null=True,
        read_only=True,
        help_text="Why nothing is mailed until the address is confirmed again; null if nothing is wrong.",
    )


class PrivacySettings(SectionSerializer):
    publicProfile = StrictBooleanField(source="public_profile")
    showOnLeaderboard = StrictBooleanField(source="show_on_leaderboard")
    showCountryFlag = StrictBooleanField(source="show_country_flag")
    showInCoopRankings = StrictBooleanField(source="show_in_coop_rankings")


class KeptSection(serializers.DictField):
    """A section that the dashboard keeps here: any JSON object of a bounded depth, without NUL characters."""

    default_error_messages = {
        "not_a_dict": "This must be a JSON object.",
        "too_deep": f"This may be nested {MAX_SECTION_DEPTH} levels deep at most.",
        "nul": "This may not contain NUL characters.",
    }

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, dict):
            self.fail("not_a_dict")
        level: list[Any] = [data]
        for _ in range(MAX_SECTION_DEPTH):
            level = [inner for value in level for inner in _parts_of(value)]
            if any(isinstance(value, str) and "\0" in value for value in level):
                self.fail("nul")
        if any(isinstance(value, dict | list) for value in level):
            self.fail("too_deep")
        return data


def _parts_of(value: Any) -> Iterable[Any]:
    """The keys and values of an object, the items of a list; nothing of any other value."""
    if isinstance(value, dict):
        return chain(value.keys(), value.values())
    return value if isinstance(value, list) else ()


class SettingsForm(serializers.Serializer[Any]):
    notifications = NotificationSettings(required=False)
    privacy = PrivacySettings(required=False)
    mining = KeptSection(required=False, allow_null=True, help_text=KEPT_HELP)
    sound = KeptSection(required=False, allow_null=True, help_text=KEPT_HELP)


class SettingsOut(serializers.Serializer[Any]):
    notifications = NotificationSettings()
    privacy = PrivacySettings()
    mining = serializers.DictField(help_text="As the dashboard sent it.")
    sound = serializers.DictField(help_text="As the dashboard sent it.")


class WorkerForm(serializers.Serializer[Any]):
    alerts = StrictBooleanField(required=False, help_text="Whether a notification says that it is silent, or back.")
    silent_after_minutes = WholeNumberField(
        min_value=30, max_value=1440, allow_null=True, required=False, help_text="Null: the service works it out."
    )


class WorkerOut(ReadSerializer):
    id = IdField()
    name = serializers.CharField()
    online = serializers.BooleanField(source="is_online", help_text="Whether it mines, or has just connected.")
    last_share_at = serializers.DateTimeField(allow_null=True)
    hashrate = serializers.FloatField(source="hashrate_1h", help_text="Over the last hour, in H/s.")
    best_difficulty = serializers.FloatField(help_text="The best share of this worker.")
    alerts = serializers.BooleanField()
    silent_after_minutes = serializers.IntegerField(allow_null=True)


@extend_schema_serializer(many=False)
class WorkerListOut(serializers.Serializer[Any]):
    workers = WorkerOut(many=True)
    total = serializers.IntegerField()
    page = serializers.IntegerField()
    per_page = serializers.IntegerField()


def settings_of(user: User) -> dict[str, Any]:
    """All sections of the settings. The user is loaded with notification_preferences and dashboard_settings."""
    kept = getattr(user, "dashboard_settings", None) or DashboardSettings()
    return {
        "notifications": NotificationSettings(user.notification_preferences).data,
        "privacy": PrivacySettings(user).data,
        "mining": orjson.loads(kept.mining),
        "sound": orjson.loads(kept.sound),
    }


def me_of(user: User) -> dict[str, Any]:
    """The user as MeOut describes them."""
    return MeOut.of(
        {
            "id": user.pk,
            "btc_address": user.btc_address,
            "display_name": user.shown_name,
            "country_code": user.country_code,
            "created_at": user.created_at,
        }
    )
