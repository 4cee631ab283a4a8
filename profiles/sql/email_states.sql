-- A changed address is unconfirmed, whichever statement changes it. email_state_at says since when the state holds.
--
-- A statement that changes the address and the state together has its way.

CREATE FUNCTION a_changed_email_is_unconfirmed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.email IS DISTINCT FROM OLD.email AND NEW.email_state = OLD.email_state THEN
        NEW.email_state := 'unconfirmed';
    END IF;
    IF NEW.email IS DISTINCT FROM OLD.email OR NEW.email_state <> OLD.email_state THEN
        NEW.email_state_at := statement_timestamp();
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER a_changed_email_is_unconfirmed BEFORE UPDATE ON notification_preferences
    FOR EACH ROW EXECUTE FUNCTION a_changed_email_is_unconfirmed();

-- To undo:
DROP TRIGGER a_changed_email_is_unconfirmed ON notification_preferences;
DROP FUNCTION a_changed_email_is_unconfirmed();
