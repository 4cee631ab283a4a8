"""What the rq workers do for notifications, on demand and by the timetable."""

from django.utils import timezone

from notifications.models import Broadcast
from notifications.retention import delete_old_notifications
from notifications.services import deliver_batch

BROADCAST_BATCH = 1000


def deliver_broadcast(broadcast_id: int) -> None:
    """Delivers a broadcast from where it stands to its end, or until another worker is met at it."""
    while deliver_batch(broadcast_id, batch_size=BROADCAST_BATCH):
        pass


def resume_broadcasts() -> None:
    """Each minute: delivers what nobody is delivering, because a worker died or Redis was down at the announcement."""
    for broadcast_id in Broadcast.objects.filter(finished_at__isnull=True).order_by("pk").values_list("pk", flat=True):
        deliver_broadcast(broadcast_id)


def clean_up_notifications() -> None:
    """Daily: deletes what nobody needs any more."""
    delete_old_notifications(now=timezone.now())
