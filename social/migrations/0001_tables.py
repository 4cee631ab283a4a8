import bitcoingame.core.postgresql.cascades
import django.db.models.deletion
import django.db.models.functions.datetime
import django.db.models.functions.text
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="CooperativeTotal",
            fields=[
                ("shard", models.SmallIntegerField(primary_key=True, serialize=False)),
                ("active", models.BigIntegerField(default=0)),
            ],
            options={
                "db_table": "cooperative_totals",
            },
        ),
        migrations.CreateModel(
            name="Cooperative",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(db_collation="pg_unicode_fast", max_length=64)),
                ("motto", models.CharField(blank=True, max_length=256, null=True)),
                ("invite_code", models.CharField(max_length=8)),
                ("member_count", models.IntegerField(db_default=1, default=1)),
                ("max_members", models.IntegerField(db_default=20, default=20)),
                ("combined_hashrate", models.FloatField(db_default=0, default=0)),
                ("best_combined_diff", models.FloatField(db_default=0, default=0)),
                ("weekly_streak", models.IntegerField(db_default=0, default=0)),
                ("blocks_found", models.IntegerField(db_default=0, default=0)),
                (
                    "weekly_rank",
                    models.IntegerField(db_default=0, default=0, help_text="1 is the best; 0 while unranked."),
                ),
                ("total_shares_week", models.BigIntegerField(db_default=0, default=0)),
                ("is_active", models.BooleanField(db_default=True, default=True)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("updated_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "owner",
                    models.ForeignKey(
                        db_column="owner_user_id",
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="owned_cooperatives",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "db_table": "cooperatives",
                "permissions": [("moderate_cooperative", "Can suspend, restore, dissolve and change cooperatives")],
            },
        ),
        migrations.CreateModel(
            name="CooperativeMember",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "role",
                    models.CharField(
                        choices=[("admin", "Admin"), ("member", "Member")],
                        db_default="member",
                        default="member",
                        max_length=16,
                    ),
                ),
                ("hashrate", models.FloatField(db_default=0, default=0)),
                ("shares_today", models.BigIntegerField(db_default=0, default=0)),
                ("is_online", models.BooleanField(db_default=False, default=False)),
                ("joined_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "cooperative",
                    bitcoingame.core.postgresql.cascades.CascadingKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="members",
                        to="social.cooperative",
                    ),
                ),
                (
                    "user",
                    bitcoingame.core.postgresql.cascades.CascadingKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="memberships",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "db_table": "cooperative_members",
            },
        ),
        migrations.CreateModel(
            name="UserActivity",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("activity_type", models.CharField(max_length=64)),
                ("title", models.CharField(max_length=256)),
                ("description", models.TextField(blank=True, null=True)),
                ("metadata", models.JSONField(db_default={}, default=dict)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "user",
                    bitcoingame.core.postgresql.cascades.CascadingKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="activities",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "user activity",
                "db_table": "user_activity",
            },
        ),
        migrations.CreateModel(
            name="CooperativeWeek",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "cooperative_id", "week", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("week", models.DateField(help_text="Its Monday, UTC.")),
                ("streak", models.IntegerField(help_text="How many weeks in a row up to this one had a share.")),
                (
                    "best_rank_class",
                    models.SmallIntegerField(
                        help_text="The smallest class of ranks (top 100, 50 …) it was in at any time of the week.",
                        null=True,
                    ),
                ),
                (
                    "cooperative",
                    bitcoingame.core.postgresql.cascades.CascadingKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="weeks",
                        to="social.cooperative",
                    ),
                ),
            ],
            options={
                "db_table": "cooperative_weeks",
            },
        ),
        migrations.CreateModel(
            name="HashrateSample",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "cooperative_id", "sampled_at", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("sampled_at", models.DateTimeField()),
                ("hashrate", models.FloatField()),
                (
                    "cooperative",
                    bitcoingame.core.postgresql.cascades.CascadingKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="hashrate_samples",
                        to="social.cooperative",
                    ),
                ),
            ],
            options={
                "db_table": "cooperative_hashrates",
            },
        ),
        migrations.AddIndex(
            model_name="cooperative",
            index=models.Index(
                models.Func("weekly_rank", output_field=models.IntegerField(), template="NULLIF(%(expressions)s, 0)"),
                models.OrderBy(models.F("combined_hashrate"), descending=True),
                models.F("id"),
                condition=models.Q(("is_active", True)),
                name="idx_cooperatives_ranking",
            ),
        ),
        migrations.AddIndex(
            model_name="cooperative",
            index=models.Index(fields=["owner"], name="idx_cooperatives_owner"),
        ),
        migrations.AddConstraint(
            model_name="cooperative",
            constraint=models.UniqueConstraint(
                django.db.models.functions.text.Lower("name"), name="idx_cooperatives_name"
            ),
        ),
        migrations.AddConstraint(
            model_name="cooperative",
            constraint=models.UniqueConstraint(fields=("invite_code",), name="idx_cooperatives_invite"),
        ),
        migrations.AddConstraint(
            model_name="cooperative",
            constraint=models.CheckConstraint(
                condition=models.Q(("name__regex", "^\\S(.*\\S)$")), name="name_is_trimmed_and_not_blank"
            ),
        ),
        migrations.AddConstraint(
            model_name="cooperative",
            constraint=models.CheckConstraint(
                condition=models.Q(("name__regex", "[[:cntrl:]]"), _negated=True), name="name_has_no_control_characters"
            ),
        ),
        migrations.AddConstraint(
            model_name="cooperative",
            constraint=models.CheckConstraint(
                condition=models.Func(
                    "name", output_field=models.BooleanField(), template="%(expressions)s IS NFC NORMALIZED"
                ),
                name="name_is_normalised",
            ),
        ),
        migrations.AddConstraint(
            model_name="cooperative",
            constraint=models.CheckConstraint(
                condition=models.Q(("invite_code__regex", "^[A-Z0-9]{8}$")), name="invite_code_is_8_letters_or_digits"
            ),
        ),
        migrations.AddConstraint(
            model_name="cooperative",
            constraint=models.CheckConstraint(
                condition=models.Q(("member_count__range", (0, 20))), name="member_count_is_between_0_and_20"
            ),
        ),
        migrations.AddConstraint(
            model_name="cooperative",
            constraint=models.CheckConstraint(condition=models.Q(("max_members", 20)), name="max_members_is_20"),
        ),
        migrations.AddConstraint(
            model_name="cooperative",
            constraint=models.CheckConstraint(
                condition=models.Q(("is_active", False), ("member_count__gt", 0), _connector="OR"),
                name="an_empty_one_is_never_active",
            ),
        ),
        migrations.AddIndex(
            model_name="cooperativemember",
            index=models.Index(fields=["cooperative"], name="idx_coop_members_coop"),
        ),
        migrations.AddConstraint(
            model_name="cooperativemember",
            constraint=models.UniqueConstraint(fields=("user",), name="idx_coop_members_user"),
        ),
        migrations.AddConstraint(
            model_name="cooperativemember",
            constraint=models.UniqueConstraint(
                fields=("cooperative", "user"), name="one_seat_per_user_in_a_cooperative"
            ),
        ),
        migrations.AddConstraint(
            model_name="cooperativemember",
            constraint=models.UniqueConstraint(
                condition=models.Q(("role", "admin")), fields=("cooperative",), name="one_admin_per_cooperative"
            ),
        ),
        migrations.AddConstraint(
            model_name="cooperativemember",
            constraint=models.CheckConstraint(
                condition=models.Q(("role__in", ["admin", "member"])), name="role_is_admin_or_member"
            ),
        ),
        migrations.AddConstraint(
            model_name="cooperativeweek",
            constraint=models.CheckConstraint(
                condition=models.Q(("week__iso_week_day", 1)), name="a_week_starts_on_monday"
            ),
        ),
        migrations.AddIndex(
            model_name="hashratesample",
            index=models.Index(fields=["sampled_at"], name="idx_cooperative_hashrates_time"),
        ),
        migrations.AddIndex(
            model_name="useractivity",
            index=models.Index(fields=["user", "-id"], name="idx_user_activity_user"),
        ),
        migrations.AddIndex(
            model_name="useractivity",
            index=models.Index(fields=["activity_type"], name="idx_user_activity_type"),
        ),
        migrations.AddIndex(
            model_name="useractivity",
            index=models.Index(fields=["created_at"], name="idx_user_activity_created"),
        ),
    ]
