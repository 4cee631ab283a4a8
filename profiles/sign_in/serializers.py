"""The shapes of sign-in's requests and answers."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from bitcoingame.core.api.serializers import StrictCharField
from profiles.serializers import MeOut
from profiles.sign_in.tokens import MAX_TOKEN_LENGTH
from profiles.sign_in.wallet_signatures import MAX_SIGNATURE_LENGTH

MAX_ADDRESS_LENGTH = 100
MAX_NONCE_LENGTH = 64


@extend_schema_field({"type": ["string", "number", "boolean", "null"]})
class ScalarField(serializers.Field[Any, Any, Any, Any]):
    """Accepts any JSON value but lists and objects."""

    default_error_messages = {"invalid": "This must be a text or a number."}

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict | list):
            self.fail("invalid")
        return data


class ChallengeForm(serializers.Serializer[Any]):
    btc_address = StrictCharField(max_length=MAX_ADDRESS_LENGTH)


class ChallengeOut(serializers.Serializer[Any]):
    nonce = serializers.CharField()
    message = serializers.CharField(help_text="What the wallet signs, as it stands.")
    expires_in = serializers.IntegerField(help_text="Seconds.")


class VerifyForm(serializers.Serializer[Any]):
    btc_address = StrictCharField(max_length=MAX_ADDRESS_LENGTH)
    signature = StrictCharField(
        max_length=MAX_SIGNATURE_LENGTH,
        help_text="BIP-322 simple (P2WPKH, P2TR) or the 65-byte compact one (P2PKH, P2SH-P2WPKH, P2WPKH), in base64.",
    )
    nonce = StrictCharField(max_length=MAX_NONCE_LENGTH)
    timestamp = ScalarField(
        required=False,
        allow_null=True,
        help_text="The platform's clients send one. It is not read: the message itself says when it was issued.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Leaves out the timestamp, because nothing needs it."""
        return {name: value for name, value in attrs.items() if name != "timestamp"}


class RefreshForm(serializers.Serializer[Any]):
    refresh_token = StrictCharField(max_length=MAX_TOKEN_LENGTH)


class LogoutForm(serializers.Serializer[Any]):
    refresh_token = StrictCharField(
        max_length=MAX_TOKEN_LENGTH, required=False, help_text="Without it, the bearer token names the session."
    )


class TokensOut(serializers.Serializer[Any]):
    access_token = serializers.CharField()
    refresh_token = serializers.CharField()
    token_type = serializers.ChoiceField(choices=["bearer"])
    expires_in = serializers.IntegerField(help_text="Seconds the access token is good for.")


class SignedInOut(TokensOut):
    user = MeOut()
