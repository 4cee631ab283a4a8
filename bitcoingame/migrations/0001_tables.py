import django.contrib.postgres.constraints
import django.contrib.postgres.fields.ranges
import django.db.models.functions.datetime
import uuid
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="AttemptCounter",
            fields=[
                ("key", models.CharField(max_length=128, primary_key=True, serialize=False)),
                ("count", models.IntegerField()),
                ("window_ends_at", models.DateTimeField()),
            ],
            options={
                "db_table": "attempt_counters",
                "indexes": [models.Index(fields=["window_ends_at"], name="idx_attempt_counters_ends")],
            },
        ),
        migrations.CreateModel(
            name="JobRun",
            fields=[
                ("name", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("known_since", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("last_started_at", models.DateTimeField(blank=True, null=True)),
                ("last_succeeded_at", models.DateTimeField(blank=True, null=True)),
                (
                    "last_error",
                    models.TextField(blank=True, db_default="", default="", help_text="Empty once a run succeeds."),
                ),
            ],
            options={
                "db_table": "job_runs",
            },
        ),
        migrations.CreateModel(
            name="HandledEntries",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("stream", models.CharField(max_length=64)),
                ("entries", django.contrib.postgres.fields.ranges.DecimalRangeField()),
                ("handled_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "verbose_name_plural": "handled entries",
                "db_table": "handled_entries",
                "indexes": [models.Index(fields=["handled_at"], name="idx_handled_entries_handled")],
                "constraints": [
                    django.contrib.postgres.constraints.ExclusionConstraint(
                        expressions=[("entries", "&&")], name="an_entry_takes_effect_once"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="HandledEvent",
            fields=[
                ("event_id", models.CharField(max_length=128, primary_key=True, serialize=False)),
                ("handled_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "db_table": "handled_events",
                "indexes": [models.Index(fields=["handled_at"], name="idx_handled_events_handled")],
            },
        ),
        migrations.CreateModel(
            name="OutgoingEvent",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("event_id", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ("event", models.CharField(max_length=64)),
                ("payload", models.JSONField()),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("sent_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "db_table": "outgoing_events",
                "indexes": [
                    models.Index(
                        condition=models.Q(("sent_at__isnull", True)), fields=["id"], name="idx_outgoing_events_unsent"
                    ),
                    models.Index(
                        condition=models.Q(("sent_at__isnull", False)),
                        fields=["sent_at"],
                        name="idx_outgoing_events_sent",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="SetAsideEvent",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("stream", models.CharField(max_length=64)),
                (
                    "entry",
                    models.CharField(
                        help_text="The entry's id; of a posted event the digest of its content.", max_length=64
                    ),
                ),
                ("event", models.CharField(blank=True, max_length=64)),
                ("reason", models.CharField(max_length=512)),
                ("payload", models.TextField(blank=True)),
                ("tries", models.IntegerField(db_default=1, default=1)),
                (
                    "state",
                    models.CharField(
                        choices=[("waiting", "Waiting"), ("handled", "Handled")],
                        db_default="waiting",
                        default="waiting",
                        editable=False,
                        max_length=8,
                    ),
                ),
                ("set_aside_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("handled_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "db_table": "set_aside_events",
                "indexes": [models.Index(fields=["state", "-id"], name="idx_set_aside_events_state")],
                "constraints": [
                    models.UniqueConstraint(fields=("stream", "entry"), name="an_event_is_set_aside_once"),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("handled_at__isnull", True), ("state", "waiting")),
                            models.Q(("handled_at__isnull", False), ("state", "handled")),
                            _connector="OR",
                        ),
                        name="a_handled_event_has_its_time",
                    ),
                ],
            },
        ),
    ]
