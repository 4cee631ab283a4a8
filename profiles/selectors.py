"""What anyone may read of a public user. A private user is answered like an address that nobody has."""

from datetime import datetime
from typing import Any, TypedDict, cast

from bitcoingame.core.postgresql.reads import fetch_rows
from profiles.models import ADDRESS_LENGTH
from profiles.names import SHOWN_NAME, as_stored
from profiles.visibility import IS_PUBLIC, SHOWN_COUNTRY


class PublicProfile(TypedDict):
    """One row of _PROFILE. `country_code` is None if the user hides it."""

    display_name: str
    btc_address: str
    level: int
    level_title: str
    badges_earned: int
    created_at: datetime
    country_code: str | None


class PublicStats(TypedDict):
    """One row of _STATS. `best_difficulty` is a share difficulty, `current_streak` is in weeks.

    `badges` are slugs in the order in which they were earned.
    """

    best_difficulty: float
    total_shares: int
    blocks_found: int
    current_streak: int
    badges: list[str]


# Written by hand, because every visitor makes these reads. IS_PUBLIC must read as in idx_users_public_address,
# because PostgreSQL uses the index only then.
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


def get_public_profile(address: str) -> PublicProfile | None:
    """The public profile, or None if it is hidden or absent. One query, on an index that holds public users only."""
    return cast(PublicProfile | None, _find_public(_PROFILE, address))


def get_public_stats(address: str) -> PublicStats | None:
    """The public statistics, or None if they are hidden or absent. One query, on the same index."""
    return cast(PublicStats | None, _find_public(_STATS, address))


def _find_public(statement: str, address: str) -> dict[str, Any] | None:
    if len(address) > ADDRESS_LENGTH or not (address.isascii() and address.isalnum()):
        return None
    rows = fetch_rows(statement, {"address": as_stored(address)})
    return rows[0] if rows else None
