"""SQL that is too long for a Python string stands in `<app>/sql/<name>.sql`, under a head comment that explains it."""

from importlib.resources import files


def read_statement(app: str, name: str) -> str:
    """The statement in `<app>/sql/<name>.sql` without its comment lines, which need not travel with every execution.

    Raises FileNotFoundError.
    """
    lines = _read(app, name).splitlines()
    return "\n".join(line for line in lines if line and not line.lstrip().startswith("--"))


def _read(app: str, name: str) -> str:
    return files(app).joinpath("sql", f"{name}.sql").read_text(encoding="utf-8")
