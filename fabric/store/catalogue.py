"""Bindings in force and publications of loaded bundles."""

from functools import partial

from sqlalchemy import Connection, Row, Select, delete, insert, select

from fabric.core.ids import BindingVersion, Measurement
from fabric.store.database import Database
from fabric.store.schema import bindings, publications
from fabric.store.values import reading, require
from fabric.trust.binding import Binding


class Bindings:
    """Stores bindings; every version stays, the newest of a name is the one that the name means."""

    def __init__(self, database: Database) -> None:
        """Works on ``database``."""
        self._database = database

    async def put(self, binding: Binding, created: int) -> None:
        """Puts a binding in force under its name; an older version becomes the newest again."""

        def work(connection: Connection) -> None:
            values = {
                "version": binding.version,
                "name": binding.name,
                "document": binding.document,
                "created": created,
            }
            newest = connection.execute(_newest(binding.name)).first()
            if newest is None or newest.document != binding.document:
                connection.execute(delete(bindings).where(bindings.c.version == binding.version))
                connection.execute(insert(bindings).values(values))

        await self._database.write(work)

    async def get(self, version: BindingVersion) -> Binding | None:
        """Returns a binding by its version."""
        query = select(bindings.c.version, bindings.c.name, bindings.c.document).where(bindings.c.version == version)
        return await self._database.read(partial(_binding, query=query))

    async def named(self, name: str) -> Binding | None:
        """Returns the binding that a name means now."""
        return await self._database.read(partial(_binding, query=_newest(name)))

    async def all(self) -> tuple[Binding, ...]:
        """Returns the binding that each name means now, in the order of the names."""
        query = select(bindings.c.version, bindings.c.name, bindings.c.document).order_by(bindings.c.seq)

        def work(connection: Connection) -> dict[str, Binding]:
            return {row.name: _parsed(row) for row in connection.execute(query)}

        newest = await self._database.read(work)
        return tuple(newest[name] for name in sorted(newest))

    async def measurements(self) -> frozenset[Measurement]:
        """Returns the bundles of every version of every binding."""
        query = select(bindings.c.version, bindings.c.name, bindings.c.document)

        def work(connection: Connection) -> frozenset[Measurement]:
            return frozenset(_parsed(row).measurement for row in connection.execute(query))

        return await self._database.read(work)


class Publications:
    """Stores the publication under which a bundle was loaded."""

    def __init__(self, database: Database) -> None:
        """Works on ``database``."""
        self._database = database

    async def put(self, measurement: Measurement, document: bytes) -> None:
        """Stores the canonical JSON of a publication; a later one replaces it."""

        def work(connection: Connection) -> None:
            connection.execute(delete(publications).where(publications.c.measurement == measurement))
            values = {"measurement": measurement, "document": document}
            connection.execute(insert(publications).values(values))

        await self._database.write(work)

    async def get(self, measurement: Measurement) -> bytes | None:
        """Returns the publication of a measurement."""
        return await self._database.read(partial(publication_of, measurement=measurement))


def publication_of(connection: Connection, measurement: Measurement) -> bytes | None:
    """Returns the stored publication of a measurement."""
    query = select(publications.c.document).where(publications.c.measurement == measurement)
    return connection.scalar(query)


def _newest(name: str) -> Select[bytes, str, bytes]:
    query = select(bindings.c.version, bindings.c.name, bindings.c.document).where(bindings.c.name == name)
    return query.order_by(bindings.c.seq.desc()).limit(1)


def _binding(connection: Connection, query: Select[bytes, str, bytes]) -> Binding | None:
    row = connection.execute(query).first()
    return None if row is None else _parsed(row)


def _parsed(row: Row[bytes, str, bytes]) -> Binding:
    """Reads a binding and compares it with the version and name that it is stored under; raises ``RowTampered``."""
    part = f"binding {row.name!r} of version {row.version.hex()}"
    with reading(part):
        binding = Binding.parse(row.document)
    holds = (binding.version, binding.name) == (row.version, row.name)
    require(part, holds=holds, reason="not the document of its version")
    return binding
