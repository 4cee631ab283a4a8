"""Names are one, and are found, however their letters are written: for people, for staff and in the database."""

import sys
import unicodedata
from importlib import import_module

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.migrations.loader import MigrationLoader

from bitcoingame.core.postgresql.constraints import violated_constraint
from bitcoingame.core.postgresql.folding import Folded, folded
from conftest import client_of, make_cooperative, make_user
from profiles.models import GameState, User
from profiles.searching import find_users
from social.models import Cooperative
from social.searching import find_cooperatives
from social.tests.test_cooperatives_api import URL, refusal

pytestmark = pytest.mark.django_db

# Letters whose full folding is more than their small letter.
SPECIAL = [
    letter
    for letter in map(chr, range(sys.maxunicode + 1))
    if unicodedata.category(letter)[0] == "L"
    and unicodedata.is_normalized("NFC", letter)
    and (len(letter.casefold()) > 1 or letter.casefold() != letter.lower())
]
SPELLINGS = [
    ("Straße", "STRASSE"),
    ("Straße", "strasse"),
    ("STRAẞE", "straße"),
    ("ﬁreﬂy", "FIREFLY"),
    ("ΣΊΣΥΦΟΣ", "σίσυφος"),
    ("Pirates", "Ｐｉｒａｔｅｓ"),
    ("Café Ⅳ", "CAFE\u0301 iv"),
    ("ǰazz", "J\u030cAZZ"),
    ("⚡\ufe0f Volt", "⚡ VOLT"),
    ("ᾳdes", "ᾼDES"),
]


def names(found):
    return [row["name"] for row in found.json()["cooperatives"]]


def test_there_are_enough_special_letters():
    assert len(SPECIAL) > 100
    assert {"ß", "ŉ", "ǰ", "ΐ", "ẞ", "ﬁ", "ᾳ", "ſ", "ς"} <= set(SPECIAL)


@pytest.mark.parametrize(("name", "other"), SPELLINGS)
def test_each_spelling_finds_the_other(alice, bob, client, name, other):
    for user, written, asked in ((alice, name, other), (bob, other, name)):
        cooperative = make_cooperative(user, name=unicodedata.normalize("NFC", written))
        assert names(client.get(URL, {"search": asked})) == [cooperative.name]
        assert list(find_cooperatives(Cooperative.objects.all(), asked)) == [cooperative]
        assert client.get(f"{URL}/name-available", {"name": asked}).json() == {"available": False}
        client_of(user).post(f"{URL}/leave")
        Cooperative.objects.all().delete()


@pytest.mark.parametrize(("name", "other"), SPELLINGS)
def test_each_spelling_is_taken_by_the_other(alice, bob, charlie, name, other):
    make_cooperative(alice, name=unicodedata.normalize("NFC", name))
    own = make_cooperative(charlie, name="Own")

    founding = client_of(bob).post(URL, {"name": other}, format="json")
    renaming = client_of(charlie).put(f"{URL}/{own.pk}", {"name": other}, format="json")

    assert "name already exists" in refusal(founding, 400, "name_taken")
    assert "name already exists" in refusal(renaming, 400, "name_taken")
    assert list(Cooperative.objects.order_by("pk").values_list("name", flat=True)) == [
        unicodedata.normalize("NFC", name),
        "Own",
    ]


def test_every_letter_is_found_both_ways(alice, client):
    """By the letter itself, by its folding, and by its capitals, in a name and in a search."""
    cooperative = make_cooperative(alice, name="Before")
    missed = []
    for letter in SPECIAL:
        spellings = {f"x{letter}y", f"X{letter.casefold()}Y", f"x{letter.upper()}y"}
        for name in spellings:
            Cooperative.objects.update(name=unicodedata.normalize("NFC", name))
            missed += [
                (letter, name, search)
                for search in spellings
                if names(client.get(URL, {"search": search})) != [unicodedata.normalize("NFC", name)]
                or not find_cooperatives(Cooperative.objects.all(), search).filter(pk=cooperative.pk).exists()
            ]
    assert missed == []


def test_staff_find_users_by_every_letter_both_ways(alice):
    missed = []
    for letter in SPECIAL:
        spellings = {f"x{letter}y", f"X{letter.casefold()}Y", f"x{letter.upper()}y"}
        for name in spellings:
            User.objects.filter(pk=alice.pk).update(display_name=unicodedata.normalize("NFC", name))
            missed += [(name, term) for term in spellings if list(find_users(User.objects.all(), term)) != [alice]]
    assert missed == []


def test_folding_twice_changes_nothing():
    """Otherwise two spellings could fold to forms that fold to one."""
    letters = [
        chr(code)
        for code in (*range(0x20, 0xD800), *range(0xE000, 0x1F000), *range(0x1F000, 0x20000))
        if unicodedata.category(chr(code)) not in ("Cn", "Co", "Cs", "Cc")
    ]
    with connection.cursor() as cursor:
        once = Folded.template % {"expressions": "letter"}
        twice = Folded.template % {"expressions": once}
        cursor.execute(
            f"SELECT letter FROM unnest(%s::text[]) AS letter WHERE {once} <> {twice}",
            [letters],
        )
        assert cursor.fetchall() == []


@pytest.mark.parametrize("search", ["%", "_", "\\", "a%b", "a_b"])
def test_signs_of_patterns_are_ordinary_characters(alice, client, search):
    make_cooperative(alice, name="aXb")
    bob = make_user("aXb")

    assert names(client.get(URL, {"search": search})) == []
    assert bob not in find_users(User.objects.all(), search)
    Cooperative.objects.update(name=f"1{search}2")
    assert names(client.get(URL, {"search": search})) == [f"1{search}2"]


def test_the_database_keeps_folded_names_apart(alice, bob):
    make_cooperative(alice, name="Straße")
    other = make_cooperative(bob, name="Other")

    with pytest.raises(IntegrityError) as refused, transaction.atomic():
        Cooperative.objects.filter(pk=other.pk).update(name="STRASSE")

    assert violated_constraint(refused.value) == "idx_cooperatives_name"


def test_one_of_two_spellings_at_once_founds(at_once):
    founders = [make_user() for _ in range(6)]
    spellings = ["Straße", "STRASSE", "strasse", "STRAẞE", "Ｓtrasse", "Straſſe"]

    answers = at_once(
        [
            lambda user=user, name=name: client_of(user).post(URL, {"name": name}, format="json").status_code
            for user, name in zip(founders, spellings, strict=True)
        ]
    )

    assert sorted(answers) == [201, 400, 400, 400, 400, 400]
    assert Cooperative.objects.count() == 1


def test_an_index_answers_staffs_search_for_users(alice):
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    plan = User.objects.alias(folded_name=Folded("display_name")).filter(folded_name__startswith=folded("Straß"))

    assert "idx_users_name_search" in plan.explain()
    assert "~>=~ 'strass'" in plan.explain()
    assert "idx_cooperatives_name" in Cooperative.objects.filter(folded_name=folded("Straße")).explain()


def test_namesakes_of_before_are_parted():
    """The migration leaves the name to the oldest cooperative with members; nobody's name is lost without a trace."""
    parting = migration_of("social", "folded_names").PART_NAMESAKES
    gone = make_cooperative(make_user(), name="Gone")
    client_of(gone.owner).post(f"{URL}/leave")
    eldest, younger, other = (make_cooperative(make_user()) for _ in range(3))
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE cooperatives DROP CONSTRAINT idx_cooperatives_name")
        for cooperative, name in (
            (gone, "STRASSE"),
            (eldest, "Straße"),
            (younger, "ß" * 63 + "x"),
            (other, "ẞ" * 63 + "X"),
        ):
            Cooperative.objects.filter(pk=cooperative.pk).update(name=name)
        cursor.execute(parting)

    assert dict(Cooperative.objects.values_list("pk", "name")) == {
        gone.pk: f"STRASSE #{gone.pk}",
        eldest.pk: "Straße",
        younger.pk: "ß" * 63 + "x",
        other.pk: "ẞ" * (64 - len(f" #{other.pk}")) + f" #{other.pk}",
    }


def test_miners_of_before_are_called_as_new_ones(alice, bob):
    GameState.objects.filter(user=alice).update(level_title="")
    GameState.objects.filter(user=bob).update(level_title="Hash Hero")
    with connection.cursor() as cursor:
        cursor.execute(migration_of("profiles", "folded_names").NAME_NEW_MINERS)

    assert dict(GameState.objects.values_list("user_id", "level_title")) == {alice.pk: "Nocoiner", bob.pk: "Hash Hero"}


def migration_of(app, name):
    """The module of the migration with this name, whatever its number."""
    found = [key for key in MigrationLoader(None).disk_migrations if key[0] == app and key[1].endswith(name)]
    return import_module(f"{app}.migrations.{found[0][1]}")
