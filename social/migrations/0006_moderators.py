from django.db import migrations

GROUP = "Moderators"

# They see what a report needs, and act on cooperatives and users. Announcements, events set aside, deleting accounts
# and staff accounts are for superusers.
PERMISSIONS = [
    ("social", "cooperative", "view_cooperative", "Can view cooperative"),
    (
        "social",
        "cooperative",
        "moderate_cooperative",
        "Can suspend, restore, dissolve and change cooperatives",
    ),
    ("social", "useractivity", "view_useractivity", "Can view user activity"),
    ("profiles", "user", "view_user", "Can view user"),
    ("profiles", "user", "moderate_user", "Can suspend and restore users"),
    ("profiles", "auditentry", "view_auditentry", "Can view audit entry"),
    ("notifications", "notification", "view_notification", "Can view notification"),
    ("notifications", "broadcast", "view_broadcast", "Can view broadcast"),
]


def make_moderators(apps, schema_editor):
    """Permissions too, under the names Django gives them: it makes those only after all migrations."""
    content_types = apps.get_model("contenttypes", "ContentType").objects
    permissions = apps.get_model("auth", "Permission").objects
    group, _ = apps.get_model("auth", "Group").objects.get_or_create(name=GROUP)
    for app, model, codename, name in PERMISSIONS:
        content_type, _ = content_types.get_or_create(app_label=app, model=model)
        permission, _ = permissions.get_or_create(
            content_type=content_type, codename=codename, defaults={"name": name}
        )
        group.permissions.add(permission)


def remove_moderators(apps, schema_editor):
    apps.get_model("auth", "Group").objects.filter(name=GROUP).delete()


class Migration(migrations.Migration):
    dependencies = [
        ("social", "0005_moderating"),
        ("profiles", "0006_admin"),
        ("notifications", "0005_broadcasts"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [migrations.RunPython(make_moderators, remove_moderators)]
