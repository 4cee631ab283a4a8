import bitcoingame.core.postgresql.cascades
import django.contrib.postgres.indexes
import django.db.models.deletion
import django.db.models.functions.datetime
import django.db.models.functions.text
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
    ]

    operations = [
        migrations.CreateModel(
            name="User",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("last_login", models.DateTimeField(blank=True, null=True, verbose_name="last login")),
                ("btc_address", models.CharField(blank=True, max_length=62, null=True, unique=True)),
                (
                    "username",
                    models.CharField(
                        blank=True, help_text="Staff sign in with it.", max_length=150, null=True, unique=True
                    ),
                ),
                ("password", models.CharField(db_default="!", default="!", max_length=128)),
                ("display_name", models.CharField(blank=True, max_length=64, null=True)),
                ("country_code", models.CharField(blank=True, max_length=2, null=True)),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False),
                ),
                ("is_active", models.BooleanField(db_default=True, default=True)),
                ("is_staff", models.BooleanField(db_default=False, default=False)),
                ("is_superuser", models.BooleanField(db_default=False, default=False)),
                ("public_profile", models.BooleanField(db_default=True, default=True)),
                ("show_on_leaderboard", models.BooleanField(db_default=True, default=True)),
                ("show_country_flag", models.BooleanField(db_default=True, default=True)),
                ("show_in_coop_rankings", models.BooleanField(db_default=True, default=True)),
                (
                    "groups",
                    models.ManyToManyField(
                        blank=True,
                        help_text="The groups this user belongs to. A user will get all permissions granted to each of their groups.",
                        related_name="user_set",
                        related_query_name="user",
                        to="auth.group",
                        verbose_name="groups",
                    ),
                ),
                (
                    "user_permissions",
                    models.ManyToManyField(
                        blank=True,
                        help_text="Specific permissions for this user.",
                        related_name="user_set",
                        related_query_name="user",
                        to="auth.permission",
                        verbose_name="user permissions",
                    ),
                ),
            ],
            options={
                "db_table": "users",
                "permissions": [("moderate_user", "Can suspend and restore users")],
            },
        ),
        migrations.CreateModel(
            name="GameState",
            fields=[
                (
                    "user",
                    bitcoingame.core.postgresql.cascades.CascadingOneToOne(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        primary_key=True,
                        related_name="game_state",
                        serialize=False,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("level", models.IntegerField(db_default=1, default=1)),
                ("level_title", models.CharField(blank=True, db_default="", default="", max_length=64)),
                ("xp", models.BigIntegerField(db_default=0, default=0)),
                ("badges_earned", models.IntegerField(db_default=0, default=0)),
                ("best_difficulty", models.FloatField(db_default=0, default=0)),
                ("total_shares", models.BigIntegerField(db_default=0, default=0)),
                ("blocks_found", models.IntegerField(db_default=0, default=0)),
                (
                    "current_streak",
                    models.IntegerField(db_default=0, default=0, help_text="Consecutive ISO weeks with a share."),
                ),
                (
                    "streak_week",
                    models.DateField(
                        blank=True,
                        help_text="Monday of the last week that current_streak has taken into account.",
                        null=True,
                    ),
                ),
            ],
            options={
                "db_table": "game_states",
            },
        ),
        migrations.CreateModel(
            name="NotificationPreferences",
            fields=[
                (
                    "user",
                    bitcoingame.core.postgresql.cascades.CascadingOneToOne(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        primary_key=True,
                        related_name="notification_preferences",
                        serialize=False,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("personal_best", models.BooleanField(db_default=True, default=True)),
                ("badge_earned", models.BooleanField(db_default=True, default=True)),
                ("education_recommendation", models.BooleanField(db_default=False, default=False)),
                ("world_cup_match", models.BooleanField(db_default=True, default=True)),
                ("lottery_results", models.BooleanField(db_default=True, default=True)),
                ("leaderboard_change", models.BooleanField(db_default=False, default=False)),
                ("block_found_any", models.BooleanField(db_default=False, default=False)),
                ("coop_activity", models.BooleanField(db_default=False, default=False)),
                ("in_app", models.BooleanField(db_default=True, default=True)),
                ("browser_push", models.BooleanField(db_default=False, default=False)),
                ("email_notifications", models.BooleanField(db_default=False, default=False)),
                ("email", models.EmailField(blank=True, max_length=254, null=True)),
            ],
            options={
                "verbose_name_plural": "notification preferences",
                "db_table": "notification_preferences",
            },
        ),
        migrations.CreateModel(
            name="DailyShares",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("day", models.DateField()),
                ("shares", models.BigIntegerField(db_default=0, default=0)),
                ("best_difficulty", models.FloatField(db_default=0, default=0)),
                (
                    "user",
                    bitcoingame.core.postgresql.cascades.CascadingKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="daily_shares",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "daily shares",
                "db_table": "daily_shares",
            },
        ),
        migrations.CreateModel(
            name="EarnedBadge",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("slug", models.CharField(max_length=64)),
                ("name", models.CharField(max_length=128)),
                ("earned_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "user",
                    bitcoingame.core.postgresql.cascades.CascadingKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="badges",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "db_table": "earned_badges",
            },
        ),
        migrations.CreateModel(
            name="RefreshToken",
            fields=[
                ("jti", models.UUIDField(primary_key=True, serialize=False)),
                ("family", models.UUIDField()),
                ("expires_at", models.DateTimeField()),
                ("used_at", models.DateTimeField(blank=True, null=True)),
                (
                    "user",
                    bitcoingame.core.postgresql.cascades.CascadingKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="refresh_tokens",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "db_table": "refresh_tokens",
            },
        ),
        migrations.CreateModel(
            name="SignInChallenge",
            fields=[
                ("nonce_digest", models.BinaryField(max_length=32, primary_key=True, serialize=False)),
                ("btc_address", models.CharField(max_length=62)),
                ("message", models.TextField()),
                ("expires_at", models.DateTimeField()),
            ],
            options={
                "db_table": "sign_in_challenges",
                "indexes": [models.Index(fields=["expires_at"], name="idx_sign_in_challenges_expires")],
            },
        ),
        migrations.CreateModel(
            name="Worker",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=64)),
                ("is_online", models.BooleanField(db_default=False, default=False)),
                ("last_share_at", models.DateTimeField(blank=True, null=True)),
                ("hashrate_1h", models.FloatField(db_default=0, default=0)),
                (
                    "user",
                    bitcoingame.core.postgresql.cascades.CascadingKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="workers",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "told_silent_since",
                    models.DateTimeField(
                        blank=True,
                        editable=False,
                        help_text="The last_share_at of the silence its owner was notified of.",
                        null=True,
                    ),
                ),
                ("hashrate_at", models.DateTimeField(blank=True, editable=False, null=True)),
                ("heard_at", models.DateTimeField(blank=True, editable=False, null=True)),
            ],
            options={
                "db_table": "workers",
            },
        ),
        migrations.CreateModel(
            name="AuditEntry",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("staff_id", models.BigIntegerField()),
                ("staff_name", models.CharField(max_length=150)),
                ("action", models.CharField(max_length=32)),
                ("target_type", models.CharField(max_length=16)),
                ("target_id", models.BigIntegerField()),
                ("target_name", models.CharField(max_length=256)),
                ("reason", models.CharField(max_length=500)),
                ("details", models.JSONField(db_default={}, default=dict)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "verbose_name_plural": "audit entries",
                "db_table": "audit_entries",
                "indexes": [
                    models.Index(fields=["target_type", "target_id", "-id"], name="idx_audit_entries_target"),
                    models.Index(fields=["staff_id", "-id"], name="idx_audit_entries_staff"),
                ],
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("reason__regex", "\\S")), name="staff_act_for_a_reason")
                ],
            },
        ),
        migrations.CreateModel(
            name="StaffAccount",
            fields=[],
            options={
                "proxy": True,
                "indexes": [],
                "constraints": [],
            },
            bases=("profiles.user",),
        ),
        migrations.AddIndex(
            model_name="user",
            index=models.Index(
                condition=models.Q(("btc_address__isnull", False), ("is_active", True), ("public_profile", True)),
                fields=["btc_address"],
                name="idx_users_public_address",
            ),
        ),
        migrations.AddIndex(
            model_name="user",
            index=models.Index(fields=["-created_at", "-id"], name="idx_users_created"),
        ),
        migrations.AddIndex(
            model_name="user",
            index=models.Index(
                django.contrib.postgres.indexes.OpClass(
                    django.db.models.functions.text.Upper("display_name"), name="text_pattern_ops"
                ),
                name="idx_users_name_search",
            ),
        ),
        migrations.AddIndex(
            model_name="user",
            index=models.Index(
                condition=models.Q(("is_active", False)), fields=["-created_at", "-id"], name="idx_users_suspended"
            ),
        ),
        migrations.AddIndex(
            model_name="user",
            index=models.Index(condition=models.Q(("is_staff", True)), fields=["username"], name="idx_users_staff"),
        ),
        migrations.AddConstraint(
            model_name="user",
            constraint=models.CheckConstraint(
                condition=models.Q(("btc_address__isnull", False), ("username__isnull", False), _connector="OR"),
                name="users_have_an_address_or_a_staff_name",
            ),
        ),
        migrations.AddConstraint(
            model_name="user",
            constraint=models.CheckConstraint(
                condition=models.Q(("country_code__regex", "^[A-Z]{2}$")), name="country_code_is_two_capital_letters"
            ),
        ),
        migrations.AddIndex(
            model_name="dailyshares",
            index=models.Index(fields=["day", "user"], name="idx_daily_shares_day"),
        ),
        migrations.AddConstraint(
            model_name="dailyshares",
            constraint=models.UniqueConstraint(fields=("user", "day"), name="shares_are_counted_once_per_day"),
        ),
        migrations.AddConstraint(
            model_name="earnedbadge",
            constraint=models.UniqueConstraint(fields=("user", "slug"), name="a_badge_is_earned_once"),
        ),
        migrations.AddIndex(
            model_name="refreshtoken",
            index=models.Index(fields=["family"], name="idx_refresh_tokens_family"),
        ),
        migrations.AddIndex(
            model_name="refreshtoken",
            index=models.Index(fields=["user"], name="idx_refresh_tokens_user"),
        ),
        migrations.AddIndex(
            model_name="refreshtoken",
            index=models.Index(fields=["expires_at"], name="idx_refresh_tokens_expires"),
        ),
        migrations.AddConstraint(
            model_name="worker",
            constraint=models.UniqueConstraint(fields=("user", "name"), name="a_worker_name_is_used_once_per_user"),
        ),
    ]
