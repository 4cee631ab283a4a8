"""What the wiring itself keeps, in PostgreSQL, for it must hold with Redis down: limited attempts, and jobs by time."""

from django.db import models
from django.db.models.functions import Now


class AttemptCounter(models.Model):
    """Attempts of one kind by one account or address in the current window."""

    key = models.CharField(max_length=128, primary_key=True)
    count = models.IntegerField()
    window_ends_at = models.DateTimeField()

    class Meta:
        db_table = "attempt_counters"
        indexes = [models.Index(fields=["window_ends_at"], name="idx_attempt_counters_ends")]

    def __str__(self) -> str:
        return f"{self.key}: {self.count}"


class JobRun(models.Model):
    """What became of one job of the timetable. The times are those a run was made for: its start."""

    name = models.CharField(max_length=64, primary_key=True)
    known_since = models.DateTimeField(db_default=Now())
    last_started_at = models.DateTimeField(null=True, blank=True)
    last_succeeded_at = models.DateTimeField(null=True, blank=True)
    last_error = models.TextField(default="", db_default="", blank=True, help_text="Empty once a run succeeds.")

    class Meta:
        db_table = "job_runs"

    def __str__(self) -> str:
        return self.name
