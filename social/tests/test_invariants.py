"""The database keeps the rules by itself: raw SQL and the ORM cannot break them."""

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import Q

from bitcoingame.core.postgresql.constraints import violated_constraint
from conftest import make_cooperative, make_user
from social.models import Cooperative, CooperativeMember, CooperativeTotal

pytestmark = pytest.mark.django_db


def constraint_that_refuses(change):
    """Makes the change and runs the checks of a commit. Returns the name of the constraint that refuses it."""
    with pytest.raises(IntegrityError) as caught, transaction.atomic():
        change()
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
    return violated_constraint(caught.value)


def sql(statement, *parameters):
    def run():
        with connection.cursor() as cursor:
            cursor.execute(statement, parameters)

    return run


def new_member(cooperative, user, role="member"):
    return lambda: CooperativeMember.objects.create(cooperative=cooperative, user=user, role=role)


@pytest.fixture
def full(alice):
    return make_cooperative(alice, *[make_user() for _ in range(19)])


def test_no_21st_member_by_the_orm_or_by_sql(full, bob):
    raw = sql("INSERT INTO cooperative_members (cooperative_id, user_id) VALUES (%s, %s)", full.pk, bob.pk)

    assert constraint_that_refuses(new_member(full, bob)) == "member_count_is_between_0_and_20"
    assert constraint_that_refuses(raw) == "member_count_is_between_0_and_20"
    assert full.members.count() == 20


def test_no_21_members_in_one_statement(alice, bob):
    cooperative = make_cooperative(alice)
    users = [make_user() for _ in range(20)]

    def insert():
        CooperativeMember.objects.bulk_create(CooperativeMember(cooperative=cooperative, user=user) for user in users)

    assert constraint_that_refuses(insert) == "member_count_is_between_0_and_20"


def test_no_second_admin(alice, bob):
    cooperative = make_cooperative(alice, bob)
    promote = sql("UPDATE cooperative_members SET role = 'admin'")

    assert constraint_that_refuses(promote) == "one_admin_per_cooperative"
    assert constraint_that_refuses(new_member(cooperative, make_user(), "admin")) == "one_admin_per_cooperative"


def test_no_second_membership(alice, bob):
    make_cooperative(alice)
    other = make_cooperative(bob)

    assert constraint_that_refuses(new_member(other, alice)) == "idx_coop_members_user"
    assert constraint_that_refuses(new_member(other, bob)) == "idx_coop_members_user"


@pytest.mark.parametrize("count", [0, 1, 3, 20])
def test_no_wrong_count(alice, bob, count):
    make_cooperative(alice, bob)

    expected = "an_empty_one_is_never_active" if count == 0 else "member_count_equals_the_members"
    assert constraint_that_refuses(lambda: Cooperative.objects.update(member_count=count)) == expected


@pytest.mark.parametrize("count", [-1, 21])
def test_no_count_outside_0_to_20(alice, count):
    make_cooperative(alice)

    change = sql("UPDATE cooperatives SET is_active = false, member_count = %s", count)
    assert constraint_that_refuses(change) == "member_count_is_between_0_and_20"


def test_the_cap_is_20(alice):
    make_cooperative(alice)

    assert constraint_that_refuses(lambda: Cooperative.objects.update(max_members=21)) == "max_members_is_20"


@pytest.mark.parametrize("code", ["abcdefgh", "ABCDEFG", "ABCDEFG\n", "ABCDEFÄ1"])
def test_codes_are_8_letters_or_digits(alice, code):
    make_cooperative(alice)

    refused = constraint_that_refuses(lambda: Cooperative.objects.update(invite_code=code))
    assert refused == "invite_code_is_8_letters_or_digits"


def test_codes_and_names_are_unique(alice, bob):
    one, two = make_cooperative(alice, name="Pirates"), make_cooperative(bob)
    chosen = Cooperative.objects.filter(pk=two.pk)

    assert constraint_that_refuses(lambda: chosen.update(name="PIRATES")) == "idx_cooperatives_name"
    assert constraint_that_refuses(lambda: chosen.update(invite_code=one.invite_code)) == "idx_cooperatives_invite"


@pytest.mark.parametrize("name", ["", " ", "x", " Pirates", "Pirates "])
def test_names_are_trimmed_and_not_blank(alice, name):
    make_cooperative(alice)

    assert constraint_that_refuses(lambda: Cooperative.objects.update(name=name)) == "name_is_trimmed_and_not_blank"


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("Pi\trates", "name_has_no_control_characters"),
        ("Pi\nrates", "name_has_no_control_characters"),
        ("Pi\x85rates", "name_has_no_control_characters"),
        ("Pe\u0301rates", "name_is_normalised"),
    ],
)
def test_names_are_one_clean_line(alice, name, rule):
    make_cooperative(alice)

    assert constraint_that_refuses(lambda: Cooperative.objects.update(name=name)) == rule


@pytest.mark.parametrize("table", ["cooperative_members", "cooperatives"])
def test_truncation_leaves_no_wrong_count(alice, bob, table):
    make_cooperative(alice, bob)

    # PostgreSQL does not truncate a table while checks of it wait for the commit.
    sql("SET CONSTRAINTS ALL IMMEDIATE")()
    sql(f"TRUNCATE {table} CASCADE")()

    assert not Cooperative.objects.filter(Q(member_count__gt=0) | Q(is_active=True)).exists()
    assert sum(CooperativeTotal.objects.values_list("active", flat=True)) == 0


def test_roles_are_two(alice, bob):
    make_cooperative(alice, bob)

    change = sql("UPDATE cooperative_members SET role = 'owner' WHERE user_id = %s", bob.pk)
    assert constraint_that_refuses(change) == "role_is_admin_or_member"


def test_the_owner_is_the_admin(alice, bob):
    cooperative = make_cooperative(alice, bob)
    demote = sql("UPDATE cooperative_members SET role = 'member'")
    unseat_admin = sql("DELETE FROM cooperative_members WHERE user_id = %s", alice.pk)

    assert constraint_that_refuses(lambda: Cooperative.objects.update(owner=bob)) == "the_owner_is_the_admin"
    assert constraint_that_refuses(demote) == "the_owner_is_the_admin"
    assert constraint_that_refuses(unseat_admin) == "the_owner_is_the_admin"
    assert cooperative.members.get(role="admin").user_id == alice.pk


def test_no_active_one_without_members(alice, bob):
    def found():
        Cooperative.objects.create(name="Ghosts", invite_code="GHOSTS00", owner=alice)

    def revive():
        Cooperative.objects.filter(pk=dissolved.pk).update(is_active=True)

    dissolved = make_cooperative(bob)
    CooperativeMember.objects.all().delete()

    assert constraint_that_refuses(found) == "member_count_equals_the_members"
    assert constraint_that_refuses(revive) == "an_empty_one_is_never_active"


def test_a_membership_does_not_move(alice, bob):
    make_cooperative(alice, bob)
    other = make_cooperative(make_user())

    move = sql("UPDATE cooperative_members SET cooperative_id = %s WHERE user_id = %s", other.pk, bob.pk)
    assert constraint_that_refuses(move) == "a_membership_does_not_move"


def test_deleting_a_user_empties_their_seat(alice, bob):
    cooperative = make_cooperative(alice, bob)

    sql("DELETE FROM users WHERE id = %s", bob.pk)()

    cooperative.refresh_from_db()
    assert (cooperative.member_count, cooperative.is_active) == (1, True)


def test_an_owner_cannot_be_deleted_from_under_the_cooperative(alice, bob):
    make_cooperative(alice, bob)

    refused = constraint_that_refuses(sql("DELETE FROM users WHERE id = %s", alice.pk))
    assert refused == "the_owner_is_the_admin"


def test_deleting_a_cooperative_takes_its_members(alice, bob):
    cooperative = make_cooperative(alice, bob)

    sql("DELETE FROM cooperatives WHERE id = %s", cooperative.pk)()

    assert not CooperativeMember.objects.exists()


def test_the_total_follows_every_change(alice, bob):
    def total():
        return sum(CooperativeTotal.objects.values_list("active", flat=True))

    cooperative = make_cooperative(alice)
    make_cooperative(bob)
    assert total() == 2
    Cooperative.objects.filter(pk=cooperative.pk).update(is_active=False)
    assert total() == 1
    Cooperative.objects.filter(pk=cooperative.pk).update(is_active=True)
    assert total() == 2
    CooperativeMember.objects.filter(user=alice).delete()
    assert total() == 1
    Cooperative.objects.all().delete()
    assert total() == 0


def test_every_user_brings_settings_and_counters(alice):
    sql("INSERT INTO users (btc_address) VALUES ('bc1qraw')")()

    with connection.cursor() as cursor:
        cursor.execute("""
            SELECT count(*), count(p.user_id), count(g.user_id), count(c.user_id) FROM users u
            LEFT JOIN notification_preferences p ON p.user_id = u.id LEFT JOIN game_states g ON g.user_id = u.id
            LEFT JOIN notification_counters c ON c.user_id = u.id""")
        assert cursor.fetchone() == (2, 2, 2, 2)
