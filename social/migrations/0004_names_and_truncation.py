from django.db import migrations, models

FOLLOW_TRUNCATION = """
CREATE FUNCTION dissolve_all_cooperatives() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE cooperatives SET member_count = 0, is_active = false WHERE member_count > 0;
    RETURN NULL;
END $$;
CREATE TRIGGER no_members_are_left AFTER TRUNCATE ON cooperative_members
    FOR EACH STATEMENT EXECUTE FUNCTION dissolve_all_cooperatives();

CREATE FUNCTION empty_cooperative_totals() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM cooperative_totals;
    RETURN NULL;
END $$;
CREATE TRIGGER no_active_ones_are_left AFTER TRUNCATE ON cooperatives
    FOR EACH STATEMENT EXECUTE FUNCTION empty_cooperative_totals();
"""
DROP_FOLLOW_TRUNCATION = """
DROP TRIGGER no_members_are_left ON cooperative_members;
DROP TRIGGER no_active_ones_are_left ON cooperatives;
DROP FUNCTION dissolve_all_cooperatives();
DROP FUNCTION empty_cooperative_totals();
"""


class Migration(migrations.Migration):
    dependencies = [("social", "0003_statistics")]

    operations = [
        migrations.AddConstraint(
            model_name="cooperative",
            constraint=models.CheckConstraint(
                condition=models.Q(("name__regex", "[[:cntrl:]]"), _negated=True), name="name_has_no_control_characters"
            ),
        ),
        migrations.AddConstraint(
            model_name="cooperative",
            constraint=models.CheckConstraint(
                condition=models.Func(
                    "name", output_field=models.BooleanField(), template="%(expressions)s IS NFC NORMALIZED"
                ),
                name="name_is_normalised",
            ),
        ),
        migrations.RunSQL(FOLLOW_TRUNCATION, DROP_FOLLOW_TRUNCATION),
    ]
