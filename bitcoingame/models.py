"""The tables of the project itself: limited attempts, runs of jobs, and the books on the platform's events.

They are in PostgreSQL because they must hold while Redis is down.
"""

from uuid import uuid4

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DecimalRangeField, RangeOperators
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
    """How the runs of one job of the timetable went. A run counts for the time at which it started."""

    name = models.CharField(max_length=64, primary_key=True)
    known_since = models.DateTimeField(db_default=Now())
    last_started_at = models.DateTimeField(null=True, blank=True)
    last_succeeded_at = models.DateTimeField(null=True, blank=True)
    last_error = models.TextField(default="", db_default="", blank=True, help_text="Empty once a run succeeds.")

    class Meta:
        db_table = "job_runs"

    def __str__(self) -> str:
        return self.name


class HandledEntries(models.Model):
    """Consecutive stream entries that took effect: one row for each batch, however many entries it had.

    `entries` is a range of positions (bitcoingame.events.envelope.position_of); no two streams share a position. A
    consumer group reads without gaps, so the first and the last entry describe a batch. If two ranges overlapped, an
    entry would take effect twice; the database refuses the second. docs/handled-events.md says why.
    """

    stream = models.CharField(max_length=64)
    entries = DecimalRangeField()
    handled_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "handled_entries"
        verbose_name_plural = "handled entries"
        indexes = [models.Index(fields=["handled_at"], name="idx_handled_entries_handled")]
        constraints = [
            ExclusionConstraint(name="an_entry_takes_effect_once", expressions=[("entries", RangeOperators.OVERLAPS)])
        ]

    def __str__(self) -> str:
        return f"{self.stream} {self.entries}"


class HandledEvent(models.Model):
    """An event that took effect, by the event_id that its producer gave it: from a stream or posted."""

    event_id = models.CharField(max_length=128, primary_key=True)
    handled_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "handled_events"
        indexes = [models.Index(fields=["handled_at"], name="idx_handled_events_handled")]

    def __str__(self) -> str:
        return self.event_id


class HandledFact(models.Model):
    """A fact that took effect, by a digest of the fact's own key: a block's hash, a match and its users, a week.

    `told_as` is the digest of the narrower key under which the fact was told, if any. bitcoingame/events/facts.py is
    its only writer.
    """

    key = models.UUIDField(primary_key=True)
    told_as = models.UUIDField(null=True)
    forget_at = models.DateTimeField()

    class Meta:
        db_table = "handled_facts"
        indexes = [models.Index(fields=["forget_at"], name="idx_handled_facts_forget")]

    def __str__(self) -> str:
        return str(self.key)


class RecentShares(models.Model):
    """The shares of one second (Unix time) that were counted, from all miners: a digest of 8 bytes for each."""

    second = models.BigIntegerField(primary_key=True)
    digests = models.BinaryField()
    handled_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "recent_shares"
        verbose_name_plural = "recent shares"
        indexes = [models.Index(fields=["handled_at"], name="idx_recent_shares_handled")]

    def __str__(self) -> str:
        return str(self.second)


class SetAsideEvent(models.Model):
    """An event that could not be read or handled. It waits for staff."""

    class State(models.TextChoices):
        WAITING = "waiting"
        HANDLED = "handled"

    stream = models.CharField(max_length=64)
    entry = models.CharField(max_length=64, help_text="The entry's id; of a posted event the digest of its content.")
    event = models.CharField(max_length=64, blank=True)
    reason = models.CharField(max_length=512)
    # JSON in ASCII with escapes, so that what broke the event (NUL, broken UTF-8) is kept exactly and does no harm.
    payload = models.TextField(blank=True)
    tries = models.IntegerField(default=1, db_default=1)
    state = models.CharField(
        max_length=8, choices=State.choices, default=State.WAITING, db_default=State.WAITING, editable=False
    )
    set_aside_at = models.DateTimeField(db_default=Now())
    handled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "set_aside_events"
        indexes = [models.Index(fields=["state", "-id"], name="idx_set_aside_events_state")]
        constraints = [
            models.UniqueConstraint(fields=["stream", "entry"], name="an_event_is_set_aside_once"),
            models.CheckConstraint(
                condition=models.Q(state="waiting", handled_at__isnull=True)
                | models.Q(state="handled", handled_at__isnull=False),
                name="a_handled_event_has_its_time",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.event or 'event'} {self.entry}"


class OutgoingEvent(models.Model):
    """An event for the platform, stored with its cause and relayed to the stream `social:events` after the commit."""

    event_id = models.UUIDField(default=uuid4, unique=True, editable=False)
    event = models.CharField(max_length=64)
    payload = models.JSONField()
    created_at = models.DateTimeField(db_default=Now())
    sent_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "outgoing_events"
        indexes = [
            models.Index(fields=["id"], name="idx_outgoing_events_unsent", condition=models.Q(sent_at__isnull=True)),
            models.Index(
                fields=["sent_at"], name="idx_outgoing_events_sent", condition=models.Q(sent_at__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.event} {self.event_id}"
