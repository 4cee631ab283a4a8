"""What the rest of the service does for a user it meets for the first time."""

from django.conf import settings
from django.utils.module_loading import import_string


def greet(*, user_id: int) -> None:
    """Calls settings.ON_FIRST_SIGN_IN in the transaction that creates the user.

    A name in the settings, because profiles stands below what greets.
    """
    import_string(settings.ON_FIRST_SIGN_IN)(user_id=user_id)
