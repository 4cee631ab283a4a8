"""Each table has one owner: only the package of its model writes it or locks its rows."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from django.apps import apps
from django.conf import settings

from bitcoingame.tests.orm_writes import orm_writes
from bitcoingame.tests.sql_writes import UNNAMED, touches
from bitcoingame.tests.strings_of_code import Text, texts_of

WRITES_A_TABLE_IT_IS_GIVEN = {"bitcoingame/core/postgresql/purging.py"}
"""Files that write a table named by the caller: as `table="…"`, which counts as a write of the caller's."""

BUILDS_A_WORLD = Path("bitcoingame/local")
"""`make run` fills an empty database with people of all packages. No service imports it."""

ROOT = settings.BASE_DIR
OURS = [app for app in apps.get_app_configs() if Path(app.path).parent == ROOT]
MODELS = [model for app in OURS for model in app.get_models()]
OWNERS = {model._meta.db_table: model for model in MODELS if not model._meta.proxy}


class Write(NamedTuple):
    """`place` is the constant, function or class in which the statement stands."""

    path: Path
    place: str
    verb: str
    table: str

    def __str__(self) -> str:
        return f"{self.path} {self.place}: {self.verb} {self.table}"


def test_no_sql_writes_the_tables_of_another_package() -> None:
    assert sorted(str(write) for write in sql_writes() if not is_owner(write)) == []


def test_no_orm_call_writes_the_tables_of_another_package() -> None:
    assert sorted(str(write) for write in writes_by_orm() if not is_owner(write)) == []


def test_no_name_within_a_statement_hides_a_table() -> None:
    hidden = [str(write) for write in sql_writes() if write.verb == "hides"]
    assert hidden == []


def sql_writes() -> Iterator[Write]:
    """Every write of our tables in SQL. If the table is named at run time, one for each table named in the file."""
    for path, texts in texts_by_file():
        named = {text.text for text in texts} & OWNERS.keys()
        for place, text in texts:
            for verb, table in touches(text):
                if table in OWNERS:
                    yield Write(path, place, verb, table)
                elif table == UNNAMED and str(path) not in WRITES_A_TABLE_IT_IS_GIVEN:
                    yield from (Write(path, place, verb, name) for name in named or {UNNAMED})
        if path.suffix == ".py":
            yield from writes_by_helpers(path, named)


def writes_by_helpers(path: Path, named: set[str]) -> Iterator[Write]:
    """Tables handed over as `table=`. If a variable holds the name, one for each table named in the file."""
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        match node:
            case ast.keyword(arg="table", value=ast.Constant(value=str() as table)) if table in OWNERS:
                yield Write(path, "table=", "names", table)
            case ast.keyword(arg="table", value=ast.Name() | ast.Attribute()):
                yield from (Write(path, "table=", "names", name) for name in named)


def writes_by_orm() -> Iterator[Write]:
    for path in files("*.py"):
        if not path.is_relative_to(BUILDS_A_WORLD):
            writes = orm_writes((ROOT / path).read_text(), MODELS)
            yield from (Write(path, *write) for write in writes if write.table in OWNERS)


def texts_by_file() -> Iterator[tuple[Path, list[Text]]]:
    for path in files("*.py"):
        yield path, list(texts_of((ROOT / path).read_text()))
    for path in files("*.sql"):
        yield path, [Text("", (ROOT / path).read_text())]


def files(pattern: str) -> Iterator[Path]:
    """The files of our packages without their tests, relative to the root."""
    paths = (path.relative_to(ROOT) for app in OURS for path in sorted(Path(app.path).rglob(pattern)))
    return (path for path in paths if "tests" not in path.parts)


def is_owner(write: Write) -> bool:
    """Whether the file belongs to the package whose `models` has the table, or to the migrations of its app."""
    model = OWNERS.get(write.table)
    if model is None:
        return False
    package = model.__module__.partition(".models")[0].replace(".", "/")
    migrations = Path(apps.get_app_config(model._meta.app_label).path).relative_to(ROOT) / "migrations"
    return write.path.is_relative_to(package) or write.path.is_relative_to(migrations)


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("INSERT INTO workers AS worker (id) VALUES (1)", {("insert", "workers")}),
        ('insert into public."workers" (id) select 1', {("insert", "workers")}),
        ("INSERT INTO a SELECT 1 ON CONFLICT (id) DO UPDATE SET id = 2", {("insert", "a")}),
        ("UPDATE\n  workers\n  SET name = 'x'", {("update", "workers")}),
        ("UPDATE ONLY workers AS worker SET name = ''", {("update", "workers")}),
        ("DELETE FROM ONLY a USING b WHERE a.id = b.id", {("delete", "a")}),
        ("DELETE FROM a -- not: DELETE FROM b\n/* nor UPDATE c SET d */", {("delete", "a")}),
        ("TRUNCATE TABLE a, ONLY b CASCADE", {("truncate", "a"), ("truncate", "b")}),
        ("LOCK TABLE a, b IN SHARE MODE", {("lock", "a"), ("lock", "b")}),
        ("MERGE INTO a USING b ON true WHEN MATCHED THEN UPDATE SET c = 1", {("merge", "a")}),
        ("COPY a (id) FROM STDIN; COPY b TO STDOUT", {("copy", "a")}),
        ("DELETE FROM {table}; UPDATE %s SET a = 1", {("delete", UNNAMED), ("update", UNNAMED)}),
        ("WITH gone AS (DELETE FROM a RETURNING id) SELECT id FROM gone", {("hides", "gone"), ("delete", "a")}),
        (
            "WITH x (id) AS MATERIALIZED (SELECT id FROM a FOR UPDATE), y AS (UPDATE b SET c = 1) SELECT",
            {("hides", "x"), ("hides", "y"), ("lock", "a"), ("update", "b")},
        ),
        ("SELECT FROM a WHERE b FOR UPDATE", {("lock", "a")}),
        ("SELECT FROM a FOR NO KEY UPDATE SKIP LOCKED", {("lock", "a")}),
        ("SELECT FROM a FOR KEY SHARE", {("lock", "a")}),
        ("SELECT FROM a x, b AS y, LATERAL f(x.id) z FOR SHARE", {("lock", "a"), ("lock", "b")}),
        ("SELECT FROM a x JOIN b y ON y.id = x.id FOR UPDATE OF y NOWAIT", {("lock", "b")}),
        ("SELECT FROM a LEFT JOIN b USING (id) FOR UPDATE OF a, b", {("lock", "a"), ("lock", "b")}),
        (
            "SELECT FROM a JOIN (SELECT FROM b JOIN c USING (id)) d ON true FOR UPDATE OF d",
            {("lock", "b"), ("lock", "c")},
        ),
        ("SELECT FROM (a JOIN b USING (id)) FOR UPDATE", {("lock", "a"), ("lock", "b")}),
        ("SELECT FROM a WHERE id IN (SELECT id FROM b) FOR UPDATE", {("lock", "a")}),
        ("SELECT FROM a WHERE id IN (SELECT id FROM b FOR UPDATE)", {("lock", "b")}),
        ("SELECT x IS DISTINCT FROM y, extract(day FROM z) FROM a FOR UPDATE", {("lock", "a")}),
        ("DELETE FROM a WHERE id IN (SELECT id FROM a FOR UPDATE)", {("delete", "a"), ("lock", "a")}),
        ("SELECT FROM a FOR UPDATE OF a FOR SHARE OF b", {("lock", "a")}),
        ("SELECT 1 FROM a; SELECT FROM b FOR UPDATE", {("lock", "b")}),
        ("ORDER BY id FOR UPDATE", {("lock", UNNAMED)}),
        ("AS $body$ BEGIN PERFORM id FROM a FOR UPDATE; DELETE FROM b; END $body$", {("lock", "a"), ("delete", "b")}),
        ("FOR x IN SELECT id FROM a FOR UPDATE LOOP UPDATE b SET c = 1; END LOOP", {("lock", "a"), ("update", "b")}),
        ("BEGIN EXECUTE 'DELETE FROM a WHERE b = ''c'''; END", {("delete", "a")}),
        ("SELECT 'it''s', E'\\'' FROM a FOR UPDATE", {("lock", "a")}),
        ("CREATE TRIGGER t AFTER INSERT OR UPDATE OF b OR DELETE ON a FOR EACH ROW EXECUTE FUNCTION f()", set()),
        ("ALTER TABLE a ADD FOREIGN KEY (b) REFERENCES c (id) ON DELETE CASCADE ON UPDATE SET NULL", set()),
        ("SELECT a, b AS c FROM d ORDER BY e", set()),
    ],
)
def test_a_statement_touches(sql: str, expected: set[tuple[str, str]]) -> None:
    assert touches(sql) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('"""Docstring."""\nA = "x" "y"', {("A", "xy")}),
        ('A = "x"\nB = f"{A} y {c}"', {("A", "x"), ("B", "x y {}")}),
        ('A = "x"\nB = A + " y" + c', {("A", "x"), ("B", "x y{}")}),
        ('A: str = "x %s" % "y"', {("A", "x %s"), ("A", "y")}),
        ('A = {"k": ["x"]}', {("A", "k"), ("A", "x")}),
        ('class C:\n    def f(self):\n        "Docstring."\n        g("x")', {("C.f", "x")}),
    ],
)
def test_a_file_has_texts(source: str, expected: set[tuple[str, str]]) -> None:
    assert set(texts_of(source)) == expected


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("User.objects.filter(pk=1).update(xp=1)", {("update", "users")}),
        ("StaffAccount.objects.select_for_update(no_key=True).first()", {("select_for_update", "users")}),
        ("for user in User.objects.all(): user.save()", {("save", "users")}),
        ("user, is_new = User.objects.get_or_create(pk=1)", {("get_or_create", "users")}),
        ("user = User.objects.get(pk=1); user.workers.all().delete()", {("delete", "workers")}),
        ("user = make(); user.delete()", {("delete", "users")}),
        ("await User.objects.acreate()", {("create", "users")}),
        ("given.refresh_from_db(); given.save()", {("save", "users")}),
        ("apps.get_model('profiles', 'Worker').objects.all().delete()", {("delete", "workers")}),
        ("import profiles.models; profiles.models.Worker.objects.all().delete()", {("delete", "workers")}),
        ("from profiles import models; worker = models.Worker(); worker.save()", {("save", "workers")}),
        ("get_user_model().objects.update(xp=1)", {("update", "users")}),
        ("user = get_user_model().objects.get(); user.save()", {("save", "users")}),
        ("users = User.objects; users.filter(pk=1)._raw_delete('default')", {("_raw_delete", "users")}),
        ("self.request.user.save(); request.user.delete()", {("save", "users"), ("delete", "users")}),
        ("values = {}; values.update(User.objects.in_bulk())", set()),
        ("other.save()", set()),
    ],
)
def test_a_call_writes(statement: str, expected: set[tuple[str, str]]) -> None:
    imports = "from profiles.models import StaffAccount, User\n"
    functions = f"def make() -> User | None: ...\nasync def f(given: 'User', other):\n    {statement}\n"
    writes = list(orm_writes(imports + functions, MODELS))
    assert {(write.call, write.table) for write in writes} == expected
    assert {write.place for write in writes} <= {"f"}
