"""The ledger's SQLite file: four tables, one writer, every commit synced to disk."""

import threading
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sql
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.engine.interfaces import DBAPIConnection

from fabric.core.errors import LedgerUnavailable

_METADATA = sql.MetaData()
META = sql.Table(
    "meta",
    _METADATA,
    sql.Column("name", sql.Text, primary_key=True),
    sql.Column("value", sql.LargeBinary, nullable=False),
    sqlite_strict=True,  # a column holds what it says, whoever wrote it
)
ENTRIES = sql.Table(
    "entries",
    _METADATA,
    sql.Column("index", sql.Integer, primary_key=True, autoincrement=False),
    sql.Column("entry", sql.LargeBinary, nullable=False),
    sqlite_strict=True,
)
STATE = sql.Table(
    "state",
    _METADATA,
    sql.Column("key", sql.LargeBinary, primary_key=True),
    sql.Column("value", sql.LargeBinary, nullable=False),
    sqlite_strict=True,
)
CHECKPOINTS = sql.Table(
    "checkpoints",
    _METADATA,
    sql.Column("size", sql.Integer, primary_key=True, autoincrement=False),
    sql.Column("note", sql.Text, nullable=False),
    sqlite_strict=True,
)


class Database:
    """Typed access to the tables, from one thread at a time; foreign exceptions leave as ``LedgerUnavailable``."""

    def __init__(self, path: Path) -> None:
        """Opens the file, and makes file and tables where there are none."""
        url = sql.URL.create("sqlite", database=str(path))
        # One connection for the ledger's life; the guard keeps worker threads from using it at once.
        self._guard = threading.Lock()
        self._engine = sql.create_engine(url, poolclass=sql.pool.StaticPool, connect_args={"check_same_thread": False})
        sql.event.listen(self._engine, "connect", _configure)
        with self.transaction() as connection:
            _METADATA.create_all(connection)

    @contextmanager
    def transaction(self) -> Iterator[sql.Connection]:
        """Commits at the end of the block, rolls back when it raises."""
        try:
            with self._guard, self._engine.begin() as connection:
                yield connection
        except sql.exc.SQLAlchemyError as error:
            raise LedgerUnavailable(f"the ledger's database failed: {error}") from error

    def genesis(self) -> bytes | None:
        """Returns the genesis document, None in a new file."""
        with self.transaction() as connection:
            query = sql.select(META.c.value).where(META.c.name == "genesis")
            value: bytes | None = connection.execute(query).scalar()
        return value

    def found(self, genesis: bytes, note: str) -> None:
        """Writes the genesis document and the checkpoint of the empty log."""
        with self.transaction() as connection:
            connection.execute(sql.insert(META).values(name="genesis", value=genesis))
            connection.execute(sql.insert(CHECKPOINTS).values(size=0, note=note))

    def append(
        self,
        entries: Sequence[tuple[int, bytes]],
        changes: Mapping[bytes, bytes],
        checkpoint: tuple[int, str],
    ) -> None:
        """Writes accepted entries, what they changed, and the one checkpoint over them: all or nothing.

        A commit that failed may have been written all the same; the very same again then changes nothing.
        """
        with self.transaction() as connection:
            query = sql.select(CHECKPOINTS.c.note).where(CHECKPOINTS.c.size == checkpoint[0])
            if connection.execute(query).scalar() == checkpoint[1]:
                return
            rows = [{"index": index, "entry": entry} for index, entry in entries]
            connection.execute(sql.insert(ENTRIES), rows)
            put = insert(STATE)
            put = put.on_conflict_do_update(index_elements=["key"], set_={"value": put.excluded.value})
            connection.execute(put, [{"key": key, "value": value} for key, value in changes.items()])
            connection.execute(sql.insert(CHECKPOINTS).values(size=checkpoint[0], note=checkpoint[1]))

    def chosen(self, indexes: Sequence[int]) -> list[bytes]:
        """Returns the bytes of some entries, in the order asked for."""
        with self.transaction() as connection:
            query = sql.select(ENTRIES.c.entry).where(ENTRIES.c.index == sql.bindparam("at"))
            return [connection.execute(query, {"at": index}).scalar_one() for index in indexes]

    def entries(self) -> Generator[tuple[int, bytes], None, None]:
        """Yields all entries in order; their number is not bounded, so they come a few at a time."""
        with self.transaction() as connection:
            query = sql.select(ENTRIES).order_by(ENTRIES.c.index)
            rows = connection.execution_options(yield_per=1000).execute(query)
            yield from map(tuple, rows)

    def checkpoints(self) -> list[tuple[int, str]]:
        """Returns size and note of all checkpoints in order."""
        with self.transaction() as connection:
            query = sql.select(CHECKPOINTS).order_by(CHECKPOINTS.c.size)
            return [(row.size, row.note) for row in connection.execute(query)]

    def state(self) -> Generator[tuple[bytes, bytes], None, None]:
        """Yields the rows of the state table."""
        with self.transaction() as connection:
            rows = connection.execution_options(yield_per=1000).execute(sql.select(STATE))
            yield from map(tuple, rows)

    def close(self) -> None:
        """Closes the file."""
        self._engine.dispose()


def _configure(connection: DBAPIConnection, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    # FULL syncs the log at every commit: what was acknowledged survives a power cut.
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA busy_timeout=5000")
    cursor.close()
