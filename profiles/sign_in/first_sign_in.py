"""What happens when a user signs in for the first time."""

from django.conf import settings
from django.utils.module_loading import import_string


def handle_first_sign_in(*, user_id: int) -> None:
    """Calls settings.ON_FIRST_SIGN_IN in the transaction that creates the user.

    The setting names the function, because profiles may not import the packages above it.
    """
    import_string(settings.ON_FIRST_SIGN_IN)(user_id=user_id)
