from django.db import migrations

from bitcoingame.core.postgresql.sql_files import run_sql_file


class Migration(migrations.Migration):
    dependencies = [("profiles", "0006_dashboard_settings")]

    operations = [run_sql_file("profiles", "people")]
