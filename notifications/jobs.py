"""The jobs of notifications, which rq workers run on demand and by the timetable."""

import logging
import time

from django.utils import timezone

from bitcoingame.core.queue import enqueue_on_commit
from notifications.email.deliveries import give_up_interrupted, has_due_emails, send_next_email
from notifications.email.messages import DjangoEmailService, EmailUnavailable
from notifications.models import Broadcast
from notifications.services import deliver_batch
from notifications.withdrawals import withdraw_names

logger = logging.getLogger(__name__)

BROADCAST_BATCH = 1000
# One job uses one connection, and mail servers limit how many e-mails one connection may carry.
EMAILS_PER_JOB = 100
# Stop well before RQ kills the job: a kill in mid-send leaves an e-mail whose fate is unknown.
SENDING_SECONDS = 120.0


def deliver_broadcast(broadcast_id: int) -> None:
    """Delivers a broadcast from where it stands to its end. Stops early if another worker is delivering it."""
    while deliver_batch(broadcast_id, batch_size=BROADCAST_BATCH):
        pass


def resume_broadcasts() -> None:
    """Each minute: delivers the broadcasts that nobody is delivering.

    Such broadcasts exist if a worker died, or if Redis was down at the announcement. A broadcast that fails does not
    hold up the others: the first error is raised when all have been tried.
    """
    errors = []
    for broadcast_id in Broadcast.objects.filter(finished_at__isnull=True).order_by("pk").values_list("pk", flat=True):
        try:
            deliver_broadcast(broadcast_id)
        except Exception as error:
            logger.exception("broadcast %s cannot be delivered", broadcast_id)
            errors.append(error)
    if errors:
        raise errors[0]


def withdraw_recorded_names() -> None:
    """Takes names out of stored texts that may not say them any more.

    Runs after each commit that may have taken a name back. Runs each minute too, because Redis may not have taken the
    job, and because scripts and the admin change users as well.
    """
    withdraw_names()


def send_due_emails() -> None:
    """Sends the e-mails that are due.

    Runs after each commit that made some due. Runs each minute too, for retries and for jobs that Redis did not take.
    """
    now = timezone.now()
    give_up_interrupted(now=now)
    if not has_due_emails(now=now):
        return
    stops_at = time.monotonic() + SENDING_SECONDS
    try:
        with DjangoEmailService() as service:
            for _ in range(EMAILS_PER_JOB):
                if not send_next_email(service, now=timezone.now()):
                    return
                if time.monotonic() > stops_at:
                    break
    except EmailUnavailable as error:
        logger.warning("The e-mail service cannot be reached: %s", error)
        return
    enqueue_on_commit("notifications.jobs.send_due_emails")
