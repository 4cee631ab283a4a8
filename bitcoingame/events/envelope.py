"""Reads the envelope of an event: its name, id, time and data.

An event comes as an entry of a stream or by POST. Its data stand in `data`, or flat beside the other fields.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from bitcoingame.events.fields import Data, Malformed, is_blank

POSTED = "posted"
"""Stands in place of a stream's name when the event came by POST."""

TOO_DEEP = "(nested too deeply)"
"""Is kept in place of a posted value that nests more deeply than orjson can write."""

MAX_EVENT_BYTES = 256 * 1024
EVENT_ID_LENGTH = 96
_EARLIEST = datetime(2009, 1, 3, tzinfo=UTC).timestamp()
_MILLISECONDS_FROM = 1e11
_FAST_CLOCK = 86400.0
"""How far ahead of ours, in seconds, a producer's clock may be and still tell its events apart."""
_OWN_FIELDS = {"event", "ts", "source", "event_id", "data"}


class Incoming(NamedTuple):
    """An event as it arrived.

    From a stream: its name, the entry's id, and the entry's fields, {bytes: bytes}. By POST: POSTED, a digest of the
    content, and the object that was posted.
    """

    stream: str
    entry: str
    fields: Mapping[Any, Any]


class Envelope(NamedTuple):
    """`event` is the name as given, or None if an entry leaves it to its stream. Times are Unix times in seconds.

    `at` is when the event happened, never later than it arrived. `told_at` is the time that its producer gives, whose
    clock may be fast: it is the same each time the event is sent.
    """

    event: str | None
    event_id: str | None
    at: float
    told_at: float
    data: Data


def read_entry(incoming: Incoming, now: float) -> Envelope:
    """Reads an entry of a stream; `now` is Unix time in seconds. Raises Malformed."""
    fields = incoming.fields
    raw = fields.get(b"data")
    if raw is None or raw.strip() in (b"", b"null"):
        data = _read_flat(fields)
    elif len(raw) > MAX_EVENT_BYTES:
        raise Malformed(f"data is larger than {MAX_EVENT_BYTES} bytes.")
    else:
        data = _read_json(raw)
    event, event_id = fields.get(b"event"), fields.get(b"event_id")
    at, told_at = _read_times(fields.get(b"ts"), _arrived_at(incoming.entry, now))
    return Envelope(event and _decode_name(event), event_id and _read_event_id(_decode(event_id)), at, told_at, data)


def read_posted(incoming: Incoming, now: float) -> Envelope:
    """Reads a posted envelope; `now` is Unix time in seconds.

    Raises Malformed. A missing event_id is malformed too, because only the event_id shows that an event is repeated.
    """
    fields = incoming.fields
    if not isinstance(fields, Mapping):
        raise Malformed("An event must be an object.")
    data = fields.get("data")
    if is_blank(data):
        data = {name: value for name, value in fields.items() if name not in _OWN_FIELDS}
    elif isinstance(data, str):
        data = _read_json(data)
    if not isinstance(data, dict):
        raise Malformed("data must be an object.")
    event, event_id = fields.get("event"), fields.get("event_id")
    if not isinstance(event, str):
        raise Malformed("event is missing." if event is None else "event must be text.")
    if not isinstance(event_id, str):
        raise Malformed("event_id is missing." if event_id is None else "event_id must be text.")
    at, told_at = _read_times(fields.get("ts"), now)
    return Envelope(event, _read_event_id(event_id), at, told_at, data)


def posted(fields: Any) -> Incoming:
    """Wraps a posted value of any shape. A digest of the content takes the place of an entry's id."""
    try:
        return Incoming(POSTED, _digest_of(fields), fields)
    except orjson.JSONEncodeError:
        # orjson reads values that nest more deeply than it can write.
        shallow = _without_nested(fields)
        return Incoming(POSTED, _digest_of(shallow), shallow)


def dump_fields(incoming: Incoming) -> str:
    """The event's fields as JSON in ASCII; `load_fields` reads it back.

    Bytes that are not UTF-8, and NUL, become escapes. An event of more than 2 * MAX_EVENT_BYTES becomes "".
    """
    fields = incoming.fields
    if incoming.stream != POSTED:
        fields = {_escape(name): _escape(value) for name, value in fields.items()}
    dumped = json.dumps(fields)
    return dumped if len(dumped) <= 2 * MAX_EVENT_BYTES else ""


def load_fields(stream: str, dumped: str) -> Any:
    """The fields that `dump_fields` wrote, in the shape that `Incoming` has for this stream; {} if it wrote ""."""
    fields = json.loads(dumped or "{}")
    if stream == POSTED:
        return fields
    return {
        name.encode(errors="surrogateescape"): value.encode(errors="surrogateescape") for name, value in fields.items()
    }


def position_of(stream_number: int, entry: str) -> int:
    """A number that only this entry of this stream has; later entries have higher ones.

    An entry's id is "milliseconds-sequence", two 64-bit numbers. The stream's number stands before them.
    """
    milliseconds, _, sequence = entry.partition("-")
    return (stream_number << 128) + (int(milliseconds) << 64) + int(sequence or 0)


def _digest_of(fields: Any) -> str:
    return hashlib.sha256(orjson.dumps(fields, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _without_nested(fields: Any) -> Any:
    if not isinstance(fields, dict):
        return TOO_DEEP
    return {name: TOO_DEEP if isinstance(value, dict | list) else value for name, value in fields.items()}


def _escape(raw: bytes) -> str:
    return raw.decode(errors="surrogateescape")


def _decode(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise Malformed("The entry is not UTF-8.") from None


@lru_cache(maxsize=256)
def _decode_name(raw: bytes) -> str | None:
    return _decode(raw).strip() or None


def _read_flat(fields: Mapping[bytes, bytes]) -> Data:
    if sum(map(len, fields.values())) > MAX_EVENT_BYTES:
        raise Malformed(f"The entry is larger than {MAX_EVENT_BYTES} bytes.")
    return {_decode(name): _decode(value) for name, value in fields.items() if name != b"data"}


def _read_json(raw: bytes | str) -> Data:
    try:
        data = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise Malformed("data is not valid JSON.") from None
    if type(data) is not dict:
        raise Malformed("data must be an object.")
    return data


def _read_event_id(event_id: str) -> str | None:
    if len(event_id) > EVENT_ID_LENGTH or not event_id.isprintable():
        raise Malformed(f"event_id must have at most {EVENT_ID_LENGTH} printable characters.")
    return event_id if event_id.strip() else None


def _arrived_at(entry: str, now: float) -> float:
    """Unix time in seconds from the entry's id; `now` if the id holds no time from 2009 until now."""
    arrived = int(entry.partition("-")[0]) / 1000
    return arrived if _EARLIEST < arrived < now else now


def _read_times(value: Any, arrived: float) -> tuple[float, float]:
    """`at` and `told_at` of Envelope, from seconds, milliseconds or ISO 8601 (UTC if it names no zone).

    Both are `arrived` if there is no value. Raises Malformed.
    """
    if value is None or (isinstance(value, bytes | str) and not value.strip()):
        return arrived, arrived
    try:
        at = float(value)
    except (TypeError, ValueError):
        at = _read_iso_time(value)
    if at >= _MILLISECONDS_FROM:
        at /= 1000
    if not at >= _EARLIEST:  # also true for NaN
        raise Malformed("ts must be a time since 2009.")
    return min(at, arrived), at if at < arrived + _FAST_CLOCK else arrived


def _read_iso_time(value: Any) -> float:
    text = value.decode(errors="replace") if isinstance(value, bytes) else value
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (TypeError, ValueError, OverflowError):
        raise Malformed("ts must be a time.") from None
