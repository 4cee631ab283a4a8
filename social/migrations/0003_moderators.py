from django.db import migrations

from social.moderators import make_moderators, remove_moderators


class Migration(migrations.Migration):
    dependencies = [
        ("social", "0002_rules"),
        ("profiles", "0001_tables"),
        ("notifications", "0001_tables"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [
        migrations.RunPython(
            lambda apps, schema_editor: make_moderators(apps),
            lambda apps, schema_editor: remove_moderators(apps),
        )
    ]
