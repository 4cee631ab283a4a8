from django.db import migrations

from bitcoingame.core.postgresql.cascades import add_cascade
from bitcoingame.core.postgresql.sql_files import run_sql_file


class Migration(migrations.Migration):
    dependencies = [("profiles", "0001_tables")]

    operations = [
        add_cascade("notification_preferences", "user_id", "users"),
        add_cascade("game_states", "user_id", "users"),
        add_cascade("earned_badges", "user_id", "users"),
        add_cascade("workers", "user_id", "users"),
        add_cascade("daily_shares", "user_id", "users"),
        add_cascade("refresh_tokens", "user_id", "users"),
        run_sql_file("profiles", "room_on_pages"),
        run_sql_file("profiles", "settings_rows"),
        run_sql_file("profiles", "staff_user_ids"),
        run_sql_file("profiles", "audit_entries"),
    ]
