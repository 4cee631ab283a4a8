-- Every user has a row of preferences and a row of game state, with the defaults that the tables declare.
--
-- A statement that inserts users inserts these rows too, so no query has to allow for a missing one.
-- profiles/sign_in/token_users.py inserts miners; UserManager.create_staff in profiles/models.py inserts staff.

CREATE FUNCTION users_bring_their_settings() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO notification_preferences (user_id) SELECT id FROM new_users;
    INSERT INTO game_states (user_id) SELECT id FROM new_users;
    RETURN NULL;
END $$;
CREATE TRIGGER users_bring_their_settings AFTER INSERT ON users
    REFERENCING NEW TABLE AS new_users FOR EACH STATEMENT EXECUTE FUNCTION users_bring_their_settings();

-- To undo:
DROP TRIGGER users_bring_their_settings ON users;
DROP FUNCTION users_bring_their_settings();
