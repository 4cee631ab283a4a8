"""Who may see whom. Each rule stands here once, in each form in which it is needed. The SQL is over `users`.

Statements contain the SQL literally and not as parameters, because PostgreSQL uses the partial index only then
(docs/private-users.md).
"""

from django.db.models import Q

# Everyone may see a public user and their name. A private user looks to everyone like an address that nobody has.
IS_PUBLIC = "is_active AND public_profile AND btc_address IS NOT NULL"
PUBLIC = Q(is_active=True, public_profile=True, btc_address__isnull=False)

IS_NAMED_TO_OUTSIDERS = "is_active AND public_profile AND show_in_coop_rankings"
"""Whether people outside the user's cooperative see the user's name in texts, and that the user is in it.

Its members see all members. The function is_named_to_outsiders (profiles/sql/people.sql) says the same of one row.
"""

SHOWN_COUNTRY = "CASE WHEN show_country_flag THEN country_code END"
"""The country that a public profile shows: NULL if the user hides it or has none."""
