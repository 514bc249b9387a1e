"""The database behind the store: opening, migrations, one writer thread, a few reader threads.

A database has one writer at a time; here it is a thread, so that writers queue without holding the event loop. What
SQLite and PostgreSQL do differently is in their engines (``fabric.store.sqlite``, ``fabric.store.postgres``).
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
from sqlalchemy import URL, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, SQLAlchemyError

from fabric.core.errors import ConfigError, StoreError
from fabric.store import postgres, sqlite
from fabric.store.engines import READERS, Engines

_T = TypeVar("_T")

Upgrade = Callable[[Connection], None]

_ENGINES: Final[dict[str, Callable[[URL], Engines]]] = {
    "sqlite": sqlite.open_engines,
    "postgresql": postgres.open_engines,
}


_MEMORY: Final = ":memory:"
"""SQLite's name of a database that nobody finds again."""


class Conflict(StoreError):
    """A row that contradicts a constraint, most often one that is there already."""


class _Broken(Exception):
    """The connection broke before the commit was asked for; its cause says how."""


class Database:
    """Runs work in transactions: a callable takes the connection, its return commits, its exception rolls back."""

    def __init__(self, url: URL) -> None:
        """Opens the database at the newest schema; see ``open_database``."""
        self._engines = _ENGINES[url.get_backend_name()](url)
        self._writer = ThreadPoolExecutor(1, "store-writer")
        self._readers = ThreadPoolExecutor(READERS, "store-reader")

    def migrate(self, upgrade: Upgrade) -> None:
        """Brings the schema to this release's; blocks.

        Raises:
            ConfigError: a newer release wrote the database.
            StoreError: the database cannot be opened or changed.
        """
        _transact(self._engines.writing, upgrade)

    def revision(self) -> str | None:
        """Returns the schema that the database is at, None where it has none; blocks; raises ``StoreError``."""
        return _transact(
            self._engines.reading, lambda connection: MigrationContext.configure(connection).get_current_revision()
        )

    async def read(self, work: Callable[[Connection], _T]) -> _T:
        """Runs a query on one consistent state of the database; raises ``StoreError``."""
        return await self._run(self._readers, self._engines.reading, work)

    async def write(self, work: Callable[[Connection], _T]) -> _T:
        """Runs a transaction, one at a time; when this returns, it is durable.

        ``work`` runs once more where the connection broke before the commit was asked for.

        Raises:
            Conflict: a row contradicts a constraint.
            StoreError: it did not commit; or the connection broke while it did, and it may have. Every transaction of
                the store stores nothing when it is repeated, so repeating is safe either way.
        """
        return await self._run(self._writer, self._engines.writing, work)

    def close(self) -> None:
        """Waits for what is running and closes every connection; blocks; idempotent."""
        for threads in (self._writer, self._readers):
            threads.shutdown()
        self._engines.dispose()

    async def aclose(self) -> None:
        """Waits for what is running and closes every connection; idempotent."""
        await asyncio.to_thread(self.close)

    async def _run(self, threads: ThreadPoolExecutor, engine: Engine, work: Callable[[Connection], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(threads, _transact, engine, work)


def open_database(where: str | Path, upgrade: Upgrade | None = None) -> Database:
    """Opens a database by path or URL, made and migrated as needed; blocks.

    Args:
        where: a path, or a URL.
        upgrade: brings the tables to this release's, in a transaction; without one, those of the fabric's store.

    Raises:
        ConfigError: neither a SQLite file nor a database of a PostgreSQL server that keeps what it commits; or a newer
            release wrote it.
        StoreError: the database cannot be opened or changed.
    """
    database = Database(_url(where))
    try:
        database.migrate(upgrade or _upgrade)
    except BaseException:
        database.close()
        raise
    return database


def look(where: str | Path) -> str | None:
    """Returns the schema of a database, None where there is none yet; changes nothing and needs no writer's lock.

    Raises:
        ConfigError: as ``open_database``.
        StoreError: the database cannot be opened.
    """
    database = Database(_url(where))
    try:
        return database.revision()
    finally:
        database.close()


def _url(where: str | Path) -> URL:
    if isinstance(where, Path):
        return URL.create("sqlite", database=str(where))
    if "://" not in where:
        return _path(where)
    try:
        url = make_url(where)
    except (ArgumentError, ValueError):
        message = "the store's URL cannot be read; expected a SQLite file or postgresql://USER:PASSWORD@HOST/DATABASE"
        raise ConfigError(message) from None  # its text repeats the URL, and a URL may hold a password
    if url.get_backend_name() not in _ENGINES or url.database in (None, "", _MEMORY):
        # The URL may hold a password wherever its author put it: only its kind is shown.
        message = (
            f"the store takes a SQLite file or postgresql://HOST/DATABASE, got {url.get_backend_name()!r}"
            f"{'' if url.database else ' without a database'}"
        )
        raise ConfigError(message)
    if url.get_backend_name() == "sqlite" and url.query:
        raise ConfigError("the store takes a SQLite file without options: they may keep it in memory, for nobody")
    return url


def _path(where: str) -> URL:
    """Reads what is no URL as the path of a file; libpq's other form, which may hold a password, is none."""
    if where in ("", _MEMORY) or "=" in where:
        raise ConfigError("the store takes a SQLite file or postgresql://HOST/DATABASE, got neither")
    return URL.create("sqlite", database=where)


def _transact(engine: Engine, work: Callable[[Connection], _T]) -> _T:
    """Runs one transaction; a connection that proves to be broken before the commit costs one more attempt."""
    try:
        try:
            return _attempt(engine, work)
        except _Broken:  # idle since the server was started anew, perhaps
            return _attempt(engine, work)
    except (SQLAlchemyError, OSError, _Broken) as error:
        raise _converted(error) from error


def _attempt(engine: Engine, work: Callable[[Connection], _T]) -> _T:
    with _connected(engine) as connection:
        try:
            transaction = connection.begin()
            result = work(connection)
        except DBAPIError as error:
            if error.connection_invalidated:
                raise _Broken from error
            raise
        transaction.commit()
    return result


def _connected(engine: Engine) -> Connection:
    try:
        return engine.connect()
    except DBAPIError as error:
        raise StoreError(f"the database cannot be opened: {_text(error)}") from error


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


def _converted(error: Exception) -> StoreError:
    """Returns our error. SQLAlchemy's own text repeats the parameters, which are people's inputs, and so do details."""
    kind = Conflict if isinstance(error, IntegrityError) else StoreError
    return kind(f"the database did not commit: {_text(error.__cause__ if isinstance(error, _Broken) else error)}")


def _text(error: BaseException | None) -> str:
    cause = getattr(error, "orig", None) or error
    primary = getattr(getattr(cause, "diag", None), "message_primary", None)
    return f"{type(cause).__name__}: {primary or str(cause).partition(chr(10))[0]}"
