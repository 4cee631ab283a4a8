-- Every user has a row in notification_counters, so that create_notifications finds one to lock for each recipient.
--
-- A statement that inserts users inserts their counters too; the last INSERT gives one to those who were here before.
-- A counter changes with every notification. PostgreSQL fills the pages to 50 % only, so that a row's next version fits
-- on the same page and the update touches no index.

ALTER TABLE notification_counters SET (fillfactor = 50);

CREATE FUNCTION users_bring_their_notification_counter() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO notification_counters (user_id) SELECT id FROM new_users;
    RETURN NULL;
END $$;
CREATE TRIGGER users_bring_their_notification_counter AFTER INSERT ON users
    REFERENCING NEW TABLE AS new_users FOR EACH STATEMENT EXECUTE FUNCTION users_bring_their_notification_counter();
INSERT INTO notification_counters (user_id) SELECT id FROM users;

-- To undo:
DROP TRIGGER users_bring_their_notification_counter ON users;
DROP FUNCTION users_bring_their_notification_counter();
ALTER TABLE notification_counters RESET (fillfactor);
