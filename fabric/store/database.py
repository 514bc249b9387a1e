"""The database behind the store: opening, migrations, one writer thread, a few reader threads.

SQLite has one writer at a time; here it is a thread, so that writers queue without holding the event loop and never
meet a busy database. ``synchronous=FULL``: a committed transaction survives a loss of power.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, IntegrityError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from fabric.core.errors import ConfigError, StoreError

_T = TypeVar("_T")

READERS: Final = 2
_PRAGMAS: Final = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    "busy_timeout=10000",  # milliseconds, for another process such as a backup
    "cache_size=-65536",  # 64 MiB
    # A batch touches about a thousand pages of the id index; a checkpoint after each would write them all twice.
    "wal_autocheckpoint=16384",  # 64 MiB
)


class Conflict(StoreError):
    """A row that contradicts a constraint, most often one that is there already."""


class Database:
    """Runs work in transactions: a callable takes the connection, its return commits, its exception rolls back."""

    def __init__(self, url: URL) -> None:
        """Opens the database at the newest schema; see ``open_database``."""
        self._writing = _engine(url, "BEGIN IMMEDIATE")
        self._reading = _engine(url, "BEGIN")
        self._writer = ThreadPoolExecutor(1, "store-writer")
        self._readers = ThreadPoolExecutor(READERS, "store-reader")

    def migrate(self) -> None:
        """Brings the schema to this release's; blocks.

        Raises:
            ConfigError: a newer release wrote the database.
            StoreError: the database cannot be opened or changed.
        """
        try:
            with self._writing.begin() as connection:
                _upgrade(connection)
        except (SQLAlchemyError, OSError) as error:
            raise _converted(error) from error

    async def read(self, work: Callable[[Connection], _T]) -> _T:
        """Runs a query on one consistent state of the database; raises ``StoreError``."""
        return await self._run(self._readers, self._reading, work)

    async def write(self, work: Callable[[Connection], _T]) -> _T:
        """Runs a transaction, one at a time; when this returns, it is durable. Raises ``StoreError``."""
        return await self._run(self._writer, self._writing, work)

    def close(self) -> None:
        """Waits for what is running and closes every connection; blocks; idempotent."""
        for threads in (self._writer, self._readers):
            threads.shutdown()
        self._writing.dispose()
        self._reading.dispose()

    async def aclose(self) -> None:
        """Waits for what is running and closes every connection; idempotent."""
        await asyncio.to_thread(self.close)

    async def _run(self, threads: ThreadPoolExecutor, engine: Engine, work: Callable[[Connection], _T]) -> _T:
        def transaction() -> _T:
            try:
                with engine.begin() as connection:
                    return work(connection)
            except (SQLAlchemyError, OSError) as error:
                raise _converted(error) from error

        return await asyncio.get_running_loop().run_in_executor(threads, transaction)


def open_database(where: str | Path) -> Database:
    """Opens a database by path or URL, made and migrated as needed; blocks.

    Raises:
        ConfigError: not SQLite, or a newer release wrote the database.
        StoreError: the database cannot be opened or changed.
    """
    database = Database(_url(where))
    try:
        database.migrate()
    except BaseException:
        database.close()
        raise
    return database


def _url(where: str | Path) -> URL:
    if isinstance(where, Path) or "://" not in where:
        return URL.create("sqlite", database=str(where))
    try:
        url = make_url(where)
    except ArgumentError as error:
        message = "the store's URL cannot be read"
        raise ConfigError(message) from error
    if url.get_backend_name() != "sqlite" or url.database in (None, "", ":memory:"):
        message = f"the store takes a SQLite file, got {url.render_as_string(hide_password=True)}"
        raise ConfigError(message)
    return url


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


def _upgrade(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    scripts = ScriptDirectory.from_config(config)
    stored = MigrationContext.configure(connection).get_current_revision()
    known = {script.revision for script in scripts.walk_revisions()}
    if stored is not None and stored not in known:
        message = (
            f"the database is at schema {stored!r}, which a newer release wrote; this release "
            f"knows up to {scripts.get_current_head()!r}: install the newer release, or restore a "
            "copy of the database from before it"
        )
        raise ConfigError(message)

    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _converted(error: SQLAlchemyError | OSError) -> StoreError:
    # SQLAlchemy's own text repeats the parameters, which are people's inputs.
    cause = getattr(error, "orig", None) or error
    kind = Conflict if isinstance(error, IntegrityError) else StoreError
    return kind(f"the database did not commit: {type(cause).__name__}: {cause}")
