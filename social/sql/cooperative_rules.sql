-- The rules of a cooperative that no single row can state. The constraints in social/models.py keep the others.
--
-- The functions of social/services.py and social/moderation.py keep the same rules first, with locks and with errors
-- that people understand. What follows holds against races, scripts and psql too. docs/cooperative-rules.md says why.
--
-- A statement that changes members locks the rows of their cooperatives first; count_members_of does so. The counts
-- are therefore never those of half a concurrent change, and the comparison at commit sees every change it must see.

-- member_count equals the members, and a cooperative that has lost its last member is no longer active.
CREATE FUNCTION count_members_of(touched bigint[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM id FROM cooperatives WHERE id = ANY(touched) ORDER BY id FOR NO KEY UPDATE;
    -- A statement of its own: its snapshot is taken after the lock.
    UPDATE cooperatives SET member_count = counted.members, is_active = is_active AND counted.members > 0
    FROM (
        SELECT id AS cooperative_id,
               (SELECT count(*) FROM cooperative_members WHERE cooperative_id = touched_id.id) AS members
        FROM unnest(touched) AS touched_id (id)
    ) AS counted
    WHERE id = counted.cooperative_id
      AND (member_count <> counted.members OR is_active AND counted.members = 0);
END $$;

CREATE FUNCTION count_new_members() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM count_members_of((SELECT array_agg(DISTINCT cooperative_id) FROM changed));
    RETURN NULL;
END $$;

CREATE TRIGGER members_are_counted_in AFTER INSERT ON cooperative_members
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION count_new_members();
CREATE TRIGGER members_are_counted_out AFTER DELETE ON cooperative_members
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION count_new_members();

-- TRUNCATE fires no row triggers and no triggers of DELETE.
CREATE FUNCTION dissolve_all_cooperatives() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE cooperatives SET member_count = 0, is_active = false WHERE member_count > 0;
    RETURN NULL;
END $$;
CREATE TRIGGER no_members_are_left AFTER TRUNCATE ON cooperative_members
    FOR EACH STATEMENT EXECUTE FUNCTION dissolve_all_cooperatives();

-- A seat belongs to one user in one cooperative. Moving it would escape the counts above.
CREATE FUNCTION refuse_to_move_a_member() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a membership does not move: leave, then join'
        USING ERRCODE = 'check_violation', CONSTRAINT = 'a_membership_does_not_move', TABLE = 'cooperative_members';
END $$;
CREATE TRIGGER a_membership_does_not_move BEFORE UPDATE OF cooperative_id, user_id ON cooperative_members
    FOR EACH ROW WHEN (OLD.cooperative_id <> NEW.cooperative_id OR OLD.user_id <> NEW.user_id)
    EXECUTE FUNCTION refuse_to_move_a_member();

-- At commit member_count equals the members, and the owner is the one admin. Within a transaction both may differ.
CREATE FUNCTION assert_cooperative_is_whole(checked_id bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    cooperative cooperatives;
    members int;
    admin_id bigint;
BEGIN
    SELECT * INTO cooperative FROM cooperatives WHERE id = checked_id;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    SELECT count(*), max(user_id) FILTER (WHERE role = 'admin') INTO members, admin_id
    FROM cooperative_members WHERE cooperative_id = checked_id;
    IF cooperative.member_count <> members THEN
        RAISE EXCEPTION 'cooperative % says % members and has %', checked_id, cooperative.member_count, members
            USING ERRCODE = 'check_violation', CONSTRAINT = 'member_count_equals_the_members', TABLE = 'cooperatives';
    END IF;
    IF members > 0 AND admin_id IS DISTINCT FROM cooperative.owner_user_id THEN
        RAISE EXCEPTION 'the owner of cooperative % is not its admin', checked_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'the_owner_is_the_admin', TABLE = 'cooperatives';
    END IF;
END $$;

CREATE FUNCTION compare_cooperative() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM assert_cooperative_is_whole(NEW.id);
    RETURN NULL;
END $$;
CREATE FUNCTION compare_cooperative_of_member() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM assert_cooperative_is_whole(coalesce(NEW.cooperative_id, OLD.cooperative_id));
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER a_cooperative_is_whole
    AFTER INSERT OR UPDATE OF member_count, is_active, owner_user_id ON cooperatives
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION compare_cooperative();
CREATE CONSTRAINT TRIGGER a_cooperative_is_whole
    AFTER INSERT OR DELETE OR UPDATE OF role ON cooperative_members
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION compare_cooperative_of_member();

-- To undo:
DROP TRIGGER a_cooperative_is_whole ON cooperatives;
DROP TRIGGER a_cooperative_is_whole ON cooperative_members;
DROP FUNCTION compare_cooperative();
DROP FUNCTION compare_cooperative_of_member();
DROP FUNCTION assert_cooperative_is_whole(bigint);
DROP TRIGGER a_membership_does_not_move ON cooperative_members;
DROP FUNCTION refuse_to_move_a_member();
DROP TRIGGER no_members_are_left ON cooperative_members;
DROP FUNCTION dissolve_all_cooperatives();
DROP TRIGGER members_are_counted_in ON cooperative_members;
DROP TRIGGER members_are_counted_out ON cooperative_members;
DROP FUNCTION count_new_members();
DROP FUNCTION count_members_of(bigint[]);
