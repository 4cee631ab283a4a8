"""The migrations can be undone to an empty database; run again, they give the same schema."""

from pathlib import Path

import pytest
from django.apps import apps
from django.contrib.auth.models import Group
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from bitcoingame.core.postgresql.cascades import CascadingKey, CascadingOneToOne
from bitcoingame.core.postgresql.sql_files import read_statement, run_sql_file
from notifications.models import Broadcast, Notification
from profiles.models import User
from social.moderators import GROUP

pytestmark = pytest.mark.django_db

ROOT = Path(__file__).resolve().parents[2]
SQL_FILES = sorted(ROOT.glob("*/sql/*.sql"))
APPS = ("social", "notifications", "profiles", "bitcoingame")

# Everything in the schema, as PostgreSQL itself describes it.
_RULES = """
SELECT 'function', proname, pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
UNION ALL
SELECT 'trigger', tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
UNION ALL
SELECT 'sequence', sequencename, concat_ws(' ', start_value, min_value, max_value, increment_by)
FROM pg_sequences WHERE schemaname = 'public'
ORDER BY 1, 2, 3
"""
_TABLES = """
SELECT 'column', attrelid::regclass::text, concat_ws(' ', attnum, attname, format_type(atttypid, atttypmod),
                                                     attnotnull, pg_get_expr(adbin, adrelid))
FROM pg_attribute
JOIN pg_class ON pg_class.oid = attrelid AND relkind = 'r' AND relnamespace = 'public'::regnamespace
LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
WHERE attnum > 0
UNION ALL
SELECT 'options', relname, reloptions::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
UNION ALL
SELECT 'constraint', conrelid::regclass::text, conname || ' ' || pg_get_constraintdef(oid)
FROM pg_constraint WHERE connamespace = 'public'::regnamespace
UNION ALL
SELECT 'index', tablename, indexdef FROM pg_indexes WHERE schemaname = 'public'
ORDER BY 1, 2, 3
"""

_CASCADES = """
SELECT conrelid::regclass::text, conname FROM pg_constraint WHERE contype = 'f' AND confdeltype = 'c'
"""


def rows(statement: str) -> list[tuple[str, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall()


def permissions_of_moderators() -> list[tuple[str, str]]:
    group = Group.objects.get(name=GROUP)
    return sorted(group.permissions.values_list("content_type__app_label", "codename"))


def unapply_everything() -> None:
    MigrationExecutor(connection).migrate([(app, None) for app in APPS])


def apply_everything() -> None:
    executor = MigrationExecutor(connection)
    executor.migrate(executor.loader.graph.leaf_nodes())


def test_backwards_to_nothing_and_forwards_to_the_same() -> None:
    rules, tables = rows(_RULES), rows(_TABLES)
    assert {"create_notifications", "count_members_of"} <= {name for _, name, _ in rules}

    unapply_everything()
    left_over = [row for row in rows(_RULES) if row[0] != "sequence"]
    assert left_over == []
    assert "staff_user_ids" not in {name for _, name, _ in rows(_RULES)}
    assert not {"users", "notifications", "cooperatives", "attempt_counters"} & set(
        connection.introspection.table_names()
    )
    assert not Group.objects.filter(name=GROUP).exists()

    apply_everything()
    assert (rows(_RULES), rows(_TABLES)) == (rules, tables)
    assert permissions_of_moderators() == [
        ("notifications", "view_broadcast"),
        ("notifications", "view_notification"),
        ("profiles", "moderate_user"),
        ("profiles", "view_auditentry"),
        ("profiles", "view_user"),
        ("social", "moderate_cooperative"),
        ("social", "view_cooperative"),
        ("social", "view_useractivity"),
    ]


def test_every_cascading_key_has_its_constraint() -> None:
    fields = [field for model in apps.get_models() for field in model._meta.local_fields]
    keys = [field for field in fields if isinstance(field, CascadingKey | CascadingOneToOne)]
    tables = [(key.model._meta.db_table, key.column) for key in keys]
    assert ("cooperative_members", "user_id") in tables
    assert [(table, f"{table}_{column}_fkey") for table, column in sorted(tables)] == sorted(rows(_CASCADES))


def test_texts_from_before_lose_the_names_they_say(alice: User) -> None:
    """They do not know whose name it is, so it could never be taken back."""
    graph = MigrationExecutor(connection).loader.graph
    [naming] = [key for key in graph.nodes if key[1].endswith("_names_are_kept_apart")]
    MigrationExecutor(connection).migrate(
        [parent.key for parent in graph.node_map[naming].parents if parent.key[0] == naming[0]]
    )
    stored = [
        ("block_found", "Bob found block #1.", '{"finder": "Bob", "height": 1}'),
        (
            "coop_activity",
            "Bob found block #2 for Pirates.",
            '{"finder": "Bob", "height": 2, "cooperative": "Pirates"}',
        ),
        ("coop_activity", "Pirates is active again.", '{"cooperative": "Pirates"}'),
        ("coop_member_joined", "Bob joined Pirates.", '{"member": "Bob", "cooperative": "Pirates"}'),
    ]
    with connection.cursor() as cursor:
        for seq, (subtype, description, metadata) in enumerate(stored, start=1):
            cursor.execute(
                "INSERT INTO notifications (user_id, seq, type, subtype, title, description, metadata)"
                " VALUES (%s, %s, 'social', %s, '', %s, %s)",
                [alice.pk, seq, subtype, description, metadata],
            )
        cursor.execute(
            "INSERT INTO broadcasts (cause, kind, title, description, metadata)"
            " VALUES ('x', 'block_found', '', %s, %s)",
            stored[0][1:],
        )
    apply_everything()
    assert list(Notification.objects.order_by("seq").values_list("description", "metadata")) == [
        ("A miner found block #1.", {"height": 1}),
        ("A member found block #2 for Pirates.", {"height": 2, "cooperative": "Pirates"}),
        ("Pirates is active again.", {"cooperative": "Pirates"}),
        ("A new member joined Pirates.", {"cooperative": "Pirates"}),
    ]
    assert list(Broadcast.objects.values_list("description", "metadata")) == [
        ("A miner found block #1.", {"height": 1})
    ]


@pytest.mark.parametrize("path", SQL_FILES, ids=lambda path: f"{path.parts[-3]}/{path.stem}")
def test_every_sql_file_is_used_and_begins_with_what_it_is(path: Path) -> None:
    app = path.parent.parent
    sources = "".join(source.read_text() for source in app.rglob("*.py"))
    assert f'("{app.name}", "{path.stem}")' in sources
    assert path.read_text().startswith("-- ")


def test_a_rule_must_say_how_to_undo_it() -> None:
    with pytest.raises(ValueError, match=r"social/sql/close_week\.sql does not say how to undo it\."):
        run_sql_file("social", "close_week")


def test_a_missing_file_is_an_error_at_import() -> None:
    with pytest.raises(FileNotFoundError):
        run_sql_file("social", "no_such_rule")
    with pytest.raises(FileNotFoundError):
        read_statement("social", "no_such_statement")


def test_a_statement_travels_without_its_comments() -> None:
    statement = read_statement("social", "shares_of_member")
    assert statement.startswith("SELECT coalesce(sum(shares)")
    assert "--" not in statement
