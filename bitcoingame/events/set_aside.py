"""Events that staff try again after they were set aside."""

from django.db import transaction

from bitcoingame.core.errors import DomainError
from bitcoingame.events.intake import try_again
from bitcoingame.models import SetAsideEvent
from profiles.audit import Target, clean_reason, record_staff_action
from profiles.models import User


class EventFailsStill(DomainError):
    code = "event_fails_still"
    detail = "The event failed again."


def try_event_again(*, staff: User, reason: str, set_aside_id: int) -> None:
    """Handles an event once more that was set aside. Raises ReasonMissing, NotFound, EventFailsStill with its reason.

    A failed try is counted and audited as well.
    """
    clean_reason(reason)
    with transaction.atomic():
        outcome = try_again(set_aside_id)
        event = SetAsideEvent.objects.get(pk=set_aside_id)
        target = Target("event", set_aside_id, str(event))
        details = {"outcome": outcome.status}
        record_staff_action(action="retry_event", target=target, staff=staff, reason=reason, details=details)
    if outcome.status == "set_aside":
        raise EventFailsStill(f"It failed again. {outcome.reason}")
