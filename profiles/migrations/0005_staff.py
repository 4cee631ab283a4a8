import django.db.models.functions.datetime
from django.db import migrations, models

# Staff accounts count down from -1, miners' ids come from the platform and are positive.
STAFF_IDS = "CREATE SEQUENCE staff_user_ids AS bigint INCREMENT BY -1 MAXVALUE -1 START WITH -1"
DROP_STAFF_IDS = "DROP SEQUENCE staff_user_ids"

KEEP_ENTRIES = """
CREATE FUNCTION refuse_to_change_an_audit_entry() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'audit entries are kept as they are'
        USING ERRCODE = 'check_violation', CONSTRAINT = 'audit_entries_are_kept', TABLE = 'audit_entries';
END $$;
CREATE TRIGGER audit_entries_are_kept BEFORE UPDATE OR DELETE ON audit_entries
    FOR EACH ROW EXECUTE FUNCTION refuse_to_change_an_audit_entry();
"""
DROP_KEEP_ENTRIES = """
DROP TRIGGER audit_entries_are_kept ON audit_entries;
DROP FUNCTION refuse_to_change_an_audit_entry();
"""


class Migration(migrations.Migration):

    dependencies = [
        ('profiles', '0004_worker_times'),
    ]

    operations = [
        migrations.CreateModel(
            name='AuditEntry',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('staff_id', models.BigIntegerField()),
                ('staff_name', models.CharField(max_length=150)),
                ('action', models.CharField(max_length=32)),
                ('target_type', models.CharField(max_length=16)),
                ('target_id', models.BigIntegerField()),
                ('target_name', models.CharField(max_length=256)),
                ('reason', models.CharField(max_length=500)),
                ('details', models.JSONField(db_default={}, default=dict)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'verbose_name_plural': 'audit entries',
                'db_table': 'audit_entries',
                'indexes': [models.Index(fields=['target_type', 'target_id', '-id'], name='idx_audit_entries_target'), models.Index(fields=['staff_id', '-id'], name='idx_audit_entries_staff')],
                'constraints': [models.CheckConstraint(condition=models.Q(('reason__regex', '\\S')), name='staff_act_for_a_reason')],
            },
        ),
        migrations.RunSQL(STAFF_IDS, DROP_STAFF_IDS),
        migrations.RunSQL(KEEP_ENTRIES, DROP_KEEP_ENTRIES),
    ]
