-- Counts the active cooperatives. The count is the sum of 16 rows, so that founders do not queue up for one row.
--
-- CooperativeTotal in social/models.py is the table. social/selectors.py reads the sum as the list's total.

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

-- TRUNCATE fires no row triggers and no triggers of DELETE.
CREATE FUNCTION empty_cooperative_totals() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM cooperative_totals;
    RETURN NULL;
END $$;
CREATE TRIGGER no_active_ones_are_left AFTER TRUNCATE ON cooperatives
    FOR EACH STATEMENT EXECUTE FUNCTION empty_cooperative_totals();

-- To undo:
DROP TRIGGER no_active_ones_are_left ON cooperatives;
DROP TRIGGER active_ones_are_counted_in ON cooperatives;
DROP TRIGGER active_ones_are_counted_out ON cooperatives;
DROP TRIGGER a_change_of_activity_is_counted ON cooperatives;
DROP FUNCTION add_to_cooperative_totals();
DROP FUNCTION move_in_cooperative_totals();
DROP FUNCTION empty_cooperative_totals();
