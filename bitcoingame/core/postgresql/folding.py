"""The form of a text in which names are compared and searched."""

from typing import Any

from django.db.models import CharField, Func, Value
from django.db.models.expressions import Combinable

# Joiners and the selectors of emoji and Mongolian letters. They change how their neighbours look, and not what they
# say. The tags of flags stay, because without them England and Scotland would be one.
_UNSEEN = r"\180B\180C\180D\180E\180F\200C\200D\FE0E\FE0F"


class Folded(Func):
    """Folds case in full (straße is STRASSE), compatible forms (full-width, ligatures) and accents typed apart.

    Columns, parameters and indexes fold by this same SQL. It names its collation, because lower(), upper() and LIKE
    would otherwise fold by the collation of the column on one side, and of the database on the other.
    """

    template = (
        "normalize(casefold(normalize(translate((%(expressions)s)::text, U&'" + _UNSEEN + "', ''), NFKD)"
        ' COLLATE "pg_unicode_fast"), NFKC)'
    )
    output_field = CharField()

    def __init__(self, expression: Combinable | str, **extra: Any) -> None:
        super().__init__(expression, **extra)


def folded(text: str) -> Folded:
    """A text of Python, folded by the database."""
    return Folded(Value(text))
