"""The registry's database, in each kind: what is there once, what is forgotten, what is there after a restart."""

from collections.abc import AsyncIterator

import pytest

from fabric.core.errors import StoreError
from fabric.core.ids import Digest, Measurement, sha256
from fabric.store.database import Conflict
from registry.house.store import Pending, Store, open_store

ONE, TWO, THREE, FOUR = (sha256(name) for name in (b"one", b"two", b"three", b"four"))
BUNDLE, OTHER = Measurement(b"\x01" * 32), Measurement(b"\x02" * 32)


@pytest.fixture
async def store(database: str) -> AsyncIterator[Store]:
    opened = open_store(database)
    yield opened
    await opened.aclose()


def waiting(digest: Digest, created: int, wheel: Digest | None = None, body: bytes = b"{}") -> Pending:
    return Pending(digest, "entry", "acme", body, wheel, created)


async def test_leaves_are_kept_in_order(store: Store, database: str) -> None:
    for position, digest in enumerate((ONE, TWO, THREE)):
        await store.append(position, digest, b"leaf %d" % position)
    assert await store.leaves(1) == [b"leaf 1", b"leaf 2"]
    assert [await store.position_of(item) for item in (ONE, THREE, sha256(b"none"))] == [0, 2, None]
    await store.aclose()  # one server writes at a time
    again = open_store(database)
    try:
        assert await again.leaves(0) == [b"leaf 0", b"leaf 1", b"leaf 2"]
    finally:
        await again.aclose()


async def test_a_place_and_an_entry_are_given_once(store: Store) -> None:
    await store.append(0, ONE, b"first")
    for position in (0, 2):
        with pytest.raises(StoreError, match=rf"the log has 1 leaves, not {position}: another server writes it"):
            await store.append(position, TWO, b"second")
    with pytest.raises(Conflict):
        await store.append(1, ONE, b"the same entry")
    assert await store.leaves(0) == [b"first"]


async def test_a_log_is_filled_whole_or_not(store: Store) -> None:
    with pytest.raises(Conflict):
        await store.append_all(0, [(ONE, b"first"), (TWO, b"second"), (ONE, b"again")])
    assert await store.leaves(0) == []
    await store.append_all(0, [(ONE, b"first"), (TWO, b"second")])
    assert await store.leaves(0) == [b"first", b"second"]


async def test_what_is_logged_waits_no_more(store: Store) -> None:
    await store.put_pending(waiting(TWO, 20, THREE))
    await store.put_pending(waiting(ONE, 10))
    await store.put_pending(waiting(ONE, 10, body=b'{"more":1}'))
    assert [(item.digest, item.body, item.wheel) for item in await store.pending()] == [
        (ONE, b'{"more":1}', None),
        (TWO, b"{}", THREE),
    ]
    assert await store.pending(TWO) == [waiting(TWO, 20, THREE)]
    await store.append(0, ONE, b"leaf")
    await store.drop_pending(TWO)
    assert await store.pending() == []


async def test_old_waits_and_tokens_are_forgotten(store: Store) -> None:
    for digest, created in ((ONE, 99), (TWO, 100)):
        await store.put_pending(waiting(digest, created))
    assert await store.stage(waiting(THREE, 99), "short", 499)
    assert await store.stage(waiting(FOUR, 100), "long", 500)
    assert await store.prune(100, 500) == 2
    assert {item.digest for item in await store.pending()} == {TWO, FOUR}
    assert await store.stage(waiting(ONE, 100), "short", 900)
    assert not await store.stage(waiting(THREE, 100), "long", 900)
    assert await store.prune(100, 500) == 0


async def test_a_token_is_used_once(store: Store) -> None:
    items = [waiting(digest, 10) for digest in (ONE, TWO, TWO)]
    assert [await store.stage(item, token, 1) for item, token in zip(items, "aab", strict=True)] == [True, False, True]
    assert await store.stage(items[0], "a", 1), "who heard no answer repeats"
    await store.drop_pending(ONE)
    assert not await store.stage(items[0], "a", 1)
    assert [item.digest for item in await store.pending()] == [TWO]


async def test_a_record_counts_once(store: Store) -> None:
    for intent, bundle, ledger in ((ONE, BUNDLE, "a"), (ONE, BUNDLE, "a"), (TWO, BUNDLE, "a"), (THREE, OTHER, "b")):
        await store.note_usage(intent, bundle, ledger)
    assert await store.usage() == {BUNDLE: {"a": 2}, OTHER: {"b": 1}}


async def test_a_bundle_keeps_its_first_description(store: Store) -> None:
    for text in ("Greets.", "Something else."):
        await store.describe(BUNDLE, text)
    await store.describe(OTHER, "Judges.")
    assert await store.descriptions() == {BUNDLE: "Greets.", OTHER: "Judges."}


async def test_it_is_closed_twice(database: str) -> None:
    opened = open_store(database)
    await opened.aclose()
    await opened.aclose()
