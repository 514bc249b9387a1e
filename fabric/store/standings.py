"""Standings of code: what registries said, from when to when. A proof carries the one of the time of its anchor."""

from collections.abc import Collection, Iterable
from functools import partial

from sqlalchemy import Connection, RowMapping, select

from fabric.core import canonical
from fabric.core.ids import Measurement
from fabric.store.bulk import insert_row
from fabric.store.database import Database
from fabric.store.schema import standings
from fabric.store.values import reading, require
from fabric.trust.standing import SKEW_SECONDS, Standing, parse_standing


class Standings:
    """Stores and finds standings; rows are only added."""

    def __init__(self, database: Database) -> None:
        """Works on ``database``."""
        self._database = database

    async def put(self, items: Iterable[Standing]) -> None:
        """Stores those that are needed beside what is stored.

        A registry signs every few minutes. What says the same as the stored one is left out until half of that one's
        life is over: every moment stays covered, by a handful of rows a day.
        """
        kept = list(items)
        await self._database.write(partial(_put, items=kept))

    async def newest(self, measurements: Collection[Measurement]) -> dict[Measurement, Standing]:
        """Returns the newest stored standing of each bundle that has one; raises ``RowTampered``."""
        found = await self._database.read(partial(_newest_of, measurements=list(measurements)))
        return {item.measurement: item for item in found}


def standing_at(connection: Connection, measurement: Measurement, time: int | None) -> Standing | None:
    """Returns the newest standing of a bundle that covers a ledger's time, None where none does.

    The clocks of ledger and registry may differ by ``SKEW_SECONDS``, which a verifier allows as well.
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
    return max(exact or rows, key=lambda item: (item.position, item.issued), default=None)


def _put(connection: Connection, items: list[Standing]) -> None:
    for item in items:
        known = _newest(connection, item.measurement)
        if known is not None and _says_enough(known, item):
            continue
        row = {
            "measurement": item.measurement,
            "issued": item.issued,
            "expires": item.expires,
            "document": canonical.encode(item.to_json()),
        }
        insert_row(connection, standings, row)


def _says_enough(known: Standing, item: Standing) -> bool:
    is_same = (known.registry, known.position, known.state) == (item.registry, item.position, item.state)
    return is_same and item.issued <= (known.issued + known.expires) // 2


def _newest_of(connection: Connection, measurements: list[Measurement]) -> list[Standing]:
    found = [_newest(connection, measurement) for measurement in measurements]
    return [item for item in found if item is not None]


def _newest(connection: Connection, measurement: Measurement) -> Standing | None:
    query = select(standings).where(standings.c.measurement == measurement).order_by(standings.c.seq.desc()).limit(1)
    row = connection.execute(query).mappings().first()
    return None if row is None else _read(row)


def _read(row: RowMapping) -> Standing:
    """Reads a row and compares it with what it is stored under; raises ``RowTampered``."""
    part = f"standing {row['seq']} of bundle {row['measurement'].hex()}"
    with reading(part):
        item = parse_standing(canonical.decode(row["document"]))
    said = (item.measurement, item.issued, item.expires)
    holds = said == (row["measurement"], row["issued"], row["expires"]) and item.is_signed()
    require(part, holds=holds, reason="not what its registry signed")
    return item
