"""Standings of code: what registries said, from when to when. A proof carries the one of the time of its anchor."""

from collections.abc import Collection, Iterable
from functools import partial
from typing import Final

from sqlalchemy import Connection, RowMapping, delete, select

from fabric.core import canonical
from fabric.core.ids import Measurement
from fabric.store.bulk import insert_row
from fabric.store.database import Database
from fabric.store.schema import standings
from fabric.store.values import reading, require
from fabric.trust.standing import SKEW_SECONDS, Standing, parse_standing

_RUN: Final = 3
"""So many standings in a row decide whether the one in their midst is needed."""


class Standings:
    """Stores and finds standings."""

    def __init__(self, database: Database) -> None:
        """Works on ``database``."""
        self._database = database

    async def put(self, items: Iterable[Standing]) -> None:
        """Stores what came, and lets go what it makes needless; a repeat stores nothing.

        A registry signs every few minutes. Of standings that say the same, one of about every lifetime is kept: every
        moment stays covered, by a handful of rows a day, and up to the end of the newest, until which work may start.
        """
        kept = list(items)
        await self._database.write(partial(_put, items=kept))

    async def newest(self, measurements: Collection[Measurement]) -> dict[Measurement, Standing]:
        """Returns the newest stored standing of each bundle that has one; raises ``RowTampered``."""
        found = await self._database.read(partial(_newest_of, measurements=list(measurements)))
        return {item.measurement: item for item in found}


def standing_at(connection: Connection, measurement: Measurement, time: int | None) -> Standing | None:
    """Returns the newest standing of a bundle that covers a ledger's time, None where none does.

    The clocks of ledger and registry may differ by ``SKEW_SECONDS``, which a verifier allows as well. Where only such
    ones do, it is the first of them: what was said later still is no word on what was anchored before.
    """
    if time is None:
        return None
    query = select(standings).where(
        standings.c.measurement == measurement,
        standings.c.issued <= time + SKEW_SECONDS,
        standings.c.expires >= time,
    )
    rows = [_read(row) for row in connection.execute(query.order_by(standings.c.seq.desc()).limit(64)).mappings()]
    exact = [item for item in rows if item.covers(time)]
    if exact:
        return max(exact, key=lambda item: (item.issued, item.position))
    return min(rows, key=lambda item: item.issued, default=None)


def _put(connection: Connection, items: list[Standing]) -> None:
    for item in items:
        document = canonical.encode(item.to_json())
        if any(row["document"] == document for row in _last(connection, item.measurement, 1)):
            continue
        row = {
            "measurement": item.measurement,
            "issued": item.issued,
            "expires": item.expires,
            "document": document,
        }
        insert_row(connection, standings, row)
        _thin(connection, item.measurement)


def _thin(connection: Connection, measurement: Measurement) -> None:
    """Deletes the last but one where the two beside it say the same and leave no second between them."""
    rows = _last(connection, measurement, _RUN)
    if len(rows) < _RUN:
        return
    new, middle, old = said = [_read(row) for row in rows]
    is_same = len({(one.registry, one.signature.key, one.position, one.state) for one in said}) == 1
    is_within = old.issued <= middle.issued and middle.expires <= new.expires and new.issued <= old.expires + 1
    if is_same and is_within:
        connection.execute(delete(standings).where(standings.c.seq == rows[1]["seq"]))


def _last(connection: Connection, measurement: Measurement, count: int) -> list[RowMapping]:
    query = select(standings).where(standings.c.measurement == measurement)
    return list(connection.execute(query.order_by(standings.c.seq.desc()).limit(count)).mappings())


def _newest_of(connection: Connection, measurements: list[Measurement]) -> list[Standing]:
    found = [_newest(connection, measurement) for measurement in measurements]
    return [item for item in found if item is not None]


def _newest(connection: Connection, measurement: Measurement) -> Standing | None:
    rows = _last(connection, measurement, 1)
    return _read(rows[0]) if rows else None


def _read(row: RowMapping) -> Standing:
    """Reads a row and compares it with what it is stored under; raises ``RowTampered``."""
    part = f"standing {row['seq']} of bundle {row['measurement'].hex()}"
    with reading(part):
        item = parse_standing(canonical.decode(row["document"]))
    said = (item.measurement, item.issued, item.expires)
    holds = said == (row["measurement"], row["issued"], row["expires"]) and item.is_signed()
    require(part, holds=holds, reason="not what its registry signed")
    return item
