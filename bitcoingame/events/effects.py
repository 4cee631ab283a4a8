"""What passes between the intake and the handlers: facts about users in, what they bring about out."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Generic, NamedTuple, TypeVar

from bitcoingame.core.outbox import enqueue_all
from notifications.counting import lock_counters
from notifications.services import MAX_RECIPIENTS, PersonalNotification, announce_to_everyone, create_notifications
from social.activity import Activity, record_activities

Body = TypeVar("Body")


class Fact(NamedTuple, Generic[Body]):
    """One event of a known user; `user_id` is 0 where the event concerns nobody in particular. `at` is Unix time.

    `origin` names the event for good: what it causes can be told from what another causes.
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
    """What the events of one transaction bring about besides the state their handlers write.

    Collected, so that everything is one statement of its kind, and recipients are locked in one order.
    """

    def __init__(self) -> None:
        self.activities: list[Activity] = []
        self.outgoing: list[tuple[str, Mapping[str, Any]]] = []
        self._notifications: defaultdict[str, list[PersonalNotification]] = defaultdict(list)
        self._announcements: list[Announcement] = []

    def record(self, user_id: int, kind: str, **values: Any) -> None:
        """A line in the user's activity feed."""
        self.activities.append(Activity(user_id, kind, values))

    def notify(self, kind: str, user_ids: Iterable[int], *, origin: str, variant: str = "", **values: Any) -> None:
        """A notification for each user, told once for this origin; without one, once in a life."""
        told = self._notifications[kind]
        told.extend(
            PersonalNotification(user_id, f"{kind}:{origin}" if origin else kind, values, variant)
            for user_id in user_ids
        )

    def announce(self, kind: str, *, origin: str, variant: str = "", **values: Any) -> None:
        """A notification for everyone who wants the kind."""
        self._announcements.append(Announcement(kind, f"{kind}:{origin}", variant, values))

    def deliver(self) -> None:
        """Writes it all, in the caller's transaction."""
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
        for told in self._announcements:
            announce_to_everyone(kind=told.kind, cause=told.cause, variant=told.variant, **told.values)

    def _lock_recipients(self) -> None:
        recipients = {item.user_id for items in self._notifications.values() for item in items}
        lock_counters(recipients)
