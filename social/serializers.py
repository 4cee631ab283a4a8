"""The shapes of social's requests and answers."""

from typing import Any

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from bitcoingame.core.api.pages import PageQuery
from bitcoingame.core.api.serializers import IdField, LineField, NameField, ReadSerializer, StrictCharField

NAME_BOUNDS = {"min_length": 2, "max_length": 64}
MOTTO_LENGTH = 256
HOURS_OF_WINDOW = {"24h": 24, "7d": 7 * 24, "30d": 30 * 24}


class CooperativeForm(serializers.Serializer[Any]):
    name = NameField(**NAME_BOUNDS)
    motto = LineField(max_length=MOTTO_LENGTH, required=False, allow_null=True)

    def to_internal_value(self, data: Any) -> Any:
        """An emptied text field means no motto."""
        if isinstance(data, dict) and isinstance(data.get("motto"), str) and not data["motto"].strip():
            data = {**data, "motto": None}
        return super().to_internal_value(data)


class InviteCodeForm(serializers.Serializer[Any]):
    invite_code = StrictCharField(allow_blank=True)


class MemberForm(serializers.Serializer[Any]):
    user_id = IdField()


class NameQuery(serializers.Serializer[Any]):
    name = NameField(**NAME_BOUNDS)


class CooperativeQuery(PageQuery):
    search = LineField(max_length=64, required=False)


class MemberOut(ReadSerializer):
    user_id = IdField()
    display_name = serializers.CharField(help_text="Their name, or `Miner-` and the start of their address.")
    hashrate = serializers.FloatField(help_text="H/s, the sum of their workers' 1h rates.")
    shares_today = serializers.IntegerField(help_text="Accepted shares of this UTC day.")
    is_online = serializers.BooleanField()
    role = serializers.ChoiceField(choices=["admin", "member"])


class CooperativeOut(ReadSerializer):
    id = IdField()
    name = serializers.CharField()
    motto = serializers.CharField(allow_null=True)
    member_count = serializers.IntegerField(help_text="Of at most 20; private members count too.")
    combined_hashrate = serializers.FloatField(help_text="H/s")
    weekly_streak = serializers.IntegerField(help_text="Consecutive ISO weeks with a share.")
    best_combined_diff = serializers.FloatField()
    blocks_found = serializers.IntegerField()
    total_shares_week = serializers.IntegerField(help_text="Accepted shares of this ISO week (UTC).")
    weekly_rank = serializers.IntegerField(help_text="1 is the best; 0 while unranked.")
    is_active = serializers.BooleanField(help_text="False while staff have suspended it; only its members see it then.")
    members = MemberOut(many=True, help_text="Empty in lists; outsiders see only members who are public.")
    invite_code = serializers.CharField(allow_null=True, help_text="Null unless the asker is a member.")


@extend_schema_serializer(many=False)
class CooperativeListOut(serializers.Serializer[Any]):
    cooperatives = CooperativeOut(many=True)
    total = serializers.IntegerField()
    page = serializers.IntegerField()
    per_page = serializers.IntegerField()


class CooperativeStatsOut(ReadSerializer):
    combined_hashrate = serializers.FloatField(help_text="H/s")
    total_shares_week = serializers.IntegerField()
    member_count = serializers.IntegerField()
    online_count = serializers.IntegerField()
    blocks_found = serializers.IntegerField()
    weekly_streak = serializers.IntegerField()
    best_combined_diff = serializers.FloatField()
    weekly_rank = serializers.IntegerField()


class HashrateQuery(serializers.Serializer[Any]):
    window = serializers.ChoiceField(choices=list(HOURS_OF_WINDOW), default="24h")


class HashratePointOut(ReadSerializer):
    time = serializers.DateTimeField(help_text="The beginning of the hour, UTC.")
    value = serializers.FloatField(help_text="H/s; an hour without a sample repeats the one before.")


class HashratesOut(serializers.Serializer[Any]):
    window = serializers.ChoiceField(choices=list(HOURS_OF_WINDOW))
    points = HashratePointOut(many=True)


class InvitationOut(CooperativeOut):
    max_members = serializers.IntegerField()


class InviteCodeOut(serializers.Serializer[Any]):
    invite_code = serializers.CharField()


class NameAvailableOut(serializers.Serializer[Any]):
    available = serializers.BooleanField()


class ActivityQuery(PageQuery):
    before = IdField(
        required=False,
        help_text="Only those older than the one with this id: for a scroll that does not shift. Another user's is "
        "refused (404).",
    )


class ActivityOut(ReadSerializer):
    id = IdField()
    type = serializers.CharField(source="activity_type")
    title = serializers.CharField()
    description = serializers.CharField()
    timestamp = serializers.DateTimeField(source="created_at")
    metadata = serializers.DictField()


class ActivityFeedOut(serializers.Serializer[Any]):
    activities = ActivityOut(many=True)
    total = serializers.IntegerField()
    page = serializers.IntegerField()
    per_page = serializers.IntegerField()
