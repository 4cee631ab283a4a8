"""Finds the user to whom a token belongs, in one query, or creates the user whom the platform has just introduced."""

from datetime import datetime

from django.db import connection, transaction

from bitcoingame.core.postgresql.locks import lock_until_commit, named_key
from bitcoingame.core.postgresql.reads import fetch_rows
from profiles.errors import AccountSuspended, InvalidToken
from profiles.models import User
from profiles.sign_in.first_sign_in import handle_first_sign_in
from profiles.sign_in.tokens import Claims, can_sign, read_access_token

# In the model's order. The query is written by hand, because every request makes it and the ORM took twice as long.
_COLUMNS = ("id", "btc_address", "display_name", "is_active")
_FIND = f"SELECT {', '.join(_COLUMNS)} FROM users WHERE id = %(id)s"  # noqa: S608 - constants
_INSERT = "INSERT INTO users (id, btc_address) VALUES (%s, %s) ON CONFLICT DO NOTHING"
# Transactions set the sequence one after another, because two of them at once could set it back.
_SEQUENCE = named_key("users_id_seq")
_MOVE_SEQUENCE_ON = """
SELECT setval(sequence, %(id)s) FROM (SELECT pg_get_serial_sequence('users', 'id')::regclass AS sequence) AS users
WHERE coalesce(pg_sequence_last_value(sequence), 0) < %(id)s
"""


def authenticate_token(token: str) -> tuple[User, datetime]:
    """The user to whom an access token belongs, and when the token expires (UTC).

    The user carries id, btc_address, display_name and is_active; each other field costs a query when it is read.
    Raises TokenExpired, InvalidToken (also if the id and the address belong to different accounts), AccountSuspended.
    """
    claims = read_access_token(token)
    user = _find(claims.user_id) or _introduce(claims)
    if user is None or user.btc_address != claims.btc_address:
        raise InvalidToken
    if not user.is_active:
        raise AccountSuspended
    return user, claims.expires_at


def _find(user_id: int) -> User | None:
    rows = fetch_rows(_FIND, {"id": user_id})
    return User.from_db(connection.alias, _COLUMNS, rows[0].values()) if rows else None


def _introduce(claims: Claims) -> User | None:
    """Creates the user for whom the platform has signed a token. None if this service signs the tokens itself.

    In that case it knows every user it signed for, so an unknown id belongs to a deleted account.
    """
    if can_sign():
        return None
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_INSERT, [claims.user_id, claims.btc_address])
        if cursor.rowcount:
            lock_until_commit(_SEQUENCE)
            cursor.execute(_MOVE_SEQUENCE_ON, {"id": claims.user_id})
            handle_first_sign_in(user_id=claims.user_id)
    return _find(claims.user_id)
