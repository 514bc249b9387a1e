"""Bindings in force, publications, and rows in bulk."""

from sqlalchemy import Connection, select

from fabric.core.ids import BindingVersion, Measurement, sha256
from fabric.store import schema
from fabric.store.bulk import chunks, insert_rows
from fabric.store.store import Store
from fabric.trust.binding import Binding, write_binding
from tests.support.batches import MEASUREMENT, destination


def binding(name: str, valid_seconds: int) -> Binding:
    return write_binding(
        {
            "name": name,
            "cryptlet": "cold_chain@1.0.0",
            "measurement": MEASUREMENT.hex(),
            "methods": ["judge"],
            "callers": ["ann"],
            "requesters": [],
            "valid_seconds": valid_seconds,
            "destinations": [{"id": destination().id.hex(), "recipient": "00" * 32, "consume": False, "codec": {}}],
        }
    )


async def test_a_name_means_its_newest_binding(store: Store) -> None:
    old, new, other = binding("a", 1), binding("a", 2), binding("b", 1)
    for item in (old, other, new, new):
        await store.bindings.put(item, 0)
    assert await store.bindings.named("a") == new
    assert await store.bindings.get(old.version) == old
    assert await store.bindings.all() == (new, other)
    await store.bindings.put(old, 0)
    assert await store.bindings.named("a") == old


async def test_an_unknown_binding_is_none(store: Store) -> None:
    assert await store.bindings.named("a") is None
    assert await store.bindings.get(BindingVersion(bytes(32))) is None


async def test_a_later_publication_replaces_the_earlier(store: Store) -> None:
    measurement = Measurement(sha256(b"bundle"))
    assert await store.publications.get(measurement) is None
    await store.publications.put(measurement, b"1")
    await store.publications.put(measurement, b"2")
    assert await store.publications.get(measurement) == b"2"


async def test_rows_in_bulk_keep_the_callers_order_of_columns(store: Store) -> None:
    def work(connection: Connection) -> list[tuple[object, ...]]:
        insert_rows(connection, schema.cursors, ("value", "name"), [(b"1", "a"), (b"2", "b")])
        insert_rows(connection, schema.cursors, ("value", "name"), [])
        return [tuple(row) for row in connection.execute(select(schema.cursors))]

    assert await store._database.write(work) == [("a", b"1"), ("b", b"2")]


def test_chunks_cover_everything_once() -> None:
    assert [list(part) for part in chunks(range(5), 2)] == [[0, 1], [2, 3], [4]]
    assert list(chunks([], 2)) == []
