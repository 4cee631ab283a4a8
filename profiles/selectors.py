"""What anyone may read of a public user. A private one and an address nobody has cannot be told apart."""

from typing import Any

from bitcoingame.core.postgresql.reads import fetch_rows
from profiles.models import ADDRESS_LENGTH
from profiles.names import SHOWN_NAME, as_stored
from profiles.visibility import IS_PUBLIC, SHOWN_COUNTRY

Row = dict[str, Any]


# By hand, because every visitor pays for them. IS_PUBLIC stands as in idx_users_public_address.
_PROFILE = f"""
SELECT {SHOWN_NAME} AS display_name, btc_address, level, level_title,
       badges_earned, created_at, {SHOWN_COUNTRY} AS country_code
FROM users JOIN game_states ON user_id = users.id
WHERE btc_address = %(address)s AND {IS_PUBLIC}
"""  # noqa: S608 - constants
_STATS = f"""
SELECT best_difficulty, total_shares, blocks_found, current_streak,
       ARRAY(SELECT slug FROM earned_badges WHERE user_id = users.id ORDER BY earned_at, id) AS badges
FROM users JOIN game_states ON user_id = users.id
WHERE btc_address = %(address)s AND {IS_PUBLIC}
"""  # noqa: S608 - constants


def get_public_profile(address: str) -> Row | None:
    """The public profile, or None when hidden or absent. One query, on an index that holds public users only."""
    return _find_public(_PROFILE, address)


def get_public_stats(address: str) -> Row | None:
    """The public statistics, or None when hidden or absent. One query, as above."""
    return _find_public(_STATS, address)


def _find_public(statement: str, address: str) -> Row | None:
    if len(address) > ADDRESS_LENGTH or not (address.isascii() and address.isalnum()):
        return None
    rows = fetch_rows(statement, {"address": as_stored(address)})
    return rows[0] if rows else None
