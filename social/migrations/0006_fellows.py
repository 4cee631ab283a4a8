from django.db import migrations

from bitcoingame.core.postgresql.sql_files import run_sql_file


class Migration(migrations.Migration):
    dependencies = [("social", "0005_activity_by_time"), ("notifications", "0005_names_are_kept_apart")]

    operations = [run_sql_file("social", "fellows")]
