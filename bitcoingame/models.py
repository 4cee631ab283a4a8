"""What the wiring itself keeps: counters of limited attempts. In PostgreSQL, for limits must hold with Redis down."""

from django.db import models


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
