"""Staff try an event again that was set aside."""

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
    """Tries an event again that was set aside. A try that fails is counted and audited too.

    Raises ReasonMissing, NotFound, or EventFailsStill with the reason.
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
