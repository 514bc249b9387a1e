"""The revoker: one signature and one row for each ledger, whoever asks and however often."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import structlog

from fabric.core.clock import FrozenClock
from fabric.core.errors import PlatformError
from fabric.gateway.revoking import Revoker
from fabric.store.store import Store, open_store
from fabric.store.values import WorkKind, WorkState
from fabric.trust.revocation import CodeRevocation
from fabric.trust.schemes import Signature
from tests.support.batches import APPRAISER, MEASUREMENT, NOW, destination

HERE, THERE = destination("a").id, destination("b").id


class Signing:
    """An appraiser that counts, or that does not answer."""

    def __init__(self) -> None:
        self.signed: list[CodeRevocation] = []
        self.silent = False

    async def __call__(self, revocation: CodeRevocation) -> tuple[Signature, ...]:
        if self.silent:
            raise PlatformError("the appraiser does not answer")
        self.signed.append(revocation)
        return APPRAISER.signatures(revocation.encoded, revocation.typed_digest)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await open_store(tmp_path / "fabric.db", tmp_path / "blobs", FrozenClock(NOW))
    with structlog.testing.capture_logs():
        yield opened
    await opened.aclose()


async def test_a_repeat_and_a_later_time_sign_nothing(store: Store) -> None:
    sign = Signing()
    revoker = Revoker(sign, store, [HERE, THERE])
    first = await revoker.revoke(MEASUREMENT, 100, "a leaked key")
    assert first == CodeRevocation(MEASUREMENT, 100)
    assert await revoker.revoke(MEASUREMENT, 100, "again") == first
    assert await revoker.revoke(MEASUREMENT, 101, "later") == first
    assert sign.signed == [first]
    assert set((await store.outbox.counts()).values()) == {1}


async def test_an_earlier_time_is_signed_and_holds_from_then_on(store: Store) -> None:
    sign = Signing()
    revoker = Revoker(sign, store, [HERE])
    await revoker.revoke(MEASUREMENT, 100, "a leaked key")
    assert (await revoker.revoke(MEASUREMENT, 50, "leaked before")).since == 50
    assert (await revoker.revoke(MEASUREMENT, 100, "again")).since == 50
    assert [one.since for one in sign.signed] == [100, 50]
    assert await store.outbox.counts() == {(HERE, WorkKind.REVOKE, WorkState.NEW): 2}


async def test_no_time_at_all_leaves_no_result_good(store: Store) -> None:
    assert (await Revoker(Signing(), store, [HERE]).revoke(MEASUREMENT, 0, "from the start")).since == 1


async def test_what_could_not_be_signed_is_not_stored(store: Store) -> None:
    sign = Signing()
    sign.silent = True
    with pytest.raises(PlatformError):
        await Revoker(sign, store, [HERE]).revoke(MEASUREMENT, 100, "a leaked key")
    assert await store.revocations.all() == []
    assert not await store.outbox.has_open(HERE)


async def test_a_ledger_that_joins_later_is_told_without_another_signature(store: Store) -> None:
    sign = Signing()
    await Revoker(sign, store, [HERE]).revoke(MEASUREMENT, 100, "a leaked key")
    await Revoker(sign, store, [HERE, THERE]).spread()
    assert await store.outbox.has_open(THERE)
    assert len(sign.signed) == 1
    assert set((await store.outbox.counts()).values()) == {1}
