from django.contrib.postgres.indexes import OpClass
from django.db import migrations, models

from bitcoingame.core.postgresql.folding import Folded

NAME_NEW_MINERS = "UPDATE game_states SET level_title = 'Nocoiner' WHERE level_title = ''"
UNNAME_NEW_MINERS = "UPDATE game_states SET level_title = '' WHERE level_title = 'Nocoiner'"


class Migration(migrations.Migration):
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("profiles", "0003_email_states"),
    ]

    operations = [
        migrations.RemoveIndex(model_name="user", name="idx_users_name_search"),
        migrations.AddIndex(
            model_name="user",
            index=models.Index(
                OpClass(Folded("display_name"), name="text_pattern_ops"), name="idx_users_name_search"
            ),
        ),
        migrations.AlterField(
            model_name="gamestate",
            name="level_title",
            field=models.CharField(blank=True, db_default="Nocoiner", default="Nocoiner", max_length=64),
        ),
        migrations.RunSQL(NAME_NEW_MINERS, UNNAME_NEW_MINERS),
    ]
