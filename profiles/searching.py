"""Finding people for staff: by what an index can answer, over any number of rows."""

import re

from django.db.models import Q, QuerySet

from profiles.models import User
from profiles.names import as_stored

MAX_FOUND = 100
_ID = re.compile(r"[1-9][0-9]{0,17}")
_ADDRESS_START = re.compile(r"(1|3|bc1|BC1)[0-9A-Za-z]*")


def find_users(users: QuerySet[User], term: str) -> QuerySet[User]:
    """By the start of the display name, whatever the case, the start of the address, or the exact id."""
    found = Q(display_name__istartswith=term)
    if _ADDRESS_START.fullmatch(term):
        found |= Q(btc_address__startswith=as_stored(term))
    if _ID.fullmatch(term):
        found |= Q(pk=int(term))
    return users.filter(found)


def find_user_ids(term: str) -> list[int]:
    """The first MAX_FOUND users that `find_users` finds."""
    return list(find_users(User.objects.all(), term).order_by("pk").values_list("pk", flat=True)[:MAX_FOUND])
