"""The store in PostgreSQL: the same promises as of a file, asked of a server that others may reach too.

One writer at a time becomes an advisory lock that the writer's session holds: every new session of a writer takes it
first, so that a gateway whose connection broke writes nothing once another gateway has taken over. "A committed
transaction survives a loss of power" becomes a look at how the server is set.
"""

import os
import socket
from typing import TYPE_CHECKING, Any, Final, cast

from sqlalchemy import URL, Engine, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from fabric.core.errors import ConfigError, StoreError
from fabric.store.engines import READERS, Engines

if TYPE_CHECKING:
    import psycopg

    Session = psycopg.Connection[tuple[Any, ...]]
    Cursor = psycopg.Cursor[tuple[Any, ...]]

DRIVER: Final = "postgresql+psycopg"
LOCK: Final = 0x63_72_79_70_74_6C_65_74
"""Key of the writer's advisory lock ("cryptlet"); such locks are the database's own."""
_CONNECT: Final = {
    "connect_timeout": 5,  # seconds
    # A server that vanished without a word is noticed within about ten seconds.
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,  # milliseconds
}
_SETTINGS: Final = (
    "SET synchronous_commit = on",
    "SET lock_timeout = '2s'",  # so long may a writer that was just killed take to vanish from the server
    # And the server notices as soon that we are gone: a lost writer's lock must not bar the next one for hours.
    "SET tcp_keepalives_idle = 5",
    "SET tcp_keepalives_interval = 2",
    "SET tcp_keepalives_count = 3",
)
_DURABILITY: Final = "SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'full_page_writes')"
_HOLDER: Final = """
    SELECT a.application_name, coalesce(host(a.client_addr), 'the same machine'),
      to_char(a.backend_start, 'YYYY-MM-DD HH24:MI:SS')
    FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid) JOIN pg_database AS d ON d.oid = l.database
    WHERE l.locktype = 'advisory' AND l.granted AND d.datname = current_database()
      AND l.classid::bigint = %(key)s::bigint >> 32 AND l.objid::bigint = %(key)s::bigint & 4294967295
"""
"""Who holds the lock: the server keeps the two halves of its key."""


def open_engines(url: URL) -> Engines:
    """Returns the engines of a database; nothing is opened before the first transaction.

    Raises:
        ConfigError: the driver is not installed.
    """
    try:
        import psycopg  # noqa: F401, PLC0415 - an extra, which a store in a file does without
    except ImportError as error:
        raise ConfigError(
            "a store in PostgreSQL needs the driver psycopg: install cryptlet-fabric[postgres], or take a SQLite file"
        ) from error
    return Engines(_engine(url, sessions=1, writes=True), _engine(url, sessions=READERS, writes=False))


def _engine(url: URL, *, sessions: int, writes: bool) -> Engine:
    name = f"cryptlet gateway, pid {os.getpid()} on {socket.gethostname()}"[:63]
    engine = create_engine(
        url.set(drivername=DRIVER),
        pool_size=sessions,
        max_overflow=0,
        hide_parameters=True,
        # What the URL says itself stands.
        connect_args={
            key: value for key, value in (_CONNECT | {"application_name": name}).items() if key not in url.query
        },
    )

    def connected(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        session = cast("Session", connection)
        try:
            _prepare(session, writes=writes)
        except BaseException:
            session.close()
            raise

    event.listen(engine, "connect", connected)
    return engine


def _prepare(session: "Session", *, writes: bool) -> None:
    """Sets a new session up before anything runs in it.

    Raises:
        ConfigError: the server may lose what it committed.
        StoreError: another gateway writes to the database.
    """
    from psycopg import IsolationLevel  # noqa: PLC0415 - see open_engines

    session.autocommit = True
    with session.cursor() as cursor:
        for setting in _SETTINGS:
            cursor.execute(setting)
        _check_durability(cursor)
        if writes:
            _take_lock(cursor)
    session.autocommit = False
    session.isolation_level = IsolationLevel.REPEATABLE_READ
    session.read_only = not writes


def _check_durability(cursor: "Cursor") -> None:
    for name, value in cursor.execute(_DURABILITY):
        if value != "on":
            raise ConfigError(
                f"the PostgreSQL server runs with {name} = {value} and may lose what it committed; "
                f"set {name} = on in its postgresql.conf"
            )


def _take_lock(cursor: "Cursor") -> None:
    from psycopg.errors import LockNotAvailable  # noqa: PLC0415 - see open_engines

    try:
        cursor.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
    except LockNotAvailable as error:
        holder = cursor.execute(_HOLDER, {"key": LOCK}).fetchone()
        who = "another session" if holder is None else f"{holder[0]!r} at {holder[1]}, since {holder[2]}"
        raise StoreError(
            f"the database is in use by {who}: one gateway writes to it at a time; "
            "stop that one, or name another database"
        ) from error
