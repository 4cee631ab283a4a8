"""The shapes of the notification endpoints."""

from typing import Any

from rest_framework import serializers

from bitcoingame.core.api.pages import PageQuery
from bitcoingame.core.api.serializers import IdField, ReadSerializer, StrictCharField
from notifications.models import TYPES


class NotificationQuery(PageQuery):
    type = serializers.ChoiceField(choices=TYPES, required=False)
    unread = serializers.ChoiceField(choices=["true", "false"], required=False)
    before = IdField(required=False, help_text="Only those older than this one: for a scroll that does not shift.")


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
