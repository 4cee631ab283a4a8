from django.db import migrations

from bitcoingame.core.postgresql.cascades import add_cascade
from bitcoingame.core.postgresql.sql_files import run_sql_file


class Migration(migrations.Migration):
    dependencies = [("social", "0001_tables"), ("profiles", "0002_rules")]

    operations = [
        add_cascade("cooperative_members", "cooperative_id", "cooperatives"),
        add_cascade("cooperative_members", "user_id", "users"),
        add_cascade("user_activity", "user_id", "users"),
        add_cascade("cooperative_weeks", "cooperative_id", "cooperatives"),
        add_cascade("cooperative_hashrates", "cooperative_id", "cooperatives"),
        run_sql_file("social", "room_on_pages"),
        run_sql_file("social", "cooperative_rules"),
        run_sql_file("social", "cooperative_totals"),
    ]
