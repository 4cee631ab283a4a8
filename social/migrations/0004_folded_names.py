from django.db import migrations, models

from bitcoingame.core.postgresql.folding import Folded

# Names that were different while only their case counted may be one now: Straße and Strasse. The oldest cooperative
# that still has members keeps the name, and the others get their id behind it.
PART_NAMESAKES = """
UPDATE cooperatives SET name = rtrim(left(name, 64 - length(mark))) || mark
FROM (
    SELECT id, ' #' || id AS mark,
           row_number() OVER (PARTITION BY folded_name ORDER BY member_count = 0, id) AS place
    FROM cooperatives
) AS namesake
WHERE namesake.id = cooperatives.id AND place > 1
"""


class Migration(migrations.Migration):
    dependencies = [("social", "0003_moderators")]

    operations = [
        migrations.RemoveConstraint(model_name="cooperative", name="idx_cooperatives_name"),
        migrations.AddField(
            model_name="cooperative",
            name="folded_name",
            field=models.GeneratedField(
                db_persist=True, expression=Folded("name"), output_field=models.TextField(db_collation="pg_unicode_fast")
            ),
        ),
        migrations.RunSQL(PART_NAMESAKES, migrations.RunSQL.noop),
        migrations.AddConstraint(
            model_name="cooperative",
            constraint=models.UniqueConstraint(fields=("folded_name",), name="idx_cooperatives_name"),
        ),
    ]
