"""Searches for cooperatives."""

import re

from django.db.models import Q, QuerySet

from bitcoingame.core.postgresql.folding import folded
from social.invite_codes import NO_CODE, normalize_invite_code
from social.models import Cooperative

_ID = re.compile(r"[1-9][0-9]{0,17}")


def find_cooperatives(cooperatives: QuerySet[Cooperative], term: str) -> QuerySet[Cooperative]:
    """The cooperatives whose name contains the term (in any case), or whose invite code or id the term is."""
    found = Q(folded_name__contains=folded(term))
    code = normalize_invite_code(term)
    if code != NO_CODE:
        found |= Q(invite_code=code)
    if _ID.fullmatch(term):
        found |= Q(pk=int(term))
    return cooperatives.filter(found)
