"""SQL that is too long for a Python string stands in `<app>/sql/<name>.sql`, under a head comment that explains it.

There are two kinds of files. A rule (functions, triggers) is run by a migration and holds its own reverse after the
line `-- To undo:`. Once a release has run a rule, its file stays as it is: a change is a new file and a new migration.
A statement is loaded by the module that executes it, and may change at any time.
"""

from importlib.resources import files

from django.db import migrations

_UNDO = "\n-- To undo:\n"


def run_sql_file(app: str, name: str) -> migrations.RunSQL:
    """The migration operation that runs the rule in `<app>/sql/<name>.sql`, and in reverse what undoes it.

    Raises FileNotFoundError, and ValueError for a file that does not say how to undo it.
    """
    make, _, undo = _read(app, name).partition(_UNDO)
    if not undo:
        raise ValueError(f"{app}/sql/{name}.sql does not say how to undo it.")
    return migrations.RunSQL(make, undo)


def replace_by_sql_file(app: str, name: str) -> migrations.RunSQL:
    """The migration operation that puts the present text of a rule in place of an earlier one: CREATE OR REPLACE.

    In reverse it does nothing, because the migration that ran the file first takes the rule away.
    """
    return migrations.RunSQL(_read(app, name).partition(_UNDO)[0], migrations.RunSQL.noop)


def read_statement(app: str, name: str) -> str:
    """The statement in `<app>/sql/<name>.sql` without its comment lines, which need not travel with every execution.

    Raises FileNotFoundError.
    """
    lines = _read(app, name).splitlines()
    return "\n".join(line for line in lines if line and not line.lstrip().startswith("--"))


def _read(app: str, name: str) -> str:
    return files(app).joinpath("sql", f"{name}.sql").read_text(encoding="utf-8")
