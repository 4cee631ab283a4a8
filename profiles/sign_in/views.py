"""Sign-in over HTTP: parse, call one service, answer."""

from dataclasses import asdict
from typing import Any

from django.conf import settings
from drf_spectacular.utils import extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from bitcoingame.core.api.schema import refusals
from bitcoingame.core.api.serializers import DetailBody, parsed
from bitcoingame.core.api.views import View
from bitcoingame.core.errors import NotSignedIn
from bitcoingame.core.limits import client_address, spend_attempt
from profiles.serializers import me_of
from profiles.sign_in import sessions
from profiles.sign_in.bearer import bearer_token
from profiles.sign_in.serializers import (
    ChallengeForm,
    ChallengeOut,
    LogoutForm,
    RefreshForm,
    SignedInOut,
    TokensOut,
    VerifyForm,
)
from profiles.sign_in.tokens import TokenPair

UNCACHED = {"Cache-Control": "no-store"}


class SignInView(View):
    """A view that ignores the Authorization header, because a stale token must not keep anyone from signing in."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    def count_attempt(self, request: Request) -> None:
        """Counts one attempt of the client's address at this endpoint. Raises TooManyAttempts."""
        key = f"{type(self).__name__}:{client_address(request)}"
        spend_attempt({key: settings.SIGN_INS_PER_ADDRESS})


class ChallengeView(SignInView):
    @extend_schema(
        operation_id="auth_challenge",
        request=ChallengeForm,
        responses={200: ChallengeOut, **refusals(400, 404, 429)},
        auth=[],
    )
    def post(self, request: Request) -> Response:
        """Begin to sign in: a message for the wallet to sign within 5 minutes."""
        self.count_attempt(request)
        challenge = sessions.create_challenge(**parsed(ChallengeForm, request.data))
        return Response(asdict(challenge), headers=UNCACHED)


class VerifyView(SignInView):
    @extend_schema(
        operation_id="auth_verify",
        request=VerifyForm,
        responses={200: SignedInOut, **refusals(400, 401, 403, 404, 429)},
        auth=[],
    )
    def post(self, request: Request) -> Response:
        """Sign in with the signed message. The nonce works once, whatever comes of it."""
        self.count_attempt(request)
        session = sessions.verify_challenge(**parsed(VerifyForm, request.data))
        return Response(tokens_body(session.tokens) | {"user": me_of(session.user)}, headers=UNCACHED)


class RefreshView(SignInView):
    @extend_schema(
        operation_id="auth_refresh",
        request=RefreshForm,
        responses={200: TokensOut, **refusals(400, 401, 403, 404, 429)},
        auth=[],
    )
    def post(self, request: Request) -> Response:
        """Exchange a refresh token for a new pair. A token used twice ends the session it belongs to."""
        self.count_attempt(request)
        session = sessions.refresh(**parsed(RefreshForm, request.data))
        return Response(tokens_body(session.tokens), headers=UNCACHED)


class LogoutView(SignInView):
    @extend_schema(
        operation_id="auth_logout",
        request=LogoutForm,
        responses={200: DetailBody, **refusals(400, 401, 404)},
        auth=[{}, {"bearer": []}],  # type: ignore[list-item]
    )
    def post(self, request: Request) -> Response:
        """End the session of the refresh token in the body, or else of the bearer token. Again is fine."""
        token = parsed(LogoutForm, request.data).get("refresh_token") or bearer_token(request)
        if not token:
            raise NotSignedIn
        sessions.logout(token=token)
        return Response({"detail": "You are signed out."})


def tokens_body(pair: TokenPair) -> dict[str, Any]:
    """The pair as TokensOut describes it."""
    return asdict(pair) | {"token_type": "bearer"}
