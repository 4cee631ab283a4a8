from django.db import migrations

from bitcoingame.core.postgresql.cascades import add_cascade

BRING_ROWS = """
CREATE FUNCTION users_bring_their_settings() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO notification_preferences (user_id) SELECT id FROM new_users;
    INSERT INTO game_states (user_id) SELECT id FROM new_users;
    RETURN NULL;
END $$;
CREATE TRIGGER users_bring_their_settings AFTER INSERT ON users
    REFERENCING NEW TABLE AS new_users FOR EACH STATEMENT EXECUTE FUNCTION users_bring_their_settings();
"""
DROP = "DROP TRIGGER users_bring_their_settings ON users; DROP FUNCTION users_bring_their_settings();"

# Game state changes with nearly every batch of shares; room on the page keeps those updates out of the indexes.
LEAVE_ROOM = "ALTER TABLE game_states SET (fillfactor = 70)"


class Migration(migrations.Migration):
    dependencies = [("profiles", "0001_initial")]

    operations = [
        add_cascade("notification_preferences", "user_id", "users"),
        add_cascade("game_states", "user_id", "users"),
        add_cascade("earned_badges", "user_id", "users"),
        add_cascade("workers", "user_id", "users"),
        add_cascade("daily_shares", "user_id", "users"),
        add_cascade("refresh_tokens", "user_id", "users"),
        migrations.RunSQL(LEAVE_ROOM, migrations.RunSQL.noop),
        migrations.RunSQL(BRING_ROWS, DROP),
    ]
