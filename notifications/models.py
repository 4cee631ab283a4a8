"""Stored notifications and the per-user counters that give each its place (spec section 4)."""

from django.db import models
from django.db.models.functions import Now

from bitcoingame.fields import CascadingKey, CascadingOneToOne
from profiles.models import User

TYPES = ("mining", "gamification", "competition", "social", "system")


class NotificationCounter(models.Model):
    """The user's last seq and the exact number of unread rows, changed in the transaction that changes the rows.

    A trigger on users inserts it, so that every recipient has a row to lock.
    """

    user = CascadingOneToOne(User, primary_key=True, related_name="notification_counter")
    last_seq = models.BigIntegerField(default=0, db_default=0)
    unread = models.IntegerField(default=0, db_default=0)

    class Meta:
        db_table = "notification_counters"
        constraints = [models.CheckConstraint(condition=models.Q(unread__gte=0), name="unread_is_never_negative")]

    def __str__(self) -> str:
        return f"user {self.user_id}: {self.unread} unread"


class Notification(models.Model):
    """One stored notification. seq is the user's own counter, 1, 2, 3 … in order of commit: the only safe cursor."""

    user = CascadingKey(User, related_name="notifications", db_index=False)
    seq = models.BigIntegerField()
    type = models.CharField(max_length=32)
    subtype = models.CharField(max_length=64)
    title = models.CharField(max_length=256)
    description = models.TextField(null=True, blank=True)
    read = models.BooleanField(default=False, db_default=False)
    action_url = models.CharField(max_length=256, null=True, blank=True)
    action_label = models.CharField(max_length=64, null=True, blank=True)
    metadata = models.JSONField(default=dict, db_default={})
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "notifications"
        indexes = [
            models.Index(fields=["user"], name="idx_notifications_user"),
            models.Index(fields=["user", "read"], name="idx_notifications_unread", condition=models.Q(read=False)),
            models.Index(fields=["created_at"], name="idx_notifications_created"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["user", "seq"], name="seq_counts_each_users_notifications"),
            models.CheckConstraint(condition=models.Q(type__in=TYPES), name="type_is_one_of_the_five"),
        ]

    def __str__(self) -> str:
        return self.title
