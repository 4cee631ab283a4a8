"""Notifications, announcements, e-mails, and the counters that number each user's notifications."""

from uuid import uuid4

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from bitcoingame.core.postgresql.cascades import CascadingKey, CascadingOneToOne
from profiles.models import User

MAX_CAUSE = 128
# A user is called by a display name, by the start of an address or, among staff, by a username, which may be longest.
MAX_NAME = 150
TYPES = ("mining", "gamification", "competition", "social", "system")


def no_rows() -> list[int]:
    """The counts of a user without notifications."""
    return [0] * len(TYPES)


def all_or_none(name: str, *columns: str) -> models.CheckConstraint:
    """A row has a value in each of the columns or in none of them."""
    nothing, everything = ({f"{column}__isnull": is_null for column in columns} for is_null in (True, False))
    return models.CheckConstraint(condition=models.Q(**nothing) | models.Q(**everything), name=name)


def counts_per_type() -> "ArrayField[list[int], list[int]]":
    """A field of whole numbers, one for each of TYPES, in their order."""
    return ArrayField(models.IntegerField(), size=len(TYPES), default=no_rows, db_default=no_rows())


class NotificationCounter(models.Model):
    """The user's last seq and the exact numbers of rows, changed in the transaction that changes the rows.

    A trigger on users (notifications/sql/counters.sql) inserts the row, so that every recipient has a row to lock. A
    transaction that changes notifications locks the rows of their users here first, in the order of user ids. Expired
    notifications count until they are deleted.
    """

    user = CascadingOneToOne(User, primary_key=True, related_name="notification_counter")
    last_seq = models.BigIntegerField(default=0, db_default=0)
    unread = models.IntegerField(default=0, db_default=0)
    stored_by_type = counts_per_type()
    unread_by_type = counts_per_type()

    class Meta:
        db_table = "notification_counters"
        constraints = [models.CheckConstraint(condition=models.Q(unread__gte=0), name="unread_is_never_negative")]

    def __str__(self) -> str:
        return f"user {self.user_id}: {self.unread} unread"


class Notification(models.Model):
    """One stored notification.

    seq numbers each user's notifications 1, 2, 3 … in the order of commits, so seq alone is a safe cursor. id and
    created_at are not in the order of commits.

    A row whose description names a user keeps who that is, and the description without the name. Readers go by
    notifications/naming.py. There is no foreign key, because the name must still go when the user is gone.
    """

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
    cause = models.CharField(
        max_length=MAX_CAUSE,
        null=True,
        blank=True,
        help_text="What the notification is about. A user gets one notification per cause.",
    )
    named_user_id = models.BigIntegerField(
        null=True, blank=True, editable=False, help_text="The user whose name the description says, if it says one."
    )
    named_as = models.CharField(max_length=MAX_NAME, null=True, blank=True, editable=False)
    anonymous_description = models.TextField(null=True, blank=True, editable=False)

    class Meta:
        db_table = "notifications"
        indexes = [
            models.Index(fields=["user", "type", "-seq"], name="idx_notifications_user"),
            models.Index(fields=["user", "read"], name="idx_notifications_unread", condition=models.Q(read=False)),
            models.Index(fields=["user", "-seq"], name="idx_notifications_unread_seq", condition=models.Q(read=False)),
            models.Index(fields=["created_at"], name="idx_notifications_created"),
            models.Index(
                fields=["user", "expires_at"],
                include=["type", "read"],
                name="idx_notifications_expiring",
                condition=models.Q(expires_at__isnull=False),
            ),
            # Each process with sockets asks once a second what has expired unread, for each connected user.
            models.Index(
                fields=["user", "expires_at"],
                include=["id"],
                name="idx_notifications_unread_exp",
                condition=models.Q(expires_at__isnull=False, read=False),
            ),
            models.Index(
                fields=["named_user_id", "id"],
                name="idx_notifications_naming",
                condition=models.Q(named_user_id__isnull=False),
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["user", "cause"],
                name="a_cause_notifies_a_user_once",
                condition=models.Q(cause__isnull=False),
            ),
            models.UniqueConstraint(fields=["user", "seq"], name="seq_counts_each_users_notifications"),
            models.CheckConstraint(condition=models.Q(type__in=TYPES), name="type_is_one_of_the_five"),
            all_or_none("who_is_named_can_be_unnamed", "named_user_id", "named_as", "anonymous_description"),
        ]

    def __str__(self) -> str:
        return self.title


class DeletedNotification(models.Model):
    """What stays of a notification that its user dismissed or that the clean-up deleted.

    The cause stays, so that the user is never notified of it again. The id stays, so that its user's requests about it
    are told from requests about the notifications of others.
    """

    notification_id = models.BigIntegerField(primary_key=True)
    user = CascadingKey(User, related_name="deleted_notifications", db_index=False)
    cause = models.CharField(max_length=MAX_CAUSE, null=True, blank=True)

    class Meta:
        db_table = "deleted_notifications"
        constraints = [
            models.UniqueConstraint(fields=["user", "cause"], name="a_deleted_notification_keeps_its_cause"),
        ]

    def __str__(self) -> str:
        return f"notification {self.notification_id}, deleted"


class Broadcast(models.Model):
    """One notification for everyone who was a user when it was announced, delivered in batches by user id.

    One that names a user keeps the description with the name and without it, and each batch decides anew whom it tells
    the name. `description` is what outsiders may see.
    """

    cause = models.CharField(max_length=MAX_CAUSE)
    kind = models.CharField(max_length=64)
    title = models.CharField(max_length=256)
    description = models.TextField()
    metadata = models.JSONField(default=dict)
    named_user_id = models.BigIntegerField(
        null=True, blank=True, editable=False, help_text="The user whose name the description says, if it says one."
    )
    named_as = models.CharField(max_length=MAX_NAME, null=True, blank=True, editable=False)
    named_description = models.TextField(null=True, blank=True, editable=False)
    anonymous_description = models.TextField(null=True, blank=True, editable=False)
    reached_user_id = models.BigIntegerField(default=0, db_default=0, help_text="Users up to this id are done.")
    users_total = models.IntegerField(null=True, blank=True, help_text="Set when delivery begins.")
    users_done = models.IntegerField(default=0, db_default=0)
    notified = models.IntegerField(
        default=0, db_default=0, help_text="How many of the users done got the notification."
    )
    created_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "broadcasts"
        verbose_name = "announcement"
        constraints = [
            models.UniqueConstraint(fields=["cause"], name="a_cause_is_announced_once"),
            all_or_none(
                "who_is_announced_can_be_unnamed",
                *("named_user_id", "named_as", "named_description", "anonymous_description"),
            ),
        ]
        indexes = [
            models.Index(fields=["id"], name="idx_broadcasts_open", condition=models.Q(finished_at__isnull=True)),
            models.Index(
                fields=["named_user_id"],
                name="idx_broadcasts_naming",
                condition=models.Q(named_user_id__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.title} ({self.users_done} of {self.users_total or '?'} users)"


class NameWithdrawal(models.Model):
    """The names between this user and others must be looked through in what is stored (notifications/sql/names.sql).

    A trigger writes the row in the transaction that renames, hides, suspends or deletes the user, or ends a seat. A job
    deletes it when every text is as it must be. The user may be gone, so there is no foreign key.
    """

    user_id = models.BigIntegerField()
    from_outsiders = models.BooleanField(
        default=False, db_default=False, help_text="Outsiders are not told the name again before this is done."
    )
    from_fellows = models.BooleanField(
        default=False, db_default=False, help_text="Nobody is told the name again before this is done."
    )
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "name_withdrawals"
        indexes = [models.Index(fields=["user_id"], name="idx_name_withdrawals_user")]

    def __str__(self) -> str:
        return f"names of user {self.user_id}"


class OutgoingEmail(models.Model):
    """One e-mail and how sending it went. It returns from SENDING to DUE only after a refusal."""

    class State(models.TextChoices):
        DUE = "due"
        SENDING = "sending"
        SENT = "sent"
        SKIPPED = "skipped", "not wanted any more"
        FAILED = "failed", "refused for good"
        UNKNOWN = "unknown", "interrupted while sending"

    state = models.CharField(max_length=8, choices=State.choices, default=State.DUE, db_default=State.DUE)
    attempts = models.SmallIntegerField(default=0, db_default=0)
    due_at = models.DateTimeField(
        db_default=Now(), help_text="When to try next. While sending: when the attempt began."
    )
    finished_at = models.DateTimeField(null=True, blank=True)
    error = models.CharField(max_length=256, null=True, blank=True)

    class Meta:
        abstract = True


class EmailDelivery(OutgoingEmail):
    """One notification's e-mail."""

    notification = CascadingOneToOne(Notification, primary_key=True, related_name="email_delivery")

    class Meta:
        db_table = "email_deliveries"
        verbose_name_plural = "e-mail deliveries"
        indexes = [
            models.Index(
                fields=["due_at", "notification"],
                name="idx_email_deliveries_open",
                condition=models.Q(state__in=["due", "sending"]),
            ),
        ]

    def __str__(self) -> str:
        return f"e-mail of notification {self.notification_id}: {self.state}"


class EmailConfirmation(OutgoingEmail):
    """The newest e-mail that asks a user to confirm an address. Only its link works, and only once.

    A new one takes the place of the one before, with a nonce of its own.
    """

    user = CascadingOneToOne(User, primary_key=True, related_name="email_confirmation")
    address = models.EmailField()
    nonce = models.UUIDField(default=uuid4)
    asked_at = models.DateTimeField(db_default=Now())
    used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "email_confirmations"
        verbose_name_plural = "e-mail confirmations"
        indexes = [
            models.Index(
                fields=["due_at", "user"],
                name="idx_email_confirmations_open",
                condition=models.Q(state__in=["due", "sending"]),
            ),
        ]

    def __str__(self) -> str:
        return f"confirmation of user {self.user_id}: {self.state}"
