from django.db import migrations

from bitcoingame.core.postgresql.cascades import add_cascade

BRING_COUNTERS = """
CREATE FUNCTION users_bring_their_notification_counter() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO notification_counters (user_id) SELECT id FROM new_users;
    RETURN NULL;
END $$;
CREATE TRIGGER users_bring_their_notification_counter AFTER INSERT ON users
    REFERENCING NEW TABLE AS new_users FOR EACH STATEMENT EXECUTE FUNCTION users_bring_their_notification_counter();
INSERT INTO notification_counters (user_id) SELECT id FROM users;
"""
DROP = """
DROP TRIGGER users_bring_their_notification_counter ON users;
DROP FUNCTION users_bring_their_notification_counter();
"""

# A counter changes with every notification; room on the page keeps those updates out of the index.
LEAVE_ROOM = "ALTER TABLE notification_counters SET (fillfactor = 50)"


class Migration(migrations.Migration):
    dependencies = [("notifications", "0001_initial"), ("profiles", "0002_settings_rows")]

    operations = [
        add_cascade("notification_counters", "user_id", "users"),
        add_cascade("notifications", "user_id", "users"),
        migrations.RunSQL(LEAVE_ROOM, migrations.RunSQL.noop),
        migrations.RunSQL(BRING_COUNTERS, DROP),
    ]
