"""The registry's database: the log's leaves, what waits for a signature or a wheel, tokens that were used, usage.

The leaves are the truth; everything else that is published follows from them. One server writes at a time
(``fabric.store.database``): SQLite for one machine, PostgreSQL where the database lives elsewhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import Column, Connection, LargeBinary, MetaData, String, Table, delete, func, insert, select

from fabric.core.errors import StoreError
from fabric.core.ids import Digest, Measurement
from fabric.store.database import Database, open_database
from fabric.store.schema import Number

_METADATA: Final = MetaData()
_LEAVES: Final = Table(
    "registry_leaves",
    _METADATA,
    Column("position", Number, primary_key=True),
    Column("digest", LargeBinary, nullable=False, unique=True),  # of the statement: an entry counts once
    Column("leaf", LargeBinary, nullable=False),
)
_PENDING: Final = Table(
    "registry_pending",
    _METADATA,
    Column("digest", LargeBinary, primary_key=True),
    Column("kind", String, nullable=False),
    Column("namespace", String, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("wheel", LargeBinary, nullable=True),  # the file that it waits for, by SHA-256
    Column("created", Number, nullable=False),
)
_TOKENS: Final = Table(
    "registry_tokens",
    _METADATA,
    Column("id", String, primary_key=True),
    Column("expires", Number, nullable=False),
)
_USAGE: Final = Table(
    "registry_usage",
    _METADATA,
    Column("intent", LargeBinary, primary_key=True),  # a record on one ledger
    Column("measurement", LargeBinary, nullable=False),
    Column("ledger", String, nullable=False),
)
_DESCRIPTIONS: Final = Table(
    "registry_descriptions",
    _METADATA,
    Column("measurement", LargeBinary, primary_key=True),
    Column("text", String, nullable=False),
)

_ALL: Final = slice(0, 1 << 20)


@dataclass(frozen=True)
class Pending:
    """What waits.

    Attributes:
        digest: its name: of an entry's statement, or of a staged wheel.
        kind: ``entry`` waits for signatures or its wheel, ``staged`` for somebody to sign a release.
        namespace: whose it is.
        body: canonical JSON: the entry, or the token's claims.
        wheel: SHA-256 of the wheel file it needs, if any.
        created: Unix seconds.
    """

    digest: Digest
    kind: str
    namespace: str
    body: bytes
    wheel: Digest | None
    created: int


class Store:
    """The tables of one registry."""

    def __init__(self, database: Database) -> None:
        """Takes an open database."""
        self._database = database

    async def leaves(self, start: int) -> list[bytes]:
        """Returns the leaves from a position on, in order."""
        query = select(_LEAVES.c.leaf).where(_LEAVES.c.position >= start).order_by(_LEAVES.c.position)
        return await self._database.read(lambda connection: [bytes(row.leaf) for row in connection.execute(query)])

    async def position_of(self, digest: Digest) -> int | None:
        """Returns where an entry's statement is in the log, None where it is not."""
        query = select(_LEAVES.c.position).where(_LEAVES.c.digest == digest)
        return await self._database.read(lambda connection: connection.execute(query).scalar())

    async def append(self, position: int, digest: Digest, leaf: bytes, ended: Sequence[Digest] = ()) -> None:
        """Adds the log's next leaf, and ends the wait for it and for others; durable when this returns, or nothing is.

        Raises:
            Conflict: the position or the entry is there already.
            StoreError: the database did not take it.
        """

        def work(connection: Connection) -> None:
            size = connection.execute(select(func.count()).select_from(_LEAVES)).scalar()
            if size != position:
                raise StoreError(
                    f"the log has {size} leaves, not {position}: another server writes it; restart this one"
                )
            connection.execute(insert(_LEAVES).values(position=position, digest=digest, leaf=leaf))
            connection.execute(delete(_PENDING).where(_PENDING.c.digest.in_([digest, *ended])))

        await self._database.write(work)

    async def append_all(self, position: int, leaves: Sequence[tuple[Digest, bytes]]) -> None:
        """Adds leaves of a log that was kept elsewhere, digest and bytes each, all or none; raises as ``append``."""
        rows = [{"position": position + at, "digest": digest, "leaf": leaf} for at, (digest, leaf) in enumerate(leaves)]
        await self._database.write(lambda connection: connection.execute(insert(_LEAVES), rows))

    async def put_pending(self, item: Pending) -> None:
        """Keeps what waits, in place of an older form of it."""
        await self._database.write(lambda connection: _replace(connection, item))

    async def pending(self, digest: Digest | None = None, part: slice = _ALL) -> list[Pending]:
        """Returns what waits, all of it, one item or a part of the list, oldest first."""
        query = select(_PENDING).order_by(_PENDING.c.created, _PENDING.c.digest).slice(part.start, part.stop)
        if digest is not None:
            query = query.where(_PENDING.c.digest == digest)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [_read_pending(row) for row in rows]

    async def drop_pending(self, digest: Digest) -> None:
        """Forgets what waited."""
        await self._database.write(
            lambda connection: connection.execute(delete(_PENDING).where(_PENDING.c.digest == digest))
        )

    async def prune(self, before: int, now: int) -> int:
        """Forgets what has waited since before a time, and tokens that have expired; Unix seconds.

        Returns:
            How many that waited were forgotten.
        """

        def work(connection: Connection) -> int:
            forgotten = connection.execute(delete(_PENDING).where(_PENDING.c.created < before)).rowcount
            connection.execute(delete(_TOKENS).where(_TOKENS.c.expires < now))
            return forgotten

        return await self._database.write(work)

    async def stage(self, item: Pending, token: str, until: int) -> bool:
        """Keeps what a token brought and notes that the token is used: both, or neither.

        Args:
            item: what it brought.
            token: its name among those of all issuers.
            until: the last second in which it could be used, Unix seconds.

        Returns:
            False where the token was used for something else. A repeat of the same changes nothing.
        """

        def work(connection: Connection) -> bool:
            if connection.execute(select(_TOKENS.c.id).where(_TOKENS.c.id == token)).scalar() is not None:
                known = select(_PENDING.c.digest).where(_PENDING.c.digest == item.digest)
                return connection.execute(known).scalar() is not None
            connection.execute(insert(_TOKENS).values(id=token, expires=until))
            _replace(connection, item)
            return True

        return await self._database.write(work)

    async def note_usage(self, intent: Digest, measurement: Measurement, ledger: str) -> None:
        """Notes that an anchored record of a bundle was shown; a repeat changes nothing."""

        def work(connection: Connection) -> None:
            if connection.execute(select(_USAGE.c.intent).where(_USAGE.c.intent == intent)).scalar() is None:
                connection.execute(insert(_USAGE).values(intent=intent, measurement=measurement, ledger=ledger))

        await self._database.write(work)

    async def usage(self) -> dict[Measurement, dict[str, int]]:
        """Returns how many anchored records were shown, by bundle and ledger."""
        query = select(_USAGE.c.measurement, _USAGE.c.ledger, func.count()).group_by(
            _USAGE.c.measurement, _USAGE.c.ledger
        )
        found: dict[Measurement, dict[str, int]] = {}
        for measurement, ledger, count in await self._database.read(lambda connection: connection.execute(query).all()):
            found.setdefault(Measurement(bytes(measurement)), {})[ledger] = int(count)
        return found

    async def describe(self, measurement: Measurement, text: str) -> None:
        """Keeps the line with which a bundle describes itself."""

        def work(connection: Connection) -> None:
            known = select(_DESCRIPTIONS.c.text).where(_DESCRIPTIONS.c.measurement == measurement)
            if connection.execute(known).scalar() is None:
                connection.execute(insert(_DESCRIPTIONS).values(measurement=measurement, text=text))

        await self._database.write(work)

    async def descriptions(self) -> dict[Measurement, str]:
        """Returns the lines by bundle."""
        rows = await self._database.read(lambda connection: connection.execute(select(_DESCRIPTIONS)).all())
        return {Measurement(bytes(row.measurement)): row.text for row in rows}

    async def aclose(self) -> None:
        """Closes the database; idempotent."""
        await self._database.aclose()


def open_store(where: str | Path) -> Store:
    """Opens a registry's database by path or URL, made as needed; blocks.

    Raises:
        ConfigError, StoreError: as ``fabric.store.database.open_database``.
    """
    return Store(open_database(where, _METADATA.create_all))


def _replace(connection: Connection, item: Pending) -> None:
    connection.execute(delete(_PENDING).where(_PENDING.c.digest == item.digest))
    connection.execute(insert(_PENDING).values(**vars(item)))


def _read_pending(row: object) -> Pending:
    fields = row._mapping  # type: ignore[attr-defined] # noqa: SLF001 - SQLAlchemy's documented name
    wheel = fields["wheel"]
    return Pending(
        Digest(bytes(fields["digest"])),
        fields["kind"],
        fields["namespace"],
        bytes(fields["body"]),
        None if wheel is None else Digest(bytes(wheel)),
        fields["created"],
    )
