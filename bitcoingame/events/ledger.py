"""Records which events were handled, in the transaction of their effect. docs/handled-events.md explains why."""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime, timedelta

from bitcoingame.core.postgresql.purging import delete_batch
from bitcoingame.core.postgresql.statements import execute, fetch
from bitcoingame.events.catalogue import STREAMS
from bitcoingame.events.envelope import position_of
from bitcoingame.events.facts import SHARES_KEPT

KEPT = timedelta(days=30)
"""How long a repetition is recognised. Redis keeps an entry that nobody acknowledged for far less time."""
SET_ASIDE_KEPT = timedelta(days=90)
SENT_KEPT = timedelta(days=7)

ONCE = "an_entry_takes_effect_once"
"""The constraint that refuses an entry another consumer has just handled."""

_FIND_RUNS = """
SELECT lower(entries), upper(entries) FROM handled_entries WHERE entries && numrange(%s, %s, '[]') ORDER BY 1
"""
_KEEP_RUNS = """
INSERT INTO handled_entries (stream, entries)
SELECT %s, numrange(first, last, '[]') FROM unnest(%s::numeric[], %s::numeric[]) AS run (first, last)
"""
_KEEP_EVENTS = """
INSERT INTO handled_events (event_id) SELECT event_id FROM unnest(%s::text[]) AS event_id ORDER BY event_id
ON CONFLICT (event_id) DO NOTHING RETURNING event_id
"""
_PURGED = (
    ("handled_entries", "handled_at", KEPT),
    ("handled_events", "handled_at", KEPT),
    ("handled_facts", "forget_at", timedelta()),
    ("set_aside_events", "handled_at", SET_ASIDE_KEPT),  # NULL while the event waits for staff
    ("outgoing_events", "sent_at", SENT_KEPT),
)


def claim_entries(stream: str, entries: Sequence[str], *, is_run: bool) -> list[bool]:
    """Records the entries (their ids) as handled; returns for each whether it is new.

    `is_run` says that they follow each other in the stream without a gap. Raises IntegrityError (ONCE) if another
    transaction records one of them and commits first.
    """
    number = STREAMS[stream]
    if is_run:
        first, last = position_of(number, entries[0]), position_of(number, entries[-1])
        if not fetch(_FIND_RUNS, [first, last]):
            execute(_KEEP_RUNS, [stream, [first], [last]])
            return [True] * len(entries)
    positions = [position_of(number, entry) for entry in entries]
    runs = fetch(_FIND_RUNS, [min(positions), max(positions)])
    starts = [int(start) for start, _ in runs]
    claimed: set[int] = set()
    answers = []
    for position in positions:
        at = bisect_right(starts, position) - 1
        is_fresh = position not in claimed and not (at >= 0 and position <= runs[at][1])
        answers.append(is_fresh)
        if is_fresh:
            claimed.add(position)
    if claimed:
        execute(_KEEP_RUNS, [stream, sorted(claimed), sorted(claimed)])
    return answers


def claim_events(event_ids: set[str]) -> set[str]:
    """Records the events as handled; returns the event_ids that are new."""
    return {event_id for (event_id,) in fetch(_KEEP_EVENTS, [list(event_ids)])}


def forget_shares(*, now: datetime, batch_size: int) -> int:
    """Deletes the digests of shares that were handled longer than SHARES_KEPT ago; returns how many rows."""
    return delete_batch(table="recent_shares", column="handled_at", before=now - SHARES_KEPT, batch_size=batch_size)


def purge_handled(*, now: datetime, batch_size: int) -> int:
    """Deletes the old rows of each table of events, batch_size of a table at most; returns how many it deleted."""
    return sum(
        delete_batch(table=table, column=column, before=now - kept, batch_size=batch_size)
        for table, column, kept in _PURGED
    )
