"""Who may see whom. Each rule stands here once, in each form in which it is needed. The SQL is over `users`.

Statements contain the SQL literally and not as parameters, because PostgreSQL uses the partial index only then
(docs/private-users.md).
"""

from typing import TYPE_CHECKING

from django.db.models import Q

if TYPE_CHECKING:
    from profiles.models import User

# Everyone may see a public user and their name. A private user looks to everyone like an address that nobody has.
IS_PUBLIC = "is_active AND public_profile AND btc_address IS NOT NULL"
PUBLIC = Q(is_active=True, public_profile=True, btc_address__isnull=False)

IS_NAMED_IN_COOPERATIVES = "public_profile AND show_in_coop_rankings"
"""Whether people outside a cooperative see that the user is in it. Its members see all members."""

SHOWN_COUNTRY = "CASE WHEN show_country_flag THEN country_code END"
"""The country that a public profile shows: NULL if the user hides it or has none."""


def is_public(user: "User") -> bool:
    """Whether everyone may see the user: IS_PUBLIC and PUBLIC in Python."""
    return user.is_active and user.public_profile and user.btc_address is not None
