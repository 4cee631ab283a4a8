"""After a test that commits, every table holds what the migrations left in it, and no more."""

import unittest

import pytest
from django.contrib.auth.models import Group, Permission
from django.db import IntegrityError, connection
from django.test import TransactionTestCase

from bitcoingame.tests.as_migrated import restore_tables
from conftest import make_cooperative, make_user, moderators
from profiles.models import AuditEntry, User
from social import moderation
from social.models import Cooperative, CooperativeTotal

pytestmark = pytest.mark.django_db(transaction=True)

TRIGGERS = "SELECT tgrelid::regclass::text, tgname, tgenabled FROM pg_trigger ORDER BY tgrelid, tgname"


def run(sql):
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall() if cursor.description else []


def rows():
    """All rows of the database, by table."""
    return {table: run(f'SELECT * FROM "{table}" ORDER BY 1') for table in connection.introspection.table_names()}


def act_as_staff():
    """Writes rows of many tables: audit entries, totals, settings, counters, notifications, members."""
    mona = User.objects.create_staff("mona")
    mona.groups.add(moderators())
    pirates = make_cooperative(make_user("Alice"), make_user("Bob"))
    moderation.rename_cooperative(staff=mona, reason="Rude.", cooperative_id=pirates.pk, name="Sailors")


def test_what_was_written_is_gone():
    before = rows()
    act_as_staff()
    assert AuditEntry.objects.exists()
    assert CooperativeTotal.objects.exists()

    restore_tables()

    assert rows() == before


def test_django_calls_it_after_a_test_that_commits():
    class Commits(TransactionTestCase):
        def test(self):
            act_as_staff()

    before, result = rows(), unittest.TestResult()

    unittest.TestSuite([Commits("test")]).run(result)

    assert (result.testsRun, result.wasSuccessful()) == (1, True)
    assert rows() == before


@pytest.mark.parametrize(
    "change",
    [
        lambda: moderators().delete(),
        lambda: moderators().permissions.clear(),
        lambda: Group.objects.create(name="Moderators of moderators"),
        lambda: Group.objects.update(name="Janitors"),
        lambda: Permission.objects.all().delete(),
    ],
    ids=["a group deleted", "its permissions", "another group", "a group changed", "all permissions"],
)
def test_what_the_migrations_made_is_put_back(change):
    before = rows()
    act_as_staff()
    change()
    assert rows() != before

    restore_tables()

    assert rows() == before


def test_every_rule_of_the_tables_stands_again():
    before = run(TRIGGERS)
    act_as_staff()

    restore_tables()

    assert run(TRIGGERS) == before
    act_as_staff()
    with pytest.raises(IntegrityError, match="audit entries are kept as they are"):
        AuditEntry.objects.all().delete()


def test_what_triggers_count_starts_anew():
    act_as_staff()
    restore_tables()

    make_cooperative(make_user("Alice"), make_user("Bob"))

    assert Cooperative.objects.get().member_count == 2
    assert sum(CooperativeTotal.objects.values_list("active", flat=True)) == 1
