"""The shapes of the notification endpoints."""

from typing import Any

from rest_framework import serializers

from bitcoingame.core.api.pages import PageQuery
from bitcoingame.core.api.serializers import IdField, ReadSerializer, StrictCharField
from notifications.models import TYPES

BEFORE_HELP = (
    "Only those older than the one with this id: for a scroll that does not shift. That one may be deleted meanwhile; "
    "another user's is refused (404)."
)


class NotificationQuery(PageQuery):
    type = serializers.ChoiceField(choices=TYPES, required=False)
    unread = serializers.ChoiceField(choices=["true", "false"], required=False)
    before = IdField(required=False, help_text=BEFORE_HELP)


class ReadAllQuery(serializers.Serializer[Any]):
    type = serializers.ChoiceField(choices=TYPES, required=False)
    before = IdField(required=False, help_text=BEFORE_HELP)


class NotificationOut(ReadSerializer):
    id = IdField()
    type = serializers.ChoiceField(choices=TYPES)
    subtype = serializers.CharField()
    title = serializers.CharField()
    description = serializers.CharField(allow_null=True)
    timestamp = serializers.DateTimeField(source="created_at")
    read = serializers.BooleanField()
    action_url = serializers.CharField(allow_null=True, help_text="A page of the dashboard.")
    action_label = serializers.CharField(allow_null=True)


class NotificationListOut(serializers.Serializer[Any]):
    notifications = NotificationOut(many=True)
    total = serializers.IntegerField(help_text="Of the type and the unread, if asked for; `before` does not change it.")
    page = serializers.IntegerField()
    per_page = serializers.IntegerField()


class UnreadCountOut(serializers.Serializer[Any]):
    unread_count = serializers.IntegerField()


class TokenQuery(serializers.Serializer[Any]):
    token = StrictCharField(max_length=128)


class UnsubscribeForm(serializers.Serializer[Any]):
    """What mail services post by RFC 8058. The page's own button posts nothing."""

    def get_fields(self) -> dict[str, Any]:
        """The field's name is no name in Python."""
        return {"List-Unsubscribe": serializers.CharField(required=False)}
