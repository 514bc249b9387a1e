"""Watchers' cursors."""

from sqlalchemy import Connection, insert, select, update

from fabric.store.database import Database
from fabric.store.schema import cursors
from fabric.store.values import CursorMove


class Cursors:
    """How far each watcher has come; moved only together with what came of the page."""

    def __init__(self, database: Database) -> None:
        """Reads through ``database``."""
        self._database = database

    async def get(self, name: str) -> bytes:
        """Returns a cursor; ``b""``, the start, where it never moved."""

        def query(connection: Connection) -> bytes:
            value = connection.scalar(select(cursors.c.value).where(cursors.c.name == name))
            return b"" if value is None else bytes(value)

        return await self._database.read(query)


def move_cursor(connection: Connection, move: CursorMove) -> None:
    """Moves a cursor within the caller's transaction."""
    values = {"value": move.value}
    moved = connection.execute(update(cursors).where(cursors.c.name == move.name).values(values))
    if not moved.rowcount:
        connection.execute(insert(cursors).values(name=move.name, **values))
