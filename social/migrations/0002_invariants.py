"""The rules of a cooperative that a single row cannot state.

Whoever changes members locks the cooperative's row first (count_members_of does), so that what is counted here is
never half of a concurrent change; the comparison at commit then sees every change it must.
"""

from django.db import migrations

from bitcoingame.core.postgresql.cascades import add_cascade

COUNT_MEMBERS = """
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
"""
DROP_COUNT_MEMBERS = """
DROP TRIGGER members_are_counted_in ON cooperative_members;
DROP TRIGGER members_are_counted_out ON cooperative_members;
DROP FUNCTION count_new_members();
DROP FUNCTION count_members_of(bigint[]);
"""

STAY_PUT = """
CREATE FUNCTION refuse_to_move_a_member() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a membership does not move: leave, then join'
        USING ERRCODE = 'check_violation', CONSTRAINT = 'a_membership_does_not_move', TABLE = 'cooperative_members';
END $$;
CREATE TRIGGER a_membership_does_not_move BEFORE UPDATE OF cooperative_id, user_id ON cooperative_members
    FOR EACH ROW WHEN (OLD.cooperative_id <> NEW.cooperative_id OR OLD.user_id <> NEW.user_id)
    EXECUTE FUNCTION refuse_to_move_a_member();
"""
DROP_STAY_PUT = """
DROP TRIGGER a_membership_does_not_move ON cooperative_members;
DROP FUNCTION refuse_to_move_a_member();
"""

COMPARE_AT_COMMIT = """
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
"""
DROP_COMPARE_AT_COMMIT = """
DROP TRIGGER a_cooperative_is_whole ON cooperatives;
DROP TRIGGER a_cooperative_is_whole ON cooperative_members;
DROP FUNCTION compare_cooperative();
DROP FUNCTION compare_cooperative_of_member();
DROP FUNCTION assert_cooperative_is_whole(bigint);
"""

COUNT_ACTIVE = """
CREATE FUNCTION add_to_cooperative_totals() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO cooperative_totals AS total (shard, active)
    SELECT id % 16, CASE TG_OP WHEN 'INSERT' THEN count(*) ELSE -count(*) END
    FROM changed WHERE is_active GROUP BY id % 16 ORDER BY id % 16
    ON CONFLICT (shard) DO UPDATE SET active = total.active + excluded.active;
    RETURN NULL;
END $$;
CREATE TRIGGER active_ones_are_counted_in AFTER INSERT ON cooperatives
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION add_to_cooperative_totals();
CREATE TRIGGER active_ones_are_counted_out AFTER DELETE ON cooperatives
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION add_to_cooperative_totals();

CREATE FUNCTION move_in_cooperative_totals() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO cooperative_totals AS total (shard, active)
    VALUES (NEW.id % 16, CASE WHEN NEW.is_active THEN 1 ELSE -1 END)
    ON CONFLICT (shard) DO UPDATE SET active = total.active + excluded.active;
    RETURN NULL;
END $$;
CREATE TRIGGER a_change_of_activity_is_counted AFTER UPDATE OF is_active ON cooperatives
    FOR EACH ROW WHEN (OLD.is_active <> NEW.is_active) EXECUTE FUNCTION move_in_cooperative_totals();
"""
DROP_COUNT_ACTIVE = """
DROP TRIGGER active_ones_are_counted_in ON cooperatives;
DROP TRIGGER active_ones_are_counted_out ON cooperatives;
DROP TRIGGER a_change_of_activity_is_counted ON cooperatives;
DROP FUNCTION add_to_cooperative_totals();
DROP FUNCTION move_in_cooperative_totals();
"""


class Migration(migrations.Migration):
    dependencies = [("social", "0001_initial"), ("profiles", "0002_settings_rows")]

    operations = [
        add_cascade("cooperative_members", "cooperative_id", "cooperatives"),
        add_cascade("cooperative_members", "user_id", "users"),
        add_cascade("user_activity", "user_id", "users"),
        migrations.RunSQL(COUNT_MEMBERS, DROP_COUNT_MEMBERS),
        migrations.RunSQL(STAY_PUT, DROP_STAY_PUT),
        migrations.RunSQL(COMPARE_AT_COMMIT, DROP_COMPARE_AT_COMMIT),
        migrations.RunSQL(COUNT_ACTIVE, DROP_COUNT_ACTIVE),
    ]
