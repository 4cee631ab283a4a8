"""Creating notifications. No other code inserts into notifications."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

import orjson
from django.db import connection, transaction
from django.utils import timezone

from bitcoingame.core.queue import enqueue_on_commit
from notifications import realtime
from notifications.errors import BadValue, NotificationMistake, TooManyRecipients
from notifications.frames import NotificationRow, notification_event
from notifications.kinds import Kind, Person, Text, find_kind, write_text
from notifications.models import MAX_CAUSE, Broadcast
from notifications.naming import hold_person, name_in_broadcast, turn_delivered_broadcast
from profiles.models import User

MAX_RECIPIENTS = 10_000

# notifications/sql/create_notifications.sql defines the function, and says what it keeps and how.
_CREATE = """
SELECT * FROM create_notifications(
    %s::bigint[], %s::integer[], %s::text[], %s::text[], %s::text[], %s::jsonb[],
    %s::bigint[], %s::text[], %s::text[], %s, %s, %s, %s, %s, %s, %s)
"""
_ANNOUNCE = """
INSERT INTO broadcasts (cause, kind, title, description, metadata) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (cause) DO NOTHING RETURNING id
"""


class PersonalNotification(NamedTuple):
    """One user's notification in a batch of one kind, with values of its own."""

    user_id: int
    cause: str
    values: Mapping[str, Any]
    variant: str = ""


class Created(NamedTuple):
    """What one statement created. The lists run in parallel. `mails` is how many e-mails became due.

    `named` says which rows say the name of the person in their text.
    """

    ids: list[int]
    user_ids: list[int]
    seqs: list[int]
    causes: list[str]
    named: list[bool]
    created_at: datetime
    mails: int


def create_notification(*, kind: str, recipients: Iterable[int], cause: str, variant: str = "", **values: Any) -> int:
    """Tells the recipients (user ids) the same thing and returns how many were told.

    Call it in the transaction of the cause: the rows commit with it and are pushed after it. A recipient is passed over
    if suspended, if the kind or inApp is switched off, or if told of this cause before. `values` fill the texts of the
    kind's catalogue entry. A Person among them is named only to those who may see the name now. The person and the
    recipients' counters stay locked until the commit. A transaction that calls this twice must therefore have locked
    the people it names before, and go through recipients in ascending order, or have the same ones.

    Raises UnknownKind, MissingValue, UnknownValue, BadValue or TooManyRecipients, and NotificationMistake outside a
    transaction. All are mistakes of the caller.
    """
    text = write_text(kind, variant, values)
    user_ids = sorted(set(recipients))
    return _create(kind, user_ids, [1] * len(user_ids), [cause], [text])


def create_notifications(*, kind: str, items: Sequence[PersonalNotification]) -> int:
    """As `create_notification`, for many users with values of their own, in one statement.

    Returns how many were stored. A user may have several items, which are numbered in the order given. Raises as
    `create_notification` does.
    """
    unique: dict[tuple[int, str], PersonalNotification] = {}
    for item in items:
        unique.setdefault((item.user_id, item.cause), item)
    texts = [write_text(kind, item.variant, item.values) for item in unique.values()]
    user_ids = [user_id for user_id, _ in unique]
    return _create(kind, user_ids, range(1, len(texts) + 1), [cause for _, cause in unique], texts)


def welcome(*, user_id: int) -> None:
    """Greets a new user in the transaction that creates the user. settings.ON_FIRST_SIGN_IN names this function."""
    create_notification(kind="welcome", recipients=[user_id], cause="welcome")


def announce_to_everyone(*, kind: str, cause: str, variant: str = "", **values: Any) -> bool:
    """Announces something to everyone who is a user now. False if this cause was announced before.

    Call it in the transaction of the cause. A job delivers after the commit, in batches, to the users who want the
    kind. Raises as `create_notification` does.
    """
    text = write_text(kind, variant, values)
    _check_call([], [cause])
    if text.person:
        hold_person(text.person)
    with connection.cursor() as cursor:
        cursor.execute(_ANNOUNCE, [cause, kind, text.title, text.anonymous or text.description, _json(text)])
        announced = cursor.fetchone()
    if announced is None:
        return False
    if text.person:
        name_in_broadcast(announced[0], text)
    enqueue_on_commit("notifications.jobs.deliver_broadcast", announced[0], seconds=3600)
    return True


def deliver_batch(broadcast_id: int, *, batch_size: int) -> bool:
    """Tells the next users of a broadcast, in one transaction with its progress. Returns whether more remain.

    Returns False as well if another worker is delivering the broadcast.
    """
    with transaction.atomic():
        open_ones = Broadcast.objects.select_for_update(skip_locked=True).filter(finished_at__isnull=True)
        broadcast = open_ones.filter(pk=broadcast_id).first()
        if broadcast is None:
            return False
        # Staff accounts have negative ids. They have no dashboard that could show a notification.
        everyone = User.objects.filter(pk__gt=0, created_at__lte=broadcast.created_at)
        if broadcast.users_total is None:
            broadcast.users_total = everyone.count()
        remaining = everyone.filter(pk__gt=broadcast.reached_user_id).order_by("pk")
        user_ids = list(remaining.values_list("pk", flat=True)[:batch_size])
        text = _announced_text(broadcast)
        broadcast.notified += _create(broadcast.kind, user_ids, [1] * len(user_ids), [broadcast.cause], [text])
        broadcast.users_done += len(user_ids)
        broadcast.reached_user_id = user_ids[-1] if user_ids else broadcast.reached_user_id
        if len(user_ids) < batch_size:
            broadcast.finished_at = timezone.now()
        broadcast.save()
        if broadcast.finished_at is not None and broadcast.named_user_id is not None:
            turn_delivered_broadcast(broadcast.pk, user_id=broadcast.named_user_id)
    return broadcast.finished_at is None


def _announced_text(broadcast: Broadcast) -> Text:
    text = Text(broadcast.title, broadcast.description, broadcast.metadata)
    if broadcast.named_user_id is None or not (broadcast.named_as and broadcast.named_description):
        return text
    person = Person(broadcast.named_user_id, broadcast.named_as)
    return text._replace(
        description=broadcast.named_description, person=person, anonymous=broadcast.anonymous_description
    )


def _create(
    kind: str, user_ids: Sequence[int], text_numbers: Sequence[int], causes: Sequence[str], texts: Sequence[Text]
) -> int:
    _check_call(user_ids, causes)
    found = find_kind(kind)
    if not user_ids:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(
            _CREATE,
            [list(user_ids), list(text_numbers), *_text_arguments(causes, texts), *_kind_arguments(kind, found)],
        )
        created = Created(*cursor.fetchone())
    if not created.ids:
        return 0
    texts_told = {
        (user_id, causes[number - 1]): texts[number - 1] for user_id, number in zip(user_ids, text_numbers, strict=True)
    }
    transaction.on_commit(partial(_push, kind, created, texts_told), robust=True)
    if created.mails:
        enqueue_on_commit("notifications.jobs.send_due_emails")
    return len(created.ids)


def _check_call(user_ids: Sequence[int], causes: Sequence[str]) -> None:
    if not connection.in_atomic_block:
        raise NotificationMistake("Notifications are created inside the transaction of their cause.")
    if len(user_ids) > MAX_RECIPIENTS:
        raise TooManyRecipients(f"{len(user_ids)} recipients are more than {MAX_RECIPIENTS}; use announce_to_everyone.")
    if not all(0 < len(cause) <= MAX_CAUSE for cause in causes):
        raise BadValue(f"A cause has 1 to {MAX_CAUSE} characters.")


def _text_arguments(causes: Sequence[str], texts: Sequence[Text]) -> list[Any]:
    return [
        list(causes),
        [text.title for text in texts],
        [text.description for text in texts],
        [_json(text) for text in texts],
        *([naming[place] for naming in map(_naming, texts)] for place in range(3)),
    ]


def _naming(text: Text) -> tuple[int | None, str | None, str | None]:
    """The id of the person whom the text names, the name, and the anonymous description."""
    return (text.person.id, text.person.name, text.anonymous) if text.person else (None, None, None)


def _json(text: Text) -> str:
    return orjson.dumps(text.values).decode()


def _kind_arguments(kind: str, found: Kind) -> list[Any]:
    return [
        found.type,
        kind,
        found.preference or "",
        found.action_url,
        found.action_label,
        found.is_mailed,
        found.lasts,
    ]


def _push(kind: str, created: Created, texts_told: Mapping[tuple[int, str], Text]) -> None:
    messages = []
    for id_, user_id, seq, cause, is_named in zip(*created[:5], strict=True):
        text = texts_told[user_id, cause]
        if text.person and not is_named:
            text = text._replace(description=text.anonymous or "")
        row = _created_row(kind, text, id_=id_, seq=seq, created_at=created.created_at)
        messages.append((user_id, notification_event(row)))
    realtime.publish(messages)


def _created_row(kind: str, text: Text, *, id_: int, seq: int, created_at: datetime) -> NotificationRow:
    found = find_kind(kind)
    return {
        "id": id_,
        "seq": seq,
        "type": found.type,
        "subtype": kind,
        "title": text.title,
        "description": text.description,
        "created_at": created_at,
        "read": False,
        "action_url": found.action_url,
        "action_label": found.action_label,
    }
