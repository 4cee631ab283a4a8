import bitcoingame.core.postgresql.cascades
import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
import notifications.models
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="NotificationCounter",
            fields=[
                (
                    "user",
                    bitcoingame.core.postgresql.cascades.CascadingOneToOne(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        primary_key=True,
                        related_name="notification_counter",
                        serialize=False,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("last_seq", models.BigIntegerField(db_default=0, default=0)),
                ("unread", models.IntegerField(db_default=0, default=0)),
                (
                    "stored_by_type",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.IntegerField(),
                        db_default=[0, 0, 0, 0, 0],
                        default=notifications.models.no_rows,
                        size=5,
                    ),
                ),
                (
                    "unread_by_type",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.IntegerField(),
                        db_default=[0, 0, 0, 0, 0],
                        default=notifications.models.no_rows,
                        size=5,
                    ),
                ),
            ],
            options={
                "db_table": "notification_counters",
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("unread__gte", 0)), name="unread_is_never_negative")
                ],
            },
        ),
        migrations.CreateModel(
            name="Notification",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("seq", models.BigIntegerField()),
                ("type", models.CharField(max_length=32)),
                ("subtype", models.CharField(max_length=64)),
                ("title", models.CharField(max_length=256)),
                ("description", models.TextField(blank=True, null=True)),
                ("read", models.BooleanField(db_default=False, default=False)),
                ("action_url", models.CharField(blank=True, max_length=256, null=True)),
                ("action_label", models.CharField(blank=True, max_length=64, null=True)),
                ("metadata", models.JSONField(db_default={}, default=dict)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("expires_at", models.DateTimeField(blank=True, null=True)),
                (
                    "user",
                    bitcoingame.core.postgresql.cascades.CascadingKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="notifications",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "cause",
                    models.CharField(
                        blank=True,
                        help_text="What the notification is about. A user gets one notification per cause.",
                        max_length=128,
                        null=True,
                    ),
                ),
            ],
            options={
                "db_table": "notifications",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("type__in", ("mining", "gamification", "competition", "social", "system"))),
                        name="type_is_one_of_the_five",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="EmailDelivery",
            fields=[
                (
                    "notification",
                    bitcoingame.core.postgresql.cascades.CascadingOneToOne(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        primary_key=True,
                        related_name="email_delivery",
                        serialize=False,
                        to="notifications.notification",
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("due", "Due"),
                            ("sending", "Sending"),
                            ("sent", "Sent"),
                            ("skipped", "not wanted any more"),
                            ("failed", "refused for good"),
                            ("unknown", "interrupted while sending"),
                        ],
                        db_default="due",
                        default="due",
                        max_length=8,
                    ),
                ),
                ("attempts", models.SmallIntegerField(db_default=0, default=0)),
                (
                    "due_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        help_text="When to try next. While sending: when the attempt began.",
                    ),
                ),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
                ("error", models.CharField(blank=True, max_length=256, null=True)),
            ],
            options={
                "verbose_name_plural": "e-mail deliveries",
                "db_table": "email_deliveries",
                "indexes": [
                    models.Index(
                        condition=models.Q(("state__in", ["due", "sending"])),
                        fields=["due_at", "notification"],
                        name="idx_email_deliveries_open",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Broadcast",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("cause", models.CharField(max_length=128)),
                ("kind", models.CharField(max_length=64)),
                ("title", models.CharField(max_length=256)),
                ("description", models.TextField()),
                ("metadata", models.JSONField(default=dict)),
                (
                    "reached_user_id",
                    models.BigIntegerField(db_default=0, default=0, help_text="Users up to this id are done."),
                ),
                ("users_total", models.IntegerField(blank=True, help_text="Set when delivery begins.", null=True)),
                ("users_done", models.IntegerField(db_default=0, default=0)),
                (
                    "notified",
                    models.IntegerField(
                        db_default=0, default=0, help_text="How many of the users done got the notification."
                    ),
                ),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "verbose_name": "announcement",
                "db_table": "broadcasts",
                "indexes": [
                    models.Index(
                        condition=models.Q(("finished_at__isnull", True)), fields=["id"], name="idx_broadcasts_open"
                    )
                ],
                "constraints": [models.UniqueConstraint(fields=("cause",), name="a_cause_is_announced_once")],
            },
        ),
        migrations.AddConstraint(
            model_name="notification",
            constraint=models.UniqueConstraint(fields=("user", "seq"), name="seq_counts_each_users_notifications"),
        ),
        migrations.AddIndex(
            model_name="notification",
            index=models.Index(
                condition=models.Q(("read", False)), fields=["user", "read"], name="idx_notifications_unread"
            ),
        ),
        migrations.AddIndex(
            model_name="notification", index=models.Index(fields=["created_at"], name="idx_notifications_created")
        ),
        migrations.AddIndex(
            model_name="notification",
            index=models.Index(fields=["user", "type", "-seq"], name="idx_notifications_user"),
        ),
        migrations.AddIndex(
            model_name="notification",
            index=models.Index(
                condition=models.Q(("read", False)), fields=["user", "-seq"], name="idx_notifications_unread_seq"
            ),
        ),
        migrations.AddIndex(
            model_name="notification",
            index=models.Index(
                condition=models.Q(("expires_at__isnull", False)),
                fields=["user", "expires_at"],
                include=("type", "read"),
                name="idx_notifications_expiring",
            ),
        ),
        migrations.AddConstraint(
            model_name="notification",
            constraint=models.UniqueConstraint(
                condition=models.Q(("cause__isnull", False)),
                fields=("user", "cause"),
                name="a_cause_notifies_a_user_once",
            ),
        ),
    ]
