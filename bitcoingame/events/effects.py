"""What the intake gives the handlers (facts about users), and what they give back (effects)."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Generic, NamedTuple, TypeVar

from bitcoingame.core.outbox import enqueue_all
from notifications.counting import lock_counters
from notifications.services import MAX_RECIPIENTS, PersonalNotification, announce_to_everyone, create_notifications
from social.activity import Activity, record_activities

Body = TypeVar("Body")


class Fact(NamedTuple, Generic[Body]):
    """One event of a known user. `user_id` is 0 if the event has no user. `at` is Unix time in seconds.

    `origin` is the event's own name, the same at each delivery: its event_id, else its stream and entry id.
    """

    user_id: int
    at: float
    origin: str
    body: Body


class Announcement(NamedTuple):
    kind: str
    cause: str
    variant: str
    values: Mapping[str, Any]


class Effects:
    """What the events of one transaction bring about, besides the state their handlers write.

    It is collected first and written at the end, so that one statement writes all of a kind and recipients are
    locked in one order.
    """

    def __init__(self) -> None:
        self.activities: list[Activity] = []
        self.outgoing: list[tuple[str, Mapping[str, Any]]] = []
        self._notifications: defaultdict[str, list[PersonalNotification]] = defaultdict(list)
        self._announcements: list[Announcement] = []

    def record(self, user_id: int, kind: str, *, at: float, **values: Any) -> None:
        """Adds a line to the user's activity feed, in its place by the time of the event.

        `kind` is one of social's activities, `values` are its details.
        """
        self.activities.append(Activity(user_id, kind, values, at=at))

    def notify(self, kind: str, user_ids: Iterable[int], *, origin: str, variant: str = "", **values: Any) -> None:
        """Notifies each user. Created at most once per (user, kind, origin); with an empty origin, once ever."""
        waiting = self._notifications[kind]
        waiting.extend(
            PersonalNotification(user_id, f"{kind}:{origin}" if origin else kind, values, variant)
            for user_id in user_ids
        )

    def announce(self, kind: str, *, origin: str, variant: str = "", **values: Any) -> None:
        """Notifies everyone who wants the kind, at most once per (user, kind, origin)."""
        self._announcements.append(Announcement(kind, f"{kind}:{origin}", variant, values))

    def deliver(self) -> None:
        """Writes everything, in the caller's transaction."""
        if self.activities:
            record_activities(self.activities)
        if self.outgoing:
            enqueue_all(self.outgoing)
        batches = [
            (kind, items[start : start + MAX_RECIPIENTS])
            for kind, items in self._notifications.items()
            for start in range(0, len(items), MAX_RECIPIENTS)
        ]
        if len(batches) > 1:
            self._lock_recipients()
        for kind, batch in batches:
            create_notifications(kind=kind, items=batch)
        for item in self._announcements:
            announce_to_everyone(kind=item.kind, cause=item.cause, variant=item.variant, **item.values)

    def _lock_recipients(self) -> None:
        recipients = {item.user_id for items in self._notifications.values() for item in items}
        lock_counters(recipients)
