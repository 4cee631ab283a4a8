"""Foreign keys that the database itself cascades, which Django 5.2 cannot declare."""

from typing import Any

from django.db import migrations, models


class CascadingKey(models.ForeignKey[Any, Any]):
    """A foreign key with ON DELETE CASCADE in PostgreSQL, so that raw SQL and scripts obey it as the ORM does.

    Django deletes the parent alone; it does not collect the referring rows first. The constraint is made by
    `add_cascade`, in the migration that makes the column.
    """

    def __init__(self, to: Any, **kwargs: Any) -> None:
        kwargs["on_delete"] = models.DO_NOTHING
        kwargs["db_constraint"] = False
        super().__init__(to, **kwargs)


class CascadingOneToOne(models.OneToOneField[Any, Any]):
    """`CascadingKey` for a row that each parent has at most once."""

    def __init__(self, to: Any, **kwargs: Any) -> None:
        kwargs["on_delete"] = models.DO_NOTHING
        kwargs["db_constraint"] = False
        super().__init__(to, **kwargs)


def add_cascade(table: str, column: str, parent: str) -> migrations.RunSQL:
    """The migration operation that gives `table.column` its cascading constraint `<table>_<column>_fkey`."""
    name = f"{table}_{column}_fkey"
    return migrations.RunSQL(
        f"ALTER TABLE {table} ADD CONSTRAINT {name} FOREIGN KEY ({column}) REFERENCES {parent} (id) ON DELETE CASCADE",
        f"ALTER TABLE {table} DROP CONSTRAINT {name}",
    )
