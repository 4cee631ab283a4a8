"""Recognises a fact that is told again, by the fact's own key. docs/handled-events.md explains why.

Producers repeat themselves: the same block, match or share comes as another entry, with another event_id or without
one. What a fact's key is made of stands beside its parser, in mining.py and game.py. The keys are recorded in the
transaction of the effect; a second transaction with the same key waits for the first one's end.
"""

from array import array
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import timedelta
from functools import lru_cache
from hashlib import blake2b
from operator import xor
from typing import NamedTuple, cast
from uuid import UUID

from bitcoingame.core.postgresql.statements import columns, execute, fetch, numbers

A_MONTH = timedelta(days=30)
A_YEAR = timedelta(days=365)
SHARES_KEPT = timedelta(minutes=10)
"""How long the shares of a second are remembered after the last of them was handled."""

_REMEMBERED = 65536
_MAX_BYTES = 1_048_576
"""How many digests of one second are kept, in bytes: a producer whose clock stands still may send any number."""


class Key(NamedTuple):
    """What a fact is recognised by.

    `exactly` names the same fact more narrowly, if the producer knows more: a block's hash beside its height. A fact is
    told again if its `exactly` was told before, or if it was told by `name` alone. Two facts with one `name` and
    different `exactly` are two.
    """

    name: tuple[object, ...]
    exactly: tuple[object, ...] = ()


class ShareKey(NamedTuple):
    """`second` is Unix time. `worker` is `digest_worker` of the machine. `difficulty` is what the share reached."""

    second: int
    worker: int
    difficulty: float


# DO NOTHING waits until another transaction that records the same key ends, so the keys are recorded in one order.
_KEEP = """
INSERT INTO handled_facts (key, forget_at)
SELECT key, statement_timestamp() + %s FROM unnest(%s::uuid[]) AS key ORDER BY key
ON CONFLICT (key) DO NOTHING RETURNING key
"""
_LOCK_NAMES = "SELECT key, told_as FROM handled_facts WHERE key = ANY(%s) ORDER BY key FOR NO KEY UPDATE"
_SET_TOLD_AS = """
UPDATE handled_facts SET told_as = news.told_as FROM unnest(%s::uuid[], %s::uuid[]) AS news (key, told_as)
WHERE handled_facts.key = news.key
"""
# One row for each second. Its lock makes two batches with shares of one second wait for each other.
_KEEP_SHARES = """
WITH kept AS (
    INSERT INTO recent_shares AS known (second, digests)
    SELECT second, digests FROM unnest(%s::bigint[], %s::bytea[]) AS news (second, digests) ORDER BY second
    ON CONFLICT (second) DO UPDATE SET
        digests = substring(
            known.digests || excluded.digests
            FROM greatest(1, length(known.digests) + length(excluded.digests) - %s + 1)),
        handled_at = now()
    RETURNING new.second AS second, old.digests AS known
)
SELECT second, known FROM kept WHERE known IS NOT NULL
"""


def claim(event: str, keys: Sequence[Key | ShareKey], kept: timedelta) -> list[bool]:
    """Records the facts for as long as `kept`; returns for each whether it was not told before.

    A fact that stands among `keys` a second time was told before. All are facts of one kind of event, at least one.
    """
    if isinstance(keys[0], ShareKey):
        return _claim_shares(cast(Sequence[ShareKey], keys))
    return _claim_facts(event, cast(Sequence[Key], keys), kept)


def _claim_facts(event: str, keys: Sequence[Key], kept: timedelta) -> list[bool]:
    named = [(_digest(event, "name", key.name), _digest(event, "exactly", key.exactly)) for key in keys]
    names = [name for name, exactly in named if exactly]
    fresh = {key for (key,) in fetch(_KEEP, [kept, sorted({key for both in named for key in both if key})])}
    told_as: dict[UUID, UUID | None] = dict(fetch(_LOCK_NAMES, [names])) if names else {}
    claims = _Claims(fresh, told_as)
    answers = [claims.claim(*both) for both in named]
    if claims.changed:
        execute(_SET_TOLD_AS, columns((name, told_as[name]) for name in claims.changed))
    return answers


class _Claims:
    """The keys that were recorded just now, each for the first fact that needs it."""

    def __init__(self, fresh: set[UUID], told_as: dict[UUID, UUID | None]) -> None:
        self.fresh, self.told_as = fresh, told_as
        self.changed: set[UUID] = set()

    def claim(self, name: UUID | None, exactly: UUID | None) -> bool:
        """Whether this is the first time that the fact is told."""
        assert name
        if not exactly:
            return self._take(name)
        if not self._take(exactly):
            return False
        is_first_of_name = self._take(name)
        was_told_by_name = not is_first_of_name and self.told_as[name] is None
        if is_first_of_name or was_told_by_name:
            self.told_as[name] = exactly
            self.changed.add(name)
        return not was_told_by_name

    def _take(self, key: UUID) -> bool:
        is_fresh = key in self.fresh
        self.fresh.discard(key)
        return is_fresh


def _digest(event: str, how: str, parts: tuple[object, ...]) -> UUID | None:
    return UUID(bytes=blake2b(repr((event, how, parts)).encode(), digest_size=16).digest()) if parts else None


def _claim_shares(keys: Sequence[ShareKey]) -> list[bool]:
    """Records the shares for SHARES_KEPT; returns for each whether it was not told before.

    A share's digest has 64 bits: among 20,000 different shares of one second, two have the same digest once in 3,000
    years.
    """
    seconds, workers, difficulties = zip(*keys, strict=True)
    # The digests of workers are random numbers, so no two of them differ as two difficulties do.
    digests = list(map(xor, workers, array("q", array("d", difficulties).tobytes())))
    by_second: defaultdict[int, list[int]] = defaultdict(list)
    for second, digest in zip(seconds, digests, strict=True):
        by_second[second].append(digest)
    known = _keep_shares(by_second)
    if _are_all_new(by_second, known):
        return [True] * len(keys)
    return _first_of_each(zip(seconds, digests, strict=True), known)


def _keep_shares(by_second: dict[int, list[int]]) -> dict[int, Sequence[int]]:
    """Adds {second: digests} to the table; returns those that it held already."""
    packed = [array("q", digests).tobytes() for digests in by_second.values()]
    rows = fetch(_KEEP_SHARES, [numbers(by_second), packed, _MAX_BYTES])
    return {second: array("q", known) for second, known in rows}


def _are_all_new(by_second: dict[int, list[int]], known: dict[int, Sequence[int]]) -> bool:
    for second, digests in by_second.items():
        distinct = set(digests)
        if len(distinct) < len(digests) or not distinct.isdisjoint(known.get(second, ())):
            return False
    return True


def _first_of_each(shares: Iterable[tuple[int, int]], known: dict[int, Sequence[int]]) -> list[bool]:
    told = {second: set(digests) for second, digests in known.items()}
    answers = []
    for second, digest in shares:
        of_second = told.setdefault(second, set())
        answers.append(digest not in of_second)
        of_second.add(digest)
    return answers


@lru_cache(maxsize=_REMEMBERED)
def digest_worker(user_id: int, name: str) -> int:
    """A number of 64 bits for the machine, the same in every process."""
    digest = blake2b(f"{user_id}\x1f{name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)
