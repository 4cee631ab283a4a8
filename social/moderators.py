"""The group of moderators, which a migration makes, and what its members may see and do in the admin."""

from typing import Any

from django.apps.registry import Apps

GROUP = "Moderators"

# Moderators see what they need to judge a report, and act on cooperatives and users. Only superusers announce, retry
# events that were set aside, delete accounts and manage staff accounts.
_PERMISSIONS = (
    ("social", "cooperative", "view_cooperative", "Can view cooperative"),
    ("social", "cooperative", "moderate_cooperative", "Can suspend, restore, dissolve and change cooperatives"),
    ("social", "useractivity", "view_useractivity", "Can view user activity"),
    ("profiles", "user", "view_user", "Can view user"),
    ("profiles", "user", "moderate_user", "Can suspend and restore users"),
    ("profiles", "auditentry", "view_auditentry", "Can view audit entry"),
    ("notifications", "notification", "view_notification", "Can view notification"),
    ("notifications", "broadcast", "view_broadcast", "Can view broadcast"),
)


def make_moderators(apps: Apps) -> None:
    """Makes the group and gives it its permissions; what exists already stays. `apps` are a migration's or Django's.

    The permissions are made here under the names Django gives them, because Django makes them only after the last
    migration. A change of the list needs a new migration that calls this again.
    """
    group, _ = apps.get_model("auth", "Group").objects.get_or_create(name=GROUP)
    group.permissions.add(*(_permission(apps, *permission) for permission in _PERMISSIONS))


def remove_moderators(apps: Apps) -> None:
    """Deletes the group; its permissions stay, because Django would make them anyway."""
    apps.get_model("auth", "Group").objects.filter(name=GROUP).delete()


def _permission(apps: Apps, app: str, model: str, codename: str, name: str) -> Any:
    content_type, _ = apps.get_model("contenttypes", "ContentType").objects.get_or_create(app_label=app, model=model)
    permission, _ = apps.get_model("auth", "Permission").objects.get_or_create(
        content_type=content_type, codename=codename, defaults={"name": name}
    )
    return permission
