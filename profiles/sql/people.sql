-- What a text that names a user asks about that user, and the lock under which it may be written.
--
-- The functions take a row of users. shown_name says the rule of profiles/names.py, and is_named_to_outsiders that of
-- profiles/visibility.py; a test compares them. notifications/sql/names.sql and create_notifications.sql call them.

CREATE FUNCTION shown_name(person users) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(nullif(person.display_name, ''), 'Miner-' || left(person.btc_address, 8), person.username, '')
$$;

CREATE FUNCTION is_named_to_outsiders(person users) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT person.is_active AND person.public_profile AND person.show_in_coop_rankings
$$;

-- Holds the users as they are until the transaction ends: nobody renames, hides, suspends or deletes them meanwhile.
CREATE FUNCTION hold_people(held bigint[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM users WHERE id = ANY(held) ORDER BY id FOR SHARE;
END $$;

-- To undo:
DROP FUNCTION hold_people(bigint[]);
DROP FUNCTION is_named_to_outsiders(users);
DROP FUNCTION shown_name(users);
