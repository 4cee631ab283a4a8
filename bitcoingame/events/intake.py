"""From events as they arrived to their effect, once each: the streams' consumer and POST meet here.

What an event brings about and the record that it was handled commit together. An event that cannot be read is set
aside at once; where a batch fails, halves of it are tried, until what fails stands alone.
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
from bitcoingame.events.fields import Malformed
from bitcoingame.events.game import NOBODY
from bitcoingame.events.people import find_users, forget_users
from bitcoingame.models import SetAsideEvent

logger = logging.getLogger(__name__)

MAX_TRIES = 3
"""How often an event may fail by itself before it is set aside."""

# No event's fault: PostgreSQL is away, busy, full, or not migrated. Everything waits; nothing is set aside.
TRANSIENT = (OperationalError, InterfaceError, InternalError, ProgrammingError)


class Outcome(NamedTuple):
    """What became of an event: accepted, duplicate, ignored (its user is unknown) or set_aside, with the reason."""

    status: str
    reason: str = ""


ACCEPTED, DUPLICATE, IGNORED = Outcome("accepted"), Outcome("duplicate"), Outcome("ignored")


class Item(NamedTuple):
    """An event that was read; or, with a reason, one that could not be."""

    incoming: Incoming
    event: str
    event_id: str | None = None
    at: float = 0.0
    body: Any = None
    reason: str = ""


def take_in(batch: Sequence[Incoming], *, is_run: bool = False) -> list[Outcome]:
    """Gives each event its effect, once; answers what became of each, in order.

    All come from one stream, or all were posted. `is_run` says that they are entries with nothing between them.
    Raises OperationalError and the like (TRANSIENT) when PostgreSQL cannot be used; some may have taken effect by then,
    and to call again with the same events is right.
    """
    return take_in_items(read_items(batch), is_run=is_run)


def read_items(batch: Sequence[Incoming]) -> list[Item]:
    """The first half of `take_in`, which needs no database: what the events say."""
    return [_read(incoming) for incoming in batch]


def take_in_items(items: list[Item], *, is_run: bool) -> list[Outcome]:
    """The other half."""
    return _take_in(items, is_run) if items else []


def set_aside(incoming: Incoming, *, reason: str) -> None:
    """Leaves an entry to staff without trying it."""
    _take_in([Item(incoming, "", reason=reason)], is_run=False)


@transaction.atomic
def try_again(set_aside_id: int) -> Outcome:
    """Handles an event that was set aside, once; where it fails again, its reason and tries tell.

    Raises NotFound.
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
            return IGNORED if _handle([item]) else ACCEPTED
    except TRANSIENT:
        raise
    except Exception as error:
        return Outcome("set_aside", _describe(error))


def _read(incoming: Incoming) -> Item:
    event = ""
    try:
        envelope = (read_posted if incoming.stream == POSTED else read_entry)(incoming, time.time())
        event = name_of_event(incoming.stream, envelope.event)
        return Item(incoming, event, envelope.event_id, envelope.at, EVENTS[event].parse(envelope.data))
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
            # What this process remembers of users may be the cause.
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
    """Another consumer committed one of the entries first: the next look at the ledger tells which."""
    return isinstance(error, IntegrityError) and violated_constraint(error) == ledger.ONCE


def _describe(error: Exception) -> str:
    return f"It could not be handled: {type(error).__name__}: {first_line(error)}"[:500]


def first_line(error: Exception) -> str:
    """For logs and staff; the details PostgreSQL adds, which repeat an event's values, are left out."""
    return str(error).partition("\n")[0].replace("\x00", "")


@transaction.atomic
def _commit(items: list[Item], is_run: bool) -> list[Outcome]:
    outcomes = [DUPLICATE] * len(items)
    fresh = _claim(items, is_run)
    aside = [index for index in fresh if items[index].reason]
    _store_aside([items[index] for index in aside])
    readable = [index for index in fresh if not items[index].reason]
    unknown = _handle([items[index] for index in readable])
    for index in aside:
        outcomes[index] = Outcome("set_aside", items[index].reason)
    for index in readable:
        outcomes[index] = ACCEPTED
    for place in unknown:
        outcomes[readable[place]] = IGNORED
    return outcomes


def _claim(items: list[Item], is_run: bool) -> list[int]:
    """The places of those that were not handled before, now recorded as handled."""
    places: Iterable[int] = range(len(items))
    stream = items[0].incoming.stream
    if stream != POSTED:
        claims = ledger.claim_entries(stream, [item.incoming.entry for item in items], is_run=is_run)
        places = [place for place in places if claims[place]]
    # An event that is set aside leaves its event_id free: its producer may send it again, put right.
    named = {event_id for place in places if (event_id := items[place].event_id) and not items[place].reason}
    if not named:
        return list(places)
    unclaimed = ledger.claim_events(named)
    fresh = []
    for place in places:
        event_id = items[place].event_id
        if event_id in unclaimed:
            unclaimed.remove(event_id)
            fresh.append(place)
        elif event_id not in named or items[place].reason:
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


def _handle(items: list[Item]) -> list[int]:
    """Brings about the effects; answers the places of those whose user is unknown."""
    is_frequent = all(item.event in FREQUENT for item in items)
    users = find_users((item.body.user for item in items if item.body.user != NOBODY), from_memory=is_frequent)
    users[NOBODY] = 0
    facts: defaultdict[str, list[Fact[Any]]] = defaultdict(list)
    unknown = []
    for place, (incoming, event, event_id, at, body, _) in enumerate(items):
        user_id = users.get(body.user)
        if user_id is None:
            unknown.append(place)
            continue
        origin = event_id or f"{incoming.stream}:{incoming.entry}"
        facts[event].append(Fact(user_id, at, origin, body))
    effects = Effects()
    for event, known in EVENTS.items():
        if event in facts:
            known.handle(facts[event], effects)
    effects.deliver()
    return unknown
