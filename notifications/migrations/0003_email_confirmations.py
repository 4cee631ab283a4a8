import bitcoingame.core.postgresql.cascades
import django.db.models.deletion
import django.db.models.functions.datetime
import uuid
from django.conf import settings
from django.db import migrations, models

from bitcoingame.core.postgresql.cascades import add_cascade


class Migration(migrations.Migration):

    dependencies = [
        ('notifications', '0002_rules'),
        ('profiles', '0003_email_states'),
    ]

    operations = [
        migrations.CreateModel(
            name='EmailConfirmation',
            fields=[
                ('state', models.CharField(choices=[('due', 'Due'), ('sending', 'Sending'), ('sent', 'Sent'), ('skipped', 'not wanted any more'), ('failed', 'refused for good'), ('unknown', 'interrupted while sending')], db_default='due', default='due', max_length=8)),
                ('attempts', models.SmallIntegerField(db_default=0, default=0)),
                ('due_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), help_text='When to try next. While sending: when the attempt began.')),
                ('finished_at', models.DateTimeField(blank=True, null=True)),
                ('error', models.CharField(blank=True, max_length=256, null=True)),
                ('user', bitcoingame.core.postgresql.cascades.CascadingOneToOne(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, primary_key=True, related_name='email_confirmation', serialize=False, to=settings.AUTH_USER_MODEL)),
                ('address', models.EmailField(max_length=254)),
                ('nonce', models.UUIDField(default=uuid.uuid4)),
                ('asked_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('used_at', models.DateTimeField(blank=True, null=True)),
            ],
            options={
                'verbose_name_plural': 'e-mail confirmations',
                'db_table': 'email_confirmations',
                'indexes': [models.Index(condition=models.Q(('state__in', ['due', 'sending'])), fields=['due_at', 'user'], name='idx_email_confirmations_open')],
            },
        ),
        add_cascade("email_confirmations", "user_id", "users"),
    ]
