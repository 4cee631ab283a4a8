-- Fellow members see each other by name (spec section 6): asked by may_be_named in notifications/sql/names.sql.
--
-- A user who leaves is an outsider again, so a trigger has the names looked through that were told until then.

CREATE FUNCTION are_fellows(one_id bigint, other_id bigint) RETURNS boolean STABLE LANGUAGE sql AS $$
    SELECT EXISTS (
        SELECT FROM cooperative_members one JOIN cooperative_members other ON other.cooperative_id = one.cooperative_id
        WHERE one.user_id = one_id AND other.user_id = other_id
    )
$$;

CREATE FUNCTION leavers_are_outsiders() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM withdraw_names_of_leavers((SELECT array_agg(user_id ORDER BY user_id) FROM gone));
    RETURN NULL;
END $$;
CREATE TRIGGER leavers_are_outsiders AFTER DELETE ON cooperative_members
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION leavers_are_outsiders();

-- To undo:
DROP TRIGGER leavers_are_outsiders ON cooperative_members;
DROP FUNCTION leavers_are_outsiders();
DROP FUNCTION are_fellows(bigint, bigint);
