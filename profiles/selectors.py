"""What anyone may read of a public user. A private one and an address nobody has cannot be told apart."""

from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import OuterRef

from profiles.models import ADDRESS_LENGTH, EarnedBadge, User, fallback_name

Row = dict[str, Any]


def get_public_profile(address: str) -> Row | None:
    """The public profile, or None when hidden or absent. One query, on an index that holds public users only."""
    row = _find_public(
        address,
        "btc_address",
        "display_name",
        "country_code",
        "show_country_flag",
        "created_at",
        "game_state__level",
        "game_state__level_title",
        "game_state__badges_earned",
    )
    if row is None:
        return None
    if not row["show_country_flag"]:
        row["country_code"] = None
    row["display_name"] = row["display_name"] or fallback_name(row["btc_address"])
    return row


def get_public_stats(address: str) -> Row | None:
    """The public statistics, or None when hidden or absent. One query, as above."""
    badges = EarnedBadge.objects.filter(user=OuterRef("pk")).order_by("earned_at", "id").values("slug")
    return _find_public(
        address,
        "game_state__best_difficulty",
        "game_state__total_shares",
        "game_state__blocks_found",
        "game_state__current_streak",
        slugs=ArraySubquery(badges),
    )


def _find_public(address: str, *columns: str, **annotations: Any) -> Row | None:
    if len(address) > ADDRESS_LENGTH or not (address.isascii() and address.isalnum()):
        return None
    return User.objects.public().filter(btc_address=_as_stored(address)).values(*columns, **annotations).first()


def _as_stored(address: str) -> str:
    """A bech32 address may be written in capitals, as QR codes do; it is stored in small letters."""
    return address.lower() if address.startswith("BC1") and address.isupper() else address
