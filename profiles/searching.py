"""Searches for users, for staff. An index answers each of them, so they stay fast over any number of rows."""

import re

from django.db.models import Q, QuerySet

from bitcoingame.core.postgresql.folding import Folded, folded
from profiles.models import User
from profiles.names import as_stored

MAX_FOUND = 100
_ID = re.compile(r"[1-9][0-9]{0,17}")
_ADDRESS_START = re.compile(r"(1|3|bc1|BC1)[0-9A-Za-z]*")


def find_users(users: QuerySet[User], term: str) -> QuerySet[User]:
    """The users whose display name (in any case) or address starts with the term, or whose id the term is."""
    found = Q(folded_name__startswith=folded(term))
    if _ADDRESS_START.fullmatch(term):
        found |= Q(btc_address__startswith=as_stored(term))
    if _ID.fullmatch(term):
        found |= Q(pk=int(term))
    return users.alias(folded_name=Folded("display_name")).filter(found)


def find_user_ids(term: str) -> list[int]:
    """The ids of the first MAX_FOUND users that find_users finds, in ascending order."""
    return list(find_users(User.objects.all(), term).order_by("pk").values_list("pk", flat=True)[:MAX_FOUND])
