-- Whether a text may name a user to a reader, and the record of names that must leave the stored texts.
--
-- may_be_named is asked when a text is delivered and again whenever it is read. A text names a user by the name they
-- had when it was written; a user who is called otherwise by now is not named any more.
--
-- A row of name_withdrawals says that texts naming this user, and texts kept by this user, must be looked through:
-- notifications/withdrawals.py turns those that may no longer name, and deletes the row. A trigger writes it with the
-- change itself, so that no script, admin page or dead Redis leaves a name behind. Until then from_outsiders and
-- from_fellows keep the name back as well from readers who could see it again, because the user changed back.

CREATE FUNCTION may_be_named(person_id bigint, name text, reader_id bigint) RETURNS boolean STABLE LANGUAGE plpgsql
AS $$
BEGIN
    RETURN EXISTS (
        SELECT FROM users person
        WHERE person.id = person_id AND person.is_active AND shown_name(person) = name AND (
            person_id = reader_id
            OR is_named_to_outsiders(person)
               AND NOT EXISTS (SELECT FROM name_withdrawals WHERE user_id = person_id AND from_outsiders)
            OR are_fellows(person_id, reader_id)
               AND NOT EXISTS (SELECT FROM name_withdrawals WHERE user_id = person_id AND from_fellows)
        )
    );
END $$;

-- The users left their cooperative: names between them and those who were their fellows must be looked through.
CREATE FUNCTION withdraw_names_of_leavers(user_ids bigint[]) RETURNS void LANGUAGE sql AS $$
    INSERT INTO name_withdrawals (user_id) SELECT unnest(user_ids)
$$;

CREATE FUNCTION withdraw_name() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        INSERT INTO name_withdrawals (user_id, from_outsiders, from_fellows) VALUES (OLD.id, true, true);
    ELSE
        INSERT INTO name_withdrawals (user_id, from_outsiders, from_fellows)
        VALUES (OLD.id, is_named_to_outsiders(OLD) AND NOT is_named_to_outsiders(NEW), OLD.is_active AND NOT NEW.is_active);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER users_take_their_name_back AFTER UPDATE ON users FOR EACH ROW WHEN (
    is_named_to_outsiders(OLD) AND NOT is_named_to_outsiders(NEW)
    OR OLD.is_active AND NOT NEW.is_active
    OR shown_name(OLD) <> shown_name(NEW)
) EXECUTE FUNCTION withdraw_name();
CREATE TRIGGER users_take_their_name_with_them AFTER DELETE ON users FOR EACH ROW EXECUTE FUNCTION withdraw_name();

-- To undo:
DROP TRIGGER users_take_their_name_with_them ON users;
DROP TRIGGER users_take_their_name_back ON users;
DROP FUNCTION withdraw_name();
DROP FUNCTION withdraw_names_of_leavers(bigint[]);
DROP FUNCTION may_be_named(bigint, text, bigint);
