"""What a user may see and change of their own machines.

profiles/mining.py writes what the pool reports of them.
"""

from datetime import datetime
from typing import Any, TypedDict, cast

from django.db import transaction

from bitcoingame.core.paging import Page
from profiles.errors import WorkerNotFound
from profiles.models import Worker

_FIELDS = (
    "id", "name", "is_online", "last_share_at", "hashrate_1h", "best_difficulty", "alerts", "silent_after_minutes",
)  # fmt: skip


class OwnWorker(TypedDict):
    """One machine. `hashrate_1h` is in H/s; `silent_after_minutes` is None unless the owner chose it."""

    id: int
    name: str
    is_online: bool
    last_share_at: datetime | None
    hashrate_1h: float
    best_difficulty: float
    alerts: bool
    silent_after_minutes: int | None


def list_workers(*, user_id: int, page: Page) -> tuple[list[OwnWorker], int]:
    """One page of the user's machines by name, and how many there are in all."""
    workers = Worker.objects.filter(user_id=user_id)
    rows = list(workers.order_by("name", "id").values(*_FIELDS)[page.window])
    return cast(list[OwnWorker], rows), workers.count()


@transaction.atomic
def change_worker(*, user_id: int, worker_id: int, **changes: Any) -> OwnWorker:
    """Changes `alerts` or `silent_after_minutes`, and returns the machine. What is left out stays.

    A silence that goes on stays as it is: it is not told later, and one that was told is not taken back.
    Raises WorkerNotFound, also for a machine of somebody else.
    """
    worker = Worker.objects.filter(pk=worker_id, user_id=user_id)
    if changes:
        worker.update(**changes)
    row = worker.values(*_FIELDS).first()
    if row is None:
        raise WorkerNotFound
    return cast(OwnWorker, row)


def delete_worker(*, user_id: int, worker_id: int) -> None:
    """Forgets a machine. Its shares stay counted; if it mines again, it comes back as a new one.

    Raises WorkerNotFound, also for a machine of somebody else.
    """
    deleted, _ = Worker.objects.filter(pk=worker_id, user_id=user_id).delete()
    if not deleted:
        raise WorkerNotFound
