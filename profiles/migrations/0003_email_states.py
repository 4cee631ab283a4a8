import django.db.models.functions.text
from django.db import migrations, models

from bitcoingame.core.postgresql.sql_files import run_sql_file


class Migration(migrations.Migration):

    dependencies = [
        ('profiles', '0002_rules'),
    ]

    operations = [
        migrations.AddField(
            model_name='notificationpreferences',
            name='email_state',
            field=models.CharField(choices=[('unconfirmed', 'Unconfirmed'), ('confirmed', 'Confirmed'), ('refused', 'Refused'), ('bounced', 'Bounced'), ('complained', 'Complained'), ('unsubscribed', 'Unsubscribed')], db_default='unconfirmed', default='unconfirmed', editable=False, max_length=12),
        ),
        migrations.AddField(
            model_name='notificationpreferences',
            name='email_state_at',
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AddIndex(
            model_name='notificationpreferences',
            index=models.Index(django.db.models.functions.text.Lower('email'), condition=models.Q(('email__isnull', False)), name='idx_preferences_email'),
        ),
        migrations.AddConstraint(
            model_name='notificationpreferences',
            constraint=models.CheckConstraint(condition=models.Q(('email_state__in', ['unconfirmed', 'confirmed', 'refused', 'bounced', 'complained', 'unsubscribed'])), name='email_state_is_one_of_the_six'),
        ),
        run_sql_file("profiles", "email_states"),
    ]
