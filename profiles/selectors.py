"""What anyone may read of a public user. A private one and an address nobody has cannot be told apart."""

from typing import Any

from bitcoingame.core.postgresql.reads import fetch_rows
from profiles.models import ADDRESS_LENGTH

Row = dict[str, Any]


# By hand, for every visitor pays for them. The condition stands as in idx_users_public_address.
_PROFILE = """
SELECT coalesce(display_name, 'Miner-' || left(btc_address, 8)) AS display_name, btc_address, level, level_title,
       badges_earned, created_at, CASE WHEN show_country_flag THEN country_code END AS country_code
FROM users JOIN game_states ON user_id = users.id
WHERE btc_address = %(address)s AND is_active AND public_profile AND btc_address IS NOT NULL
"""
_STATS = """
SELECT best_difficulty, total_shares, blocks_found, current_streak,
       ARRAY(SELECT slug FROM earned_badges WHERE user_id = users.id ORDER BY earned_at, id) AS badges
FROM users JOIN game_states ON user_id = users.id
WHERE btc_address = %(address)s AND is_active AND public_profile AND btc_address IS NOT NULL
"""


def get_public_profile(address: str) -> Row | None:
    """The public profile, or None when hidden or absent. One query, on an index that holds public users only."""
    return _find_public(_PROFILE, address)


def get_public_stats(address: str) -> Row | None:
    """The public statistics, or None when hidden or absent. One query, as above."""
    return _find_public(_STATS, address)


def _find_public(statement: str, address: str) -> Row | None:
    if len(address) > ADDRESS_LENGTH or not (address.isascii() and address.isalnum()):
        return None
    rows = fetch_rows(statement, {"address": _as_stored(address)})
    return rows[0] if rows else None


def _as_stored(address: str) -> str:
    """A bech32 address may be written in capitals, as QR codes do; it is stored in small letters."""
    return address.lower() if address.startswith("BC1") and address.isupper() else address
