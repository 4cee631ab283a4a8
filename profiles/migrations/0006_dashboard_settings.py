import django.db.models.deletion
import django.db.models.lookups
from django.conf import settings
from django.db import migrations, models

import bitcoingame.core.postgresql.cascades
from bitcoingame.core.postgresql.cascades import add_cascade


class Migration(migrations.Migration):
    dependencies = [
        ("profiles", "0005_silent_machines"),
    ]

    operations = [
        migrations.CreateModel(
            name="DashboardSettings",
            fields=[
                (
                    "user",
                    bitcoingame.core.postgresql.cascades.CascadingOneToOne(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        primary_key=True,
                        related_name="dashboard_settings",
                        serialize=False,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("mining", models.TextField(db_default="{}", default="{}")),
                ("sound", models.TextField(db_default="{}", default="{}")),
            ],
            options={
                "verbose_name_plural": "dashboard settings",
                "db_table": "dashboard_settings",
                "constraints": [
                    models.CheckConstraint(
                        condition=django.db.models.lookups.LessThanOrEqual(
                            models.Func("mining", function="octet_length", output_field=models.IntegerField()), 8192
                        ),
                        name="mining_takes_at_most_8_kib",
                    ),
                    models.CheckConstraint(
                        condition=django.db.models.lookups.LessThanOrEqual(
                            models.Func("sound", function="octet_length", output_field=models.IntegerField()), 8192
                        ),
                        name="sound_takes_at_most_8_kib",
                    ),
                ],
            },
        ),
        add_cascade("dashboard_settings", "user_id", "users"),
    ]
