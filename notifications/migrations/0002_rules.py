from django.db import migrations

from bitcoingame.core.postgresql.cascades import add_cascade
from bitcoingame.core.postgresql.sql_files import run_sql_file


class Migration(migrations.Migration):
    dependencies = [("notifications", "0001_tables"), ("profiles", "0002_rules")]

    operations = [
        add_cascade("notification_counters", "user_id", "users"),
        add_cascade("notifications", "user_id", "users"),
        add_cascade("email_deliveries", "notification_id", "notifications"),
        run_sql_file("notifications", "counters"),
        run_sql_file("notifications", "create_notifications"),
    ]
