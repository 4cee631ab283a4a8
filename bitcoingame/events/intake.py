"""Gives each event its effect, once. The streams' consumer and POST both call this.

The effect of an event and the record that it was handled commit together. An event that cannot be read is set aside at
once. If a batch fails, each half of it is tried by itself, and so on until the event that fails stands alone.
"""

import logging
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from django.db import IntegrityError, InterfaceError, InternalError, OperationalError, ProgrammingError, transaction
from django.db.models import F
from django.db.models.functions import Now

from bitcoingame.core.errors import NotFound
from bitcoingame.core.postgresql.constraints import violated_constraint
from bitcoingame.events import ledger
from bitcoingame.events.catalogue import EVENTS, FREQUENT, name_of_event
from bitcoingame.events.effects import Effects, Fact
from bitcoingame.events.envelope import POSTED, Incoming, dump_fields, load_fields, read_entry, read_posted
from bitcoingame.events.facts import claim
from bitcoingame.events.fields import Malformed
from bitcoingame.events.game import NOBODY
from bitcoingame.events.people import find_users, forget_users
from bitcoingame.models import SetAsideEvent

logger = logging.getLogger(__name__)

MAX_TRIES = 3
"""How often an event is tried by itself before it is set aside."""

# Errors that are no event's fault: PostgreSQL is away, busy, full, or not migrated. All events wait; none is set aside.
TRANSIENT = (OperationalError, InterfaceError, InternalError, ProgrammingError)


class Outcome(NamedTuple):
    """What became of an event: accepted, duplicate, ignored (its user is unknown), or set_aside with a reason."""

    status: str
    reason: str = ""


ACCEPTED, DUPLICATE, IGNORED = Outcome("accepted"), Outcome("duplicate"), Outcome("ignored")


class Item(NamedTuple):
    """An event that was read. With a `reason` it is one that could not be read.

    `at` and `told_at` are those of Envelope; `body` is what the event's `parse` in the catalogue returned.
    """

    incoming: Incoming
    event: str
    event_id: str | None = None
    at: float = 0.0
    told_at: float = 0.0
    body: Any = None
    reason: str = ""


def take_in(batch: Sequence[Incoming], *, is_run: bool = False) -> list[Outcome]:
    """Gives each event its effect, once; returns what became of each, in the same order.

    All come from one stream, or all were posted. `is_run` says that they follow each other in the stream without a gap.
    Raises one of TRANSIENT if PostgreSQL cannot be used. Some events may have taken effect by then; call again with
    the same events.
    """
    return take_in_items(read_items(batch), is_run=is_run)


def read_items(batch: Sequence[Incoming]) -> list[Item]:
    """The first half of `take_in`: reads the events. It needs no database."""
    return [_read(incoming) for incoming in batch]


def take_in_items(items: list[Item], *, is_run: bool) -> list[Outcome]:
    """The second half of `take_in`: gives the events their effect. Raises one of TRANSIENT as `take_in` does."""
    return _take_in(items, is_run) if items else []


def set_aside(incoming: Incoming, *, reason: str) -> None:
    """Leaves an entry to staff without trying it. Raises one of TRANSIENT if PostgreSQL cannot be used."""
    _take_in([Item(incoming, "", reason=reason)], is_run=False)


@transaction.atomic
def try_again(set_aside_id: int) -> Outcome:
    """Handles an event that was set aside. If it fails again, its row keeps the new reason and counts the try.

    An event that was handled before is a duplicate. Raises NotFound, or one of TRANSIENT.
    """
    row = SetAsideEvent.objects.select_for_update().filter(pk=set_aside_id).first()
    if row is None:
        raise NotFound
    if row.state == SetAsideEvent.State.HANDLED:
        return DUPLICATE
    item = _read(Incoming(row.stream, row.entry, load_fields(row.stream, row.payload)))
    outcome = Outcome("set_aside", item.reason) if item.reason else _try(item)
    changes: dict[str, Any] = {"tries": F("tries") + 1}
    if outcome.status == "set_aside":
        changes["reason"] = outcome.reason
    else:
        changes |= {"state": SetAsideEvent.State.HANDLED, "handled_at": Now()}
    SetAsideEvent.objects.filter(pk=row.pk).update(**changes)
    return outcome


def _try(item: Item) -> Outcome:
    try:
        with transaction.atomic():
            if item.event_id and not ledger.claim_events({item.event_id}):
                return DUPLICATE
            return _handle([item])[0]
    except TRANSIENT:
        raise
    except Exception as error:
        return Outcome("set_aside", _describe(error))


def _read(incoming: Incoming) -> Item:
    event = ""
    try:
        read = read_posted if incoming.stream == POSTED else read_entry
        envelope = read(incoming, time.time())
        event = name_of_event(incoming.stream, envelope.event)
        body = EVENTS[event].parse(envelope.data)
        return Item(incoming, event, envelope.event_id, envelope.at, envelope.told_at, body)
    except Malformed as error:
        return Item(incoming, event, reason=str(error))


def _take_in(items: list[Item], is_run: bool) -> list[Outcome]:
    for _ in range(MAX_TRIES):
        try:
            return _commit(items, is_run)
        except TRANSIENT:
            raise
        except Exception as error:
            failure = error
            # The cause may be a user this process remembers and the database no longer has.
            forget_users()
            if len(items) > 1 and not _is_race(error):
                break
    if _is_race(failure):
        raise OperationalError("The same entries are being handled elsewhere.") from failure
    if len(items) == 1:
        logger.error("a %s event is set aside: %s", items[0].event, _describe(failure))
        return _take_in([items[0]._replace(reason=_describe(failure))], is_run)
    half = len(items) // 2
    return _take_in(items[:half], is_run) + _take_in(items[half:], is_run)


def _is_race(error: Exception) -> bool:
    """Whether another consumer committed one of the entries first. The next look at the ledger tells which one."""
    return isinstance(error, IntegrityError) and violated_constraint(error) == ledger.ONCE


def _describe(error: Exception) -> str:
    return f"It could not be handled: {type(error).__name__}: {first_line(error)}"[:500]


def first_line(error: Exception) -> str:
    """An error for logs and staff, without the details PostgreSQL adds, because they repeat an event's values."""
    return str(error).partition("\n")[0].replace("\x00", "")


@transaction.atomic
def _commit(items: list[Item], is_run: bool) -> list[Outcome]:
    outcomes = [DUPLICATE] * len(items)
    fresh = _claim(items, is_run)
    aside = [index for index in fresh if items[index].reason]
    _store_aside([items[index] for index in aside])
    readable = [index for index in fresh if not items[index].reason]
    for index in aside:
        outcomes[index] = Outcome("set_aside", items[index].reason)
    for index, outcome in zip(readable, _handle([items[index] for index in readable]), strict=True):
        outcomes[index] = outcome
    return outcomes


def _claim(items: list[Item], is_run: bool) -> list[int]:
    """Records the items as handled; returns the places of those that were not handled before."""
    places = list(range(len(items)))
    stream = items[0].incoming.stream
    if stream != POSTED:
        claims = ledger.claim_entries(stream, [item.incoming.entry for item in items], is_run=is_run)
        places = [place for place in places if claims[place]]
    event_ids = _event_ids(items[place] for place in places)
    return _claim_events(items, places, event_ids) if event_ids else places


def _event_ids(items: Iterable[Item]) -> set[str]:
    """Without those of events to set aside: the producer may correct such an event and send it again."""
    event_ids = set()
    for item in items:
        if item.event_id and not item.reason:
            event_ids.add(item.event_id)
    return event_ids


def _claim_events(items: list[Item], places: list[int], event_ids: set[str]) -> list[int]:
    """The places without those whose event was handled before, or stands in the batch a second time."""
    unclaimed = ledger.claim_events(event_ids)
    fresh = []
    for place in places:
        event_id = items[place].event_id
        if event_id in unclaimed:
            unclaimed.remove(event_id)
            fresh.append(place)
        elif event_id not in event_ids or items[place].reason:
            fresh.append(place)
    return fresh


def _store_aside(items: list[Item]) -> None:
    if not items:
        return
    logger.warning("%d events are set aside, the first because: %s", len(items), items[0].reason)
    SetAsideEvent.objects.bulk_create(
        (
            SetAsideEvent(
                stream=item.incoming.stream,
                entry=item.incoming.entry,
                event=item.event,
                reason=item.reason,
                payload=dump_fields(item.incoming),
            )
            for item in items
        ),
        ignore_conflicts=True,
    )


def _handle(items: list[Item]) -> list[Outcome]:
    """Brings about the effects; returns what became of each: accepted, duplicate by the fact's key, or ignored."""
    outcomes = [ACCEPTED] * len(items)
    places, facts = _facts_of(items, outcomes)
    for event in facts:
        if repeated := _find_repeated(event, items, places[event], facts[event]):
            for place in repeated:
                outcomes[places[event][place]] = DUPLICATE
            facts[event] = [fact for place, fact in enumerate(facts[event]) if place not in repeated]
    effects = Effects()
    for event, of_event in facts.items():
        if of_event:
            EVENTS[event].handle(of_event, effects)
    effects.deliver()
    return outcomes


def _facts_of(items: list[Item], outcomes: list[Outcome]) -> tuple[dict[str, list[int]], dict[str, list[Fact[Any]]]]:
    """The facts of each event and their places among the items, in the order of EVENTS.

    An item of an unknown user is none; its outcome becomes IGNORED.
    """
    is_frequent = all(item.event in FREQUENT for item in items)
    users = find_users((item.body.user for item in items if item.body.user != NOBODY), from_memory=is_frequent)
    users[NOBODY] = 0
    places: defaultdict[str, list[int]] = defaultdict(list)
    facts: defaultdict[str, list[Fact[Any]]] = defaultdict(list)
    for place, (incoming, event, event_id, at, _, body, _) in enumerate(items):
        user_id = users.get(body.user)
        if user_id is None:
            outcomes[place] = IGNORED
            continue
        places[event].append(place)
        facts[event].append(Fact(user_id, at, event_id or f"{incoming.stream}:{incoming.entry}", body))
    return places, {event: facts[event] for event in EVENTS if event in facts}


def _find_repeated(event: str, items: list[Item], places: list[int], facts: list[Fact[Any]]) -> set[int]:
    """Records the keys of the facts; returns the places, among the facts, of those that were told before."""
    _, _, key_of, kept = EVENTS[event]
    if key_of is None:
        return set()
    keys = [key_of(fact.user_id, items[place].told_at, fact.body) for place, fact in zip(places, facts, strict=True)]
    named = [place for place, key in enumerate(keys) if key is not None]
    if not named:
        return set()
    claims = claim(event, [key for key in keys if key is not None], kept)
    if all(claims):
        return set()
    return {place for place, is_new in zip(named, claims, strict=True) if not is_new}
