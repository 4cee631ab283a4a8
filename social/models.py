"""Cooperatives, their members, and each user's own activity feed.

The database keeps the rules that no race, script or admin page may break: by the constraints below, and by the triggers
of social/sql/cooperative_rules.sql, which count members, close empty cooperatives, and compare owner with admin.
"""

from django.db import models
from django.db.models.functions import Now

from bitcoingame.core.postgresql.cascades import CascadingKey
from bitcoingame.core.postgresql.folding import Folded
from profiles.models import User

MAX_MEMBERS = 20
INVITE_CODE_LENGTH = 8


# The 0 stands in the SQL itself, because with a parameter a generic plan would not use the index on this expression.
RANK_UNRANKED_LAST = models.Func(
    "weekly_rank", template="NULLIF(%(expressions)s, 0)", output_field=models.IntegerField()
)


class CooperativeQuerySet(models.QuerySet["Cooperative"]):
    def active(self) -> "CooperativeQuerySet":
        """The cooperatives that public pages show: neither suspended nor dissolved."""
        return self.filter(is_active=True)

    def not_dissolved(self) -> "CooperativeQuerySet":
        return self.filter(member_count__gt=0)

    def ranked(self) -> "CooperativeQuerySet":
        """In the order of this week's rank, with the unranked (0) last. It is the order of idx_cooperatives_ranking."""
        return self.order_by(RANK_UNRANKED_LAST, "-combined_hashrate", "id")


class Cooperative(models.Model):
    """A team of at most 20 miners.

    Hashrates are in H/s, difficulties are share difficulties, shares are those of the current ISO week (UTC).
    """

    name = models.CharField(max_length=64, db_collation="pg_unicode_fast")
    # Stored, because a search reads it in every row, and folding 50,000 names takes half a second.
    folded_name = models.GeneratedField(
        expression=Folded("name"), output_field=models.TextField(db_collation="pg_unicode_fast"), db_persist=True
    )
    motto = models.CharField(max_length=256, null=True, blank=True)
    invite_code = models.CharField(max_length=INVITE_CODE_LENGTH)
    owner = models.ForeignKey(
        User, on_delete=models.PROTECT, db_column="owner_user_id", related_name="owned_cooperatives", db_index=False
    )
    member_count = models.IntegerField(default=1, db_default=1)
    max_members = models.IntegerField(default=MAX_MEMBERS, db_default=MAX_MEMBERS)
    combined_hashrate = models.FloatField(default=0, db_default=0)
    best_combined_diff = models.FloatField(default=0, db_default=0)
    weekly_streak = models.IntegerField(default=0, db_default=0)
    blocks_found = models.IntegerField(default=0, db_default=0)
    weekly_rank = models.IntegerField(default=0, db_default=0, help_text="1 is the best; 0 while unranked.")
    total_shares_week = models.BigIntegerField(default=0, db_default=0)
    is_active = models.BooleanField(default=True, db_default=True)
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    objects = CooperativeQuerySet.as_manager()

    class Meta:
        db_table = "cooperatives"
        permissions = [("moderate_cooperative", "Can suspend, restore, dissolve and change cooperatives")]
        indexes = [
            models.Index(
                RANK_UNRANKED_LAST,
                models.F("combined_hashrate").desc(),
                models.F("id"),
                name="idx_cooperatives_ranking",
                condition=models.Q(is_active=True),
            ),
            models.Index(fields=["owner"], name="idx_cooperatives_owner"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["folded_name"], name="idx_cooperatives_name"),
            models.UniqueConstraint(fields=["invite_code"], name="idx_cooperatives_invite"),
            models.CheckConstraint(condition=models.Q(name__regex=r"^\S(.*\S)$"), name="name_is_trimmed_and_not_blank"),
            models.CheckConstraint(
                condition=~models.Q(name__regex="[[:cntrl:]]"), name="name_has_no_control_characters"
            ),
            models.CheckConstraint(
                condition=models.Func(
                    "name", template="%(expressions)s IS NFC NORMALIZED", output_field=models.BooleanField()
                ),
                name="name_is_normalised",
            ),
            models.CheckConstraint(
                condition=models.Q(invite_code__regex=r"^[A-Z0-9]{8}$"), name="invite_code_is_8_letters_or_digits"
            ),
            models.CheckConstraint(
                condition=models.Q(member_count__range=(0, MAX_MEMBERS)), name="member_count_is_between_0_and_20"
            ),
            models.CheckConstraint(condition=models.Q(max_members=MAX_MEMBERS), name="max_members_is_20"),
            models.CheckConstraint(
                condition=models.Q(is_active=False) | models.Q(member_count__gt=0), name="an_empty_one_is_never_active"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_dissolved(self) -> bool:
        return self.member_count == 0

    @property
    def is_suspended(self) -> bool:
        """Whether staff have closed it. Its members keep their seats and may leave; nobody else sees it or joins it."""
        return not self.is_active and self.member_count > 0


class CooperativeMember(models.Model):
    """One user's seat in a cooperative. The hashrate is in H/s, the shares are those of the current UTC day."""

    class Role(models.TextChoices):
        ADMIN = "admin"
        MEMBER = "member"

    cooperative = CascadingKey(Cooperative, related_name="members", db_index=False)
    user = CascadingKey(User, related_name="memberships", db_index=False)
    role = models.CharField(max_length=16, choices=Role.choices, default=Role.MEMBER, db_default=Role.MEMBER)
    hashrate = models.FloatField(default=0, db_default=0)
    shares_today = models.BigIntegerField(default=0, db_default=0)
    is_online = models.BooleanField(default=False, db_default=False)
    joined_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "cooperative_members"
        indexes = [models.Index(fields=["cooperative"], name="idx_coop_members_coop")]
        constraints = [
            # The rule "one cooperative per user". It has the name that the given schema gives its index on user_id.
            models.UniqueConstraint(fields=["user"], name="idx_coop_members_user"),
            models.UniqueConstraint(fields=["cooperative", "user"], name="one_seat_per_user_in_a_cooperative"),
            models.UniqueConstraint(
                fields=["cooperative"], condition=models.Q(role="admin"), name="one_admin_per_cooperative"
            ),
            models.CheckConstraint(condition=models.Q(role__in=["admin", "member"]), name="role_is_admin_or_member"),
        ]

    def __str__(self) -> str:
        return f"{self.role} {self.user_id} of cooperative {self.cooperative_id}"

    @property
    def is_admin(self) -> bool:
        return self.role == self.Role.ADMIN


class CooperativeTotal(models.Model):
    """How many cooperatives are active, spread over shards so that founders do not queue for one row.

    The triggers of social/sql/cooperative_totals.sql write the rows; the list's `total` is their sum. With 50,000
    cooperatives count(*) takes 4.7 ms, and this sum 0.03 ms.
    """

    shard = models.SmallIntegerField(primary_key=True)
    active = models.BigIntegerField(default=0)

    class Meta:
        db_table = "cooperative_totals"

    def __str__(self) -> str:
        return f"shard {self.shard}: {self.active}"


class CooperativeWeek(models.Model):
    """An ISO week in which a cooperative had a share. A past week stays as it was when members join or leave later."""

    pk = models.CompositePrimaryKey("cooperative_id", "week")
    cooperative = CascadingKey(Cooperative, related_name="weeks", db_index=False)
    week = models.DateField(help_text="Its Monday, UTC.")
    streak = models.IntegerField(help_text="How many weeks in a row up to this one had a share.")
    best_rank_class = models.SmallIntegerField(
        null=True, help_text="The smallest class of ranks (top 100, 50 …) it was in at any time of the week."
    )

    class Meta:
        db_table = "cooperative_weeks"
        constraints = [models.CheckConstraint(condition=models.Q(week__iso_week_day=1), name="a_week_starts_on_monday")]

    def __str__(self) -> str:
        return f"week of {self.week} of cooperative {self.cooperative_id}"


class HashrateSample(models.Model):
    """A cooperative's combined hashrate (H/s), as first computed in the hour that begins at sampled_at (UTC)."""

    pk = models.CompositePrimaryKey("cooperative_id", "sampled_at")
    cooperative = CascadingKey(Cooperative, related_name="hashrate_samples", db_index=False)
    sampled_at = models.DateTimeField()
    hashrate = models.FloatField()

    class Meta:
        db_table = "cooperative_hashrates"
        indexes = [models.Index(fields=["sampled_at"], name="idx_cooperative_hashrates_time")]

    def __str__(self) -> str:
        return f"{self.hashrate} H/s at {self.sampled_at}"


class UserActivity(models.Model):
    """One line of a user's own history. `metadata` are the values that the title was made of, and more.

    `created_at` is when it happened, which may be before the line was written: events come late.
    """

    user = CascadingKey(User, related_name="activities", db_index=False)
    activity_type = models.CharField(max_length=64)
    title = models.CharField(max_length=256)
    description = models.TextField(null=True, blank=True)
    metadata = models.JSONField(default=dict, db_default={})
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "user_activity"
        verbose_name_plural = "user activity"
        indexes = [
            models.Index(fields=["user", "-created_at", "-id"], name="idx_user_activity_user"),
            models.Index(fields=["activity_type"], name="idx_user_activity_type"),
            models.Index(fields=["created_at"], name="idx_user_activity_created"),
        ]

    def __str__(self) -> str:
        return self.title
