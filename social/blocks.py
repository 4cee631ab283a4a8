"""Finds the cooperatives of users who found a block, and counts the block there.

Locks are taken in the order of social/membership.py.
"""

from collections.abc import Sequence
from typing import NamedTuple

from bitcoingame.core.postgresql.statements import execute, fetch
from profiles.accounts import lock_users

_LOCK_COOPERATIVES = """
SELECT id FROM cooperatives WHERE id IN (SELECT cooperative_id FROM cooperative_members WHERE user_id = ANY(%s))
ORDER BY id FOR NO KEY UPDATE
"""
_FIND_SEATS = """
SELECT finder.user_id, cooperative.id, cooperative.name, array_agg(fellow.user_id ORDER BY fellow.user_id),
       array_agg(users.btc_address ORDER BY fellow.user_id)
FROM cooperative_members finder
JOIN cooperatives cooperative ON cooperative.id = finder.cooperative_id
JOIN cooperative_members fellow ON fellow.cooperative_id = cooperative.id
JOIN users ON users.id = fellow.user_id
WHERE finder.user_id = ANY(%s) AND cooperative.id = ANY(%s)
GROUP BY finder.user_id, cooperative.id
"""
_ADD_BLOCKS = """
UPDATE cooperatives SET blocks_found = blocks_found + news.blocks
FROM (SELECT id, count(*) AS blocks FROM unnest(%s::bigint[]) AS id GROUP BY id) AS news
WHERE cooperatives.id = news.id
"""


class Seat(NamedTuple):
    """The cooperative that a user is in. `cooperative` is its name.

    `members` are the ids of all its members, `addresses` are their addresses in the same order.
    """

    cooperative_id: int
    cooperative: str
    members: list[int]
    addresses: list[str]


def lock_seats(user_ids: Sequence[int]) -> dict[int, Seat]:
    """Locks the users and their cooperatives. Returns {user: seat} of the users who have one.

    Under these locks nobody joins or leaves the cooperatives.
    """
    lock_users(user_ids)
    cooperative_ids = [row[0] for row in fetch(_LOCK_COOPERATIVES, [user_ids])]
    # Read again under the locks, because members could still join and leave before.
    return {row[0]: Seat(*row[1:]) for row in fetch(_FIND_SEATS, [user_ids, cooperative_ids])}


def add_blocks(cooperative_ids: Sequence[int]) -> None:
    """Counts one block for each id. A cooperative whose id is given twice has found two blocks."""
    execute(_ADD_BLOCKS, [cooperative_ids])
