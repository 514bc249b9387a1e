"""Many rows at once. SQLAlchemy's own executemany takes as long for each row as SQLite does; this does not."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, TypeVar

from sqlalchemy import Connection, Table, insert

_T = TypeVar("_T")

MAX_PARAMETERS: Final = 1_000
"""Values of one ``IN`` list; SQLite takes 32,766."""


def insert_rows(
    connection: Connection,
    table: Table,
    columns: Sequence[str],
    rows: Sequence[tuple[object, ...]],
) -> None:
    """Inserts rows of plain values (bytes, str, int, None), which go to the driver as they are."""
    if not rows:
        return
    dialect = connection.dialect
    if not dialect.positional:
        named = [dict(zip(columns, row, strict=True)) for row in rows]
        connection.execute(insert(table), named)
        return
    statement = insert(table).compile(dialect=dialect, column_keys=list(columns))
    # The compiler orders columns as the table does, the rows as the caller does.
    order = [columns.index(name) for name in statement.positiontup or ()]
    if order != list(range(len(columns))):
        rows = [tuple(row[at] for at in order) for row in rows]
    connection.exec_driver_sql(str(statement), list(rows))


def insert_row(connection: Connection, table: Table, values: Mapping[str, object]) -> int:
    """Inserts one row and returns the number that the database gave it."""
    query = insert(table).values(values).returning(table.c.seq)
    return int(connection.execute(query).scalar_one())


def chunks(values: Sequence[_T], size: int = MAX_PARAMETERS) -> Iterator[Sequence[_T]]:
    """Yields the values in pieces that fit into one ``IN`` list."""
    for at in range(0, len(values), size):
        yield values[at : at + size]
