"""The store as one SQLite file: one writer at a time, and a committed transaction survives a loss of power."""

from typing import Final

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from fabric.store.engines import Engines

_PRAGMAS: Final = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    "busy_timeout=10000",  # milliseconds, for another process such as a backup
    "cache_size=-65536",  # 64 MiB
    # A batch touches about a thousand pages of the id index; a checkpoint after each would write them all twice.
    "wal_autocheckpoint=16384",  # 64 MiB
)


def open_engines(url: URL) -> Engines:
    """Returns the engines of a file; nothing is opened before the first transaction."""
    return Engines(_engine(url, "BEGIN IMMEDIATE"), _engine(url, "BEGIN"))


def _engine(url: URL, begin: str) -> Engine:
    engine = create_engine(url)

    def connected(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        # The driver would begin transactions at its own idea of a write; ours begin where we say.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in _PRAGMAS:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    def begun(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", begun)
    return engine
