import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import bitcoingame.core.postgresql.cascades
from bitcoingame.core.postgresql.cascades import add_cascade


class Migration(migrations.Migration):
    dependencies = [
        ("notifications", "0003_email_confirmations"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="DeletedNotification",
            fields=[
                ("notification_id", models.BigIntegerField(primary_key=True, serialize=False)),
                ("cause", models.CharField(blank=True, max_length=128, null=True)),
                (
                    "user",
                    bitcoingame.core.postgresql.cascades.CascadingKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="deleted_notifications",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "db_table": "deleted_notifications",
                "constraints": [
                    models.UniqueConstraint(fields=("user", "cause"), name="a_deleted_notification_keeps_its_cause")
                ],
            },
        ),
        migrations.AddIndex(
            model_name="notification",
            index=models.Index(
                condition=models.Q(("expires_at__isnull", False), ("read", False)),
                fields=["user", "expires_at"],
                include=("id",),
                name="idx_notifications_unread_exp",
            ),
        ),
        add_cascade("deleted_notifications", "user_id", "users"),
    ]
