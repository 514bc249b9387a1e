"""A full disk under the database, the blobs and the native log: a clean refusal, and no restart once there is space."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fabric.core.clock import FrozenClock
from fabric.core.errors import StoreError, SubmitError
from fabric.core.ids import NOBODY
from fabric.ledger.port import Phase
from fabric.store.store import open_store
from tests.support import native
from tests.support.batches import accept, acceptance, destination, sign
from tests.support.full_disk import Disk, disk, needs_mount
from tests.support.native import open_native

if TYPE_CHECKING:
    from fabric.store.values import Accepted

pytestmark = [pytest.mark.fault, needs_mount]


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Disk]:
    with disk(tmp_path / "disk", 4) as mounted:
        yield mounted


async def test_the_database_refuses_and_goes_on(small: Disk) -> None:
    store = await open_store(small.folder / "fabric.db", small.folder / "blobs", FrozenClock())
    accepted: list[Accepted] = []
    for round_ in range(3):
        items = [accept(100 * round_ + number, data=os.urandom(3_000)) for number in range(50)]
        small.fill()
        with pytest.raises(StoreError, match="did not commit"):
            await store.enqueue(acceptance(items, [sign(items, destination("a"))]))
        assert not await store.results([item.invocation.id for item in items]), "all or nothing"
        assert len(await store.results([item.invocation.id for item in accepted])) == len(accepted), "it can be read"
        small.free()
        await store.enqueue(acceptance(items, [sign(items, destination("a"))]))
        accepted += items
    await store.aclose()
    again = await open_store(small.folder / "fabric.db", small.folder / "blobs", FrozenClock())
    assert len(await again.results([item.invocation.id for item in accepted])) == 150
    await again.aclose()


async def test_blobs_refuse_and_leave_nothing_by_half(small: Disk) -> None:
    store = await open_store(small.folder / "fabric.db", small.folder / "blobs", FrozenClock())
    kept = await store.blobs.put(b"kept")
    data = os.urandom(1 << 20)
    small.fill()
    with pytest.raises(StoreError, match="No space left"):
        await store.blobs.put(data)
    assert await store.blobs.get(kept) == b"kept"
    assert [path.name for path in (small.folder / "blobs").rglob("*") if path.is_file()] == [kept.hex()]
    small.free()
    assert await store.blobs.get(await store.blobs.put(data)) == data
    await store.aclose()


async def test_the_native_log_refuses_and_finishes_what_it_signed(small: Disk) -> None:
    """The signer signs one history: after a failed commit the same one is written, whatever comes next."""
    ledger = await open_native(small.folder)
    await ledger.submit(await ledger.prepare([native.register(ledger.destination.id)], []))
    works = [native.settle(ledger, native.records(ledger, [f"{n}"], NOBODY)) for n in range(300)]
    first, second = (await ledger.prepare(works[:200], []), await ledger.prepare(works[200:], []))
    small.fill()
    for _ in range(3):
        with pytest.raises(SubmitError, match="tried again"):
            await ledger.submit(first)
    assert {one.phase for one in await ledger.observe([(works[0], first[0])])} == {Phase.ABSENT}
    small.free()
    # Another batch comes first: the signed one goes before it all the same.
    await ledger.submit(second)
    await ledger.submit(first)
    phases = [one.phase for one in await ledger.observe(list(zip(works, [*first, *second], strict=True)))]
    assert set(phases) == {Phase.FINAL}
    assert [size for size, _ in await ledger._sequencer.checkpoints()] == [0, 1, 201, 301]
    await ledger.aclose()
    reopened = await open_native(small.folder)  # audits everything
    assert len(reopened._sequencer.history.tree) == 301
    await reopened.aclose()
