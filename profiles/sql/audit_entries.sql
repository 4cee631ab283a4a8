-- An audit entry is kept as it was written: the database refuses to change or delete one.
--
-- record_staff_action in profiles/audit.py writes the entries.

CREATE FUNCTION refuse_to_change_an_audit_entry() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'audit entries are kept as they are'
        USING ERRCODE = 'check_violation', CONSTRAINT = 'audit_entries_are_kept', TABLE = 'audit_entries';
END $$;
CREATE TRIGGER audit_entries_are_kept BEFORE UPDATE OR DELETE ON audit_entries
    FOR EACH ROW EXECUTE FUNCTION refuse_to_change_an_audit_entry();

-- To undo:
DROP TRIGGER audit_entries_are_kept ON audit_entries;
DROP FUNCTION refuse_to_change_an_audit_entry();
