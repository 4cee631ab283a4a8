"""POST /internal/events, for the platform's services that have no Redis."""

import hmac
from collections.abc import Iterable
from typing import Any

from django.conf import settings
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import ValidationError
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response

from bitcoingame.core.api.schema import refusals
from bitcoingame.core.api.views import View
from bitcoingame.core.errors import NotSignedIn
from bitcoingame.events.envelope import posted
from bitcoingame.events.intake import take_in

MAX_EVENTS = 1_000
STATUSES = ("accepted", "duplicate", "ignored", "set_aside")


class InvalidServiceToken(NotSignedIn):
    code = "invalid_service_token"
    detail = "The service token is not valid."


class IsService(BasePermission):
    """The request carries one of SERVICE_TOKENS as its bearer token. Raises InvalidServiceToken."""

    def has_permission(self, request: Request, view: Any) -> bool:
        scheme, _, token = get_authorization_header(request).partition(b" ")
        if scheme.lower() != b"bearer" or not _is_known(token.strip(), settings.SERVICE_TOKENS):
            raise InvalidServiceToken
        return True


def _is_known(token: bytes, known: Iterable[str]) -> bool:
    """Compares the token with all known ones in full, so that the time taken reveals nothing about them."""
    return sum(hmac.compare_digest(token, expected.encode()) for expected in known) > 0


class EventsForm(serializers.Serializer[Any]):
    events = serializers.ListField(
        child=serializers.JSONField(),
        max_length=MAX_EVENTS,
        help_text="Envelopes {event, event_id, ts?, source?, data}; what is wrong with one concerns that one alone.",
    )


class EventAnswer(serializers.Serializer[Any]):
    event_id = serializers.CharField(allow_null=True)
    status = serializers.ChoiceField(choices=STATUSES)
    reason = serializers.CharField(required=False, help_text="Why it was set aside.")


class EventsAnswer(serializers.Serializer[Any]):
    results = EventAnswer(many=True)
    accepted = serializers.IntegerField()
    duplicate = serializers.IntegerField()
    ignored = serializers.IntegerField()
    set_aside = serializers.IntegerField()


class EventsView(View):
    authentication_classes: list[type[BaseAuthentication]] = []
    permission_classes = [IsService]

    @extend_schema(
        operation_id="internal_events",
        request=EventsForm,
        responses={200: EventsAnswer, **refusals(400, 401, 413, 503)},
    )
    def post(self, request: Request) -> Response:
        """Takes in up to 1,000 of the platform's events, each once, and answers what became of each.

        An event is a duplicate if its event_id, or the fact that it tells (a block, a match, a week's result), was
        handled before. For services without Redis; the bearer token is a service token. An event that cannot be read
        or handled is set aside for staff and hinders no other.
        """
        envelopes = _posted_envelopes(request.data)
        outcomes = take_in([posted(envelope) for envelope in envelopes])
        results = []
        for envelope, outcome in zip(envelopes, outcomes, strict=True):
            event_id = envelope.get("event_id") if isinstance(envelope, dict) else None
            result = {"event_id": event_id if isinstance(event_id, str) else None, "status": outcome.status}
            results.append({**result, "reason": outcome.reason} if outcome.reason else result)
        counts = {status: sum(outcome.status == status for outcome in outcomes) for status in STATUSES}
        return Response({"results": results, **counts})


def _posted_envelopes(body: Any) -> list[Any]:
    envelopes = body.get("events") if isinstance(body, dict) else None
    if not isinstance(envelopes, list):
        raise ValidationError({"events": ["This must be a list of events."]})
    if len(envelopes) > MAX_EVENTS:
        raise ValidationError({"events": [f"This may have at most {MAX_EVENTS} events."]})
    return envelopes
