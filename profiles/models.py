"""Users, their settings, and the game state that the platform reports to us.

Every user has a row of notification_preferences and a row of game_states: a trigger inserts them with the defaults
declared here (profiles/sql/settings_rows.sql), so no query has to allow for a missing one.
"""

from typing import Any

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import OpClass
from django.db import connections, models
from django.db.models.functions import Lower, Now
from django.db.models.lookups import LessThanOrEqual

from bitcoingame.core.postgresql.cascades import CascadingKey, CascadingOneToOne
from bitcoingame.core.postgresql.folding import Folded
from profiles.names import shown_name
from profiles.visibility import PUBLIC

ADDRESS_LENGTH = 62
FIRST_TITLE = "Nocoiner"
"""The title of a miner who has reached no level yet."""
MAX_SECTION_BYTES = 8 * 1024
UNUSABLE_PASSWORD = "!"  # noqa: S105 - Django writes this if no password can match


def takes_at_most(size: int, field: str) -> LessThanOrEqual:
    """The condition that a field's text takes at most so many bytes."""
    return LessThanOrEqual(models.Func(field, function="octet_length", output_field=models.IntegerField()), size)


class UserManager(BaseUserManager["User"]):
    def create_staff(self, username: str, password: str | None = None, **fields: Any) -> "User":
        """Creates a staff account. It signs in to the admin with a name and a password, and has no wallet.

        Its id is negative, because the platform numbers the miners and may use any positive id at any time.
        """
        user: User = self.model(pk=self.next_staff_id(), username=username, is_staff=True, **fields)
        user.set_password(password)
        user.save(using=self._db, force_insert=True)
        return user

    def create_superuser(self, username: str, password: str | None = None, **fields: Any) -> "User":
        """Creates a staff account that may do everything in the admin."""
        return self.create_staff(username, password, is_superuser=True, **fields)

    def next_staff_id(self) -> int:
        """Draws an id for a staff account from the sequence of profiles/sql/staff_user_ids.sql. It is negative."""
        with connections[self.db].cursor() as cursor:
            cursor.execute("SELECT nextval('staff_user_ids')")
            return int(cursor.fetchone()[0])


class User(AbstractBaseUser, PermissionsMixin):
    """A miner (has a btc_address) or a member of staff (has a username), or both."""

    btc_address = models.CharField(max_length=ADDRESS_LENGTH, unique=True, null=True, blank=True)
    username = models.CharField(max_length=150, unique=True, null=True, blank=True, help_text="Staff sign in with it.")
    password = models.CharField(max_length=128, default=UNUSABLE_PASSWORD, db_default=UNUSABLE_PASSWORD)
    display_name = models.CharField(max_length=64, null=True, blank=True)
    country_code = models.CharField(max_length=2, null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    is_active = models.BooleanField(default=True, db_default=True)
    is_staff = models.BooleanField(default=False, db_default=False)
    is_superuser = models.BooleanField(default=False, db_default=False)

    public_profile = models.BooleanField(default=True, db_default=True)
    show_on_leaderboard = models.BooleanField(default=True, db_default=True)
    show_country_flag = models.BooleanField(default=True, db_default=True)
    show_in_coop_rankings = models.BooleanField(default=True, db_default=True)

    objects: UserManager = UserManager()

    USERNAME_FIELD = "username"

    class Meta:
        db_table = "users"
        permissions = [("moderate_user", "Can suspend and restore users")]
        indexes = [
            # This index leaves private users out, so looking one up costs the same as looking up an address nobody has.
            models.Index(
                fields=["btc_address"],
                name="idx_users_public_address",
                condition=PUBLIC,
            ),
            models.Index(fields=["-created_at", "-id"], name="idx_users_created"),
            models.Index(OpClass(Folded("display_name"), name="text_pattern_ops"), name="idx_users_name_search"),
            models.Index(
                fields=["-created_at", "-id"], name="idx_users_suspended", condition=models.Q(is_active=False)
            ),
            models.Index(fields=["username"], name="idx_users_staff", condition=models.Q(is_staff=True)),
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(btc_address__isnull=False) | models.Q(username__isnull=False),
                name="users_have_an_address_or_a_staff_name",
            ),
            models.CheckConstraint(
                condition=models.Q(country_code__regex="^[A-Z]{2}$"), name="country_code_is_two_capital_letters"
            ),
        ]

    def __str__(self) -> str:
        return self.shown_name

    @property
    def shown_name(self) -> str:
        """The name by which pages call this user. Staff without a wallet go by the name they sign in with."""
        # The username comes last, because requests load their user without it: reading it costs another query.
        return shown_name(self.display_name, self.btc_address) or self.username or ""


class StaffAccount(User):
    """The same row, seen as an account of the admin."""

    class Meta:
        proxy = True


class EmailState(models.TextChoices):
    """Whether we mail to an address. Only a confirmed one is mailed; the last four say why e-mail is paused."""

    UNCONFIRMED = "unconfirmed"
    CONFIRMED = "confirmed"
    REFUSED = "refused"
    BOUNCED = "bounced"
    COMPLAINED = "complained"
    UNSUBSCRIBED = "unsubscribed"


PAUSED = (EmailState.REFUSED, EmailState.BOUNCED, EmailState.COMPLAINED, EmailState.UNSUBSCRIBED)


class NotificationPreferences(models.Model):
    """Which kinds of notification a user wants, and by which ways they are sent."""

    user = CascadingOneToOne(User, primary_key=True, related_name="notification_preferences")
    personal_best = models.BooleanField(default=True, db_default=True)
    badge_earned = models.BooleanField(default=True, db_default=True)
    education_recommendation = models.BooleanField(default=False, db_default=False)
    world_cup_match = models.BooleanField(default=True, db_default=True)
    lottery_results = models.BooleanField(default=True, db_default=True)
    leaderboard_change = models.BooleanField(default=False, db_default=False)
    block_found_any = models.BooleanField(default=False, db_default=False)
    coop_activity = models.BooleanField(default=False, db_default=False)
    in_app = models.BooleanField(default=True, db_default=True)
    browser_push = models.BooleanField(default=False, db_default=False)
    email_notifications = models.BooleanField(default=False, db_default=False)
    email = models.EmailField(null=True, blank=True)
    # A trigger (profiles/sql/email_states.sql) makes a changed address unconfirmed, and keeps email_state_at.
    email_state = models.CharField(
        max_length=12,
        choices=EmailState.choices,
        default=EmailState.UNCONFIRMED,
        db_default=EmailState.UNCONFIRMED,
        editable=False,
    )
    email_state_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        db_table = "notification_preferences"
        verbose_name_plural = "notification preferences"
        indexes = [
            models.Index(Lower("email"), name="idx_preferences_email", condition=models.Q(email__isnull=False)),
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(email_state__in=EmailState.values), name="email_state_is_one_of_the_six"
            ),
        ]

    def __str__(self) -> str:
        return f"preferences of user {self.user_id}"

    @property
    def is_email_confirmed(self) -> bool:
        return self.email_state == EmailState.CONFIRMED

    @property
    def email_paused(self) -> str | None:
        """The EmailState that pauses e-mail; None if it is not paused."""
        return self.email_state if self.email_state in PAUSED else None


class DashboardSettings(models.Model):
    """Two sections of the dashboard's own settings, which mean nothing to us. A user without a row has kept nothing.

    They are JSON as text, because jsonb would change numbers and the order of keys.
    """

    user = CascadingOneToOne(User, primary_key=True, related_name="dashboard_settings")
    mining = models.TextField(default="{}", db_default="{}")
    sound = models.TextField(default="{}", db_default="{}")

    class Meta:
        db_table = "dashboard_settings"
        verbose_name_plural = "dashboard settings"
        constraints = [
            models.CheckConstraint(
                condition=takes_at_most(MAX_SECTION_BYTES, "mining"), name="mining_takes_at_most_8_kib"
            ),
            models.CheckConstraint(
                condition=takes_at_most(MAX_SECTION_BYTES, "sound"), name="sound_takes_at_most_8_kib"
            ),
        ]

    def __str__(self) -> str:
        return f"dashboard settings of user {self.user_id}"


class GameState(models.Model):
    """A miner's game state as the platform last reported it. Difficulties are share difficulties, shares are counts."""

    user = CascadingOneToOne(User, primary_key=True, related_name="game_state")
    level = models.IntegerField(default=1, db_default=1)
    level_title = models.CharField(max_length=64, default=FIRST_TITLE, db_default=FIRST_TITLE, blank=True)
    xp = models.BigIntegerField(default=0, db_default=0)
    badges_earned = models.IntegerField(default=0, db_default=0)
    best_difficulty = models.FloatField(default=0, db_default=0)
    total_shares = models.BigIntegerField(default=0, db_default=0)
    blocks_found = models.IntegerField(default=0, db_default=0)
    current_streak = models.IntegerField(default=0, db_default=0, help_text="Consecutive ISO weeks with a share.")
    streak_week = models.DateField(
        null=True, blank=True, help_text="Monday of the last week that current_streak has taken into account."
    )

    class Meta:
        db_table = "game_states"

    def __str__(self) -> str:
        return f"game state of user {self.user_id}"


class EarnedBadge(models.Model):
    user = CascadingKey(User, related_name="badges", db_index=False)
    slug = models.CharField(max_length=64)
    name = models.CharField(max_length=128)
    earned_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "earned_badges"
        constraints = [models.UniqueConstraint(fields=["user", "slug"], name="a_badge_is_earned_once")]

    def __str__(self) -> str:
        return self.slug


class Worker(models.Model):
    """One mining machine of a user, by the name it gives the pool. Rates are in H/s.

    `heard_at` and `hashrate_at` are the times of the newest events that reported is_online and hashrate_1h. With them,
    older events that come later change nothing. `heard_at` is also the moment at which the machine fell silent.

    The machine is silent while told_silent_since equals last_share_at. docs/silent-machines.md has the rules.
    """

    class SilenceNews(models.TextChoices):
        """What became of the news of a silence. Held back: the machine goes silent too often to say so each time."""

        TOLD = "told"
        HELD_BACK = "held"
        MUTED = "muted"

    user = CascadingKey(User, related_name="workers", db_index=False)
    name = models.CharField(max_length=64)
    is_online = models.BooleanField(default=False, db_default=False)
    last_share_at = models.DateTimeField(null=True, blank=True)
    hashrate_1h = models.FloatField(default=0, db_default=0)
    best_difficulty = models.FloatField(default=0, db_default=0, help_text="The best share of this machine.")
    alerts = models.BooleanField(default=True, db_default=True, help_text="Whether its silences are told.")
    silent_after_minutes = models.IntegerField(
        null=True, blank=True, help_text="Chosen by the owner. Empty: worked out from its hashrate and difficulty."
    )
    told_silent_since = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="The last_share_at of the latest silence."
    )
    silence_news = models.CharField(
        max_length=8, choices=SilenceNews, default=SilenceNews.TOLD, db_default=SilenceNews.TOLD, editable=False
    )
    silences = ArrayField(
        models.DateTimeField(),
        default=list,
        db_default=[],
        editable=False,
        help_text="When the latest silences that were told began: those within 24 hours of the last, four at most.",
    )
    assigned_difficulty = models.FloatField(
        null=True, blank=True, editable=False, help_text="What the pool assigned for the last share."
    )
    steady_rate = models.FloatField(
        null=True, blank=True, editable=False, help_text="The lower of the 1h and the 1d hashrate."
    )
    rate_at_share = models.FloatField(
        null=True, blank=True, editable=False, help_text="The steady rate as of the last share."
    )
    is_watched = models.GeneratedField(
        expression=models.Q(is_online=True)  # type: ignore[arg-type]  # a Q is an expression as well
        | models.Q(hashrate_1h__gt=0)
        | models.Q(silence_news="held")
        | models.Q(last_share_at__isnull=False) & ~models.Q(told_silent_since=models.F("last_share_at")),
        output_field=models.BooleanField(help_text="Whether the search for silent machines has to look at it."),
        db_persist=True,
    )
    heard_at = models.DateTimeField(null=True, blank=True, editable=False)
    hashrate_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        db_table = "workers"
        constraints = [
            models.UniqueConstraint(fields=["user", "name"], name="a_worker_name_is_used_once_per_user"),
            models.CheckConstraint(
                condition=models.Q(silent_after_minutes__range=(30, 1440)),
                name="a_worker_is_silent_after_half_an_hour_to_a_day",
            ),
        ]
        # None of the columns here changes with a share, so a share touches no index.
        indexes = [models.Index(fields=["id"], name="idx_workers_watched", condition=models.Q(is_watched=True))]

    def __str__(self) -> str:
        return self.name


class DailyShares(models.Model):
    """Accepted shares of one user on one UTC day, and the best difficulty among them."""

    user = CascadingKey(User, related_name="daily_shares", db_index=False)
    day = models.DateField()
    shares = models.BigIntegerField(default=0, db_default=0)
    best_difficulty = models.FloatField(default=0, db_default=0)

    class Meta:
        db_table = "daily_shares"
        verbose_name_plural = "daily shares"
        constraints = [models.UniqueConstraint(fields=["user", "day"], name="shares_are_counted_once_per_day")]
        indexes = [models.Index(fields=["day", "user"], name="idx_daily_shares_day")]

    def __str__(self) -> str:
        return f"{self.shares} shares on {self.day}"


class SignInChallenge(models.Model):
    """A message that waits for a wallet's signature. Only the digest of its nonce is kept."""

    nonce_digest = models.BinaryField(primary_key=True, max_length=32)
    btc_address = models.CharField(max_length=ADDRESS_LENGTH)
    message = models.TextField()
    expires_at = models.DateTimeField()

    class Meta:
        db_table = "sign_in_challenges"
        indexes = [models.Index(fields=["expires_at"], name="idx_sign_in_challenges_expires")]

    def __str__(self) -> str:
        return f"challenge until {self.expires_at}"


class RefreshToken(models.Model):
    """One issued refresh token. All tokens that descend from one sign-in are a family.

    A token that is used a second time ends its family.
    """

    jti = models.UUIDField(primary_key=True)
    family = models.UUIDField()
    user = CascadingKey(User, related_name="refresh_tokens", db_index=False)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "refresh_tokens"
        indexes = [
            models.Index(fields=["family"], name="idx_refresh_tokens_family"),
            models.Index(fields=["user"], name="idx_refresh_tokens_user"),
            models.Index(fields=["expires_at"], name="idx_refresh_tokens_expires"),
        ]

    def __str__(self) -> str:
        return f"refresh token of user {self.user_id}"


class AuditEntry(models.Model):
    """One action of staff.

    Names and ids are kept as they were, without foreign keys, because an entry outlives the rows it names.

    A trigger (profiles/sql/audit_entries.sql) refuses to change or delete a row.
    """

    staff_id = models.BigIntegerField()
    staff_name = models.CharField(max_length=150)
    action = models.CharField(max_length=32)
    target_type = models.CharField(max_length=16)
    target_id = models.BigIntegerField()
    target_name = models.CharField(max_length=256)
    reason = models.CharField(max_length=500)
    details = models.JSONField(default=dict, db_default={})
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "audit_entries"
        verbose_name_plural = "audit entries"
        indexes = [
            models.Index(fields=["target_type", "target_id", "-id"], name="idx_audit_entries_target"),
            models.Index(fields=["staff_id", "-id"], name="idx_audit_entries_staff"),
        ]
        constraints = [
            models.CheckConstraint(condition=models.Q(reason__regex=r"\S"), name="staff_act_for_a_reason"),
        ]

    def __str__(self) -> str:
        return f"{self.staff_name}: {self.action} {self.target_name}"
