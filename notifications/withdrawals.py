"""Taking names out of what is stored, for users who went private, were renamed, left, were suspended or are gone.

Triggers record each such user in name_withdrawals, with the change (notifications/sql/names.sql). Readers see no name
that they may not see, however long the work here takes.
"""

from typing import NamedTuple

from django.db import transaction

from bitcoingame.core.postgresql.locks import named_key, try_lock
from bitcoingame.core.postgresql.statements import execute, fetch
from bitcoingame.core.queue import enqueue_on_commit
from notifications.counting import lock_counters
from notifications.naming import TURN, turn_broadcasts
from profiles.accounts import lock_users

BATCH_SIZE = 1000

_ALONE = named_key("name_withdrawals")
_MUST_TURN = "NOT may_be_named(named_user_id, named_as, user_id)"

_NEXT = """
SELECT user_id, array_agg(id), bool_or(from_fellows) FROM name_withdrawals
WHERE user_id = (SELECT user_id FROM name_withdrawals ORDER BY id LIMIT 1) GROUP BY user_id
"""
_DONE = "DELETE FROM name_withdrawals WHERE id = ANY(%s)"
# It locks nothing: most texts about a user who was renamed or left may be as they should be. The inner LIMIT has
# may_be_named called for the rows of one batch only, whichever plan is chosen.
_LOOK = f"""
SELECT id, user_id, {_MUST_TURN} FROM (
    SELECT id, user_id, named_user_id, named_as FROM notifications
    WHERE {{whose}} = %(user_id)s AND named_user_id IS NOT NULL AND id > %(after)s ORDER BY id LIMIT %(batch_size)s
) AS batch ORDER BY id
"""  # noqa: S608 - constants
_TURN = f"UPDATE notifications SET {TURN} WHERE id = ANY(%s) AND named_user_id IS NOT NULL AND {_MUST_TURN}"  # noqa: S608 - constants


class _Withdrawal(NamedTuple):
    """All that is recorded about one user: the rows of name_withdrawals, and whether nobody may be told the name."""

    user_id: int
    ids: list[int]
    from_everyone: bool


def withdraw_names() -> int:
    """Makes all stored texts anonymous that name somebody to somebody who may not see the name. Returns how many rows.

    It commits batch by batch: call it outside a transaction. If it dies, the next call goes on. Does nothing while
    another process is at it.
    """
    turned = 0
    with try_lock(_ALONE) as is_alone:
        while is_alone and (rows := fetch(_NEXT, [])):
            turned += _withdraw(_Withdrawal(*rows[0]))
    return turned


def withdraw_soon() -> None:
    """Has a worker do it right after the commit. settings.ON_NAME_CHANGE names this function.

    The minute's job does it otherwise: when Redis is down, and after what staff, scripts and the admin's pages change.
    """
    enqueue_on_commit("notifications.jobs.withdraw_recorded_names", seconds=3600)


def _withdraw(withdrawal: _Withdrawal) -> int:
    _outwait_deliveries(withdrawal.user_id)
    turn_broadcasts(user_id=withdrawal.user_id, from_everyone=withdrawal.from_everyone)
    turned = sum(_turn_rows(whose, withdrawal.user_id) for whose in ("named_user_id", "user_id"))
    execute(_DONE, [withdrawal.ids])
    return turned


@transaction.atomic
def _outwait_deliveries(user_id: int) -> None:
    """Waits for the transactions that decided about this user before the change.

    They hold the users they name, and the counters of those they tell. Later ones decide by what holds now.
    """
    lock_users([user_id])
    lock_counters([user_id])


def _turn_rows(whose: str, user_id: int) -> int:
    turned = after = 0
    look = _LOOK.format(whose=whose)
    while rows := fetch(look, {"user_id": user_id, "after": after, "batch_size": BATCH_SIZE}):
        turned += _turn_batch([(pk, reader) for pk, reader, must_turn in rows if must_turn])
        after = rows[-1][0]
    return turned


def _turn_batch(rows: list[tuple[int, int]]) -> int:
    if not rows:
        return 0
    ids, readers = zip(*rows, strict=True)
    with transaction.atomic():
        lock_counters(readers)
        return execute(_TURN, [list(ids)])
