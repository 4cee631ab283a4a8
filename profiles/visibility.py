"""Who may see whom: each rule once, in every form that asks for it. The SQL is over `users`.

Conditions stand literally in statements, as the partial index has them (docs/private-users.md).
"""

from typing import TYPE_CHECKING

from django.db.models import Q

if TYPE_CHECKING:
    from profiles.models import User

# Everyone may see a public user and learn their name. Nobody can tell a private one from an address nobody has.
IS_PUBLIC = "is_active AND public_profile AND btc_address IS NOT NULL"
PUBLIC = Q(is_active=True, public_profile=True, btc_address__isnull=False)

IS_NAMED_IN_COOPERATIVES = "public_profile AND show_in_coop_rankings"
"""Whether people outside a cooperative see that the user is in it; those inside see everyone."""

SHOWN_COUNTRY = "CASE WHEN show_country_flag THEN country_code END"


def is_public(user: "User") -> bool:
    return user.is_active and user.public_profile and user.btc_address is not None
