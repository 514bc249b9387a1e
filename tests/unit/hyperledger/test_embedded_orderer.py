"""The embedded ledger's orderer: what it refuses in the words of a real one, and when it closes a block."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.hyperledger.embedded.authorities import Authority
from adapters.hyperledger.embedded.network import BatchConfig
from adapters.hyperledger.embedded.orderer import Orderer, OrderRefused
from adapters.hyperledger.proto import common_pb2
from fabric.core.clock import FrozenClock
from tests.support.hl_books import CHANNEL, START, Books, Parts
from tests.support.waiting import stop

Change = Callable[[Books, Parts], Parts]
FORBIDDEN = (
    "implicit policy evaluation failed - 0 sub-policies were satisfied, "
    "but this policy requires 1 of the 'Writers' sub-policies to be satisfied: permission denied"
)


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> Books:
    return Books.make(tmp_path_factory.mktemp("ledger"))


def _with(**changes: object) -> Change:
    return lambda _books, parts: replace(parts, **changes)  # type: ignore[arg-type]


def _rogue(books: Books, parts: Parts) -> Parts:
    return replace(parts, creator=Authority.create("Org1MSP", books.clock).member("user", "client"))


def _expired(books: Books, parts: Parts) -> Parts:
    old = replace(books.authority("Org1MSP"), clock=FrozenClock(START - 3 * 365 * 86_400))
    return replace(parts, creator=old.member("user", "client"))


def _orderer(books: Books, parts: Parts) -> Parts:
    return replace(parts, creator=books.network.orderer)


REFUSED: dict[str, tuple[Change, str, str]] = {
    "payload is no message": (_with(spoiled={"payload": b"\xff"}), "BAD_REQUEST", "could not determine channel ID: "),
    "header is no message": (_with(spoiled={"header": b"\xff"}), "BAD_REQUEST", "could not determine channel ID: "),
    "no header": (_with(spoiled={"payload": b""}), "BAD_REQUEST", "could not determine channel ID: header not set"),
    "signer is no message": (_with(spoiled={"signer": b"\xff"}), "BAD_REQUEST", "could not convert message to"),
    "another channel": (_with(channel="other"), "BAD_REQUEST", "channel does not exist"),
    "configuration": (_with(type=common_pb2.CONFIG), "BAD_REQUEST", "message is of type that cannot be processed"),
    "expired": (_expired, "BAD_REQUEST", "broadcast client identity expired"),
    "rogue authority": (_rogue, "FORBIDDEN", FORBIDDEN),
    "no organisation of the channel": (_orderer, "FORBIDDEN", FORBIDDEN),
    "too large": (_with(written={"a": bytes(20_000)}), "BAD_REQUEST", "message payload is "),
}


@pytest.mark.parametrize(("change", "status", "reason"), REFUSED.values(), ids=REFUSED)
def test_refused(books: Books, change: Change, status: str, reason: str) -> None:
    orderer = Orderer(CHANNEL, books.ledger.identities, BatchConfig(absolute_bytes=16_000), _nowhere)
    orderer.take(common_pb2.Envelope.FromString(books.parts().envelope()))
    envelope = change(books, books.parts()).envelope()
    with pytest.raises(OrderRefused, match=reason) as error:
        orderer.take(common_pb2.Envelope.FromString(envelope))
    assert error.value.name == status


async def _nowhere(_batch: Sequence[bytes]) -> None:
    pytest.fail("no block is made here")


@pytest.mark.parametrize(
    ("config", "sizes"),
    [
        (BatchConfig(count=3, seconds=0), [3, 3, 1]),
        (BatchConfig(count=100, seconds=0), [7]),
        (BatchConfig(count=100, seconds=0, preferred_bytes=1_024), [1] * 7),
    ],
    ids=["by count", "by time", "by bytes"],
)
async def test_batches(books: Books, config: BatchConfig, sizes: list[int]) -> None:
    batches: list[Sequence[bytes]] = []
    done = asyncio.Event()

    async def commit(batch: Sequence[bytes]) -> None:
        batches.append(batch)
        if sum(map(len, batches)) == 7:
            done.set()

    orderer = Orderer(CHANNEL, books.ledger.identities, config, commit)
    envelopes = [books.parts().envelope() for _ in range(7)]
    for envelope in envelopes:
        orderer.take(common_pb2.Envelope.FromString(envelope))
    running = asyncio.create_task(orderer.run())
    await done.wait()
    await stop(running)
    assert [len(batch) for batch in batches] == sizes
    assert [each for batch in batches for each in batch] == envelopes


async def test_a_block_is_closed_by_time_though_it_is_not_full(tmp_path: Path) -> None:
    books = Books.make(tmp_path)
    closed = asyncio.Event()

    async def commit(batch: Sequence[bytes]) -> None:
        await books.commit(*batch)
        closed.set()

    orderer = Orderer(CHANNEL, books.ledger.identities, BatchConfig(count=100, seconds=0.01), commit)
    running = asyncio.create_task(orderer.run())
    for number in (1, 2):
        closed.clear()
        orderer.take(common_pb2.Envelope.FromString(books.parts(f"k{number}").envelope()))
        await closed.wait()
        assert books.channel.height == number + 1
    await stop(running)
