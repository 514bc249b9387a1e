"""The embedded ledger as a process: kills at any moment, a full disk, chaincodes that go away or behave badly."""

import asyncio
import json
import random
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import grpc
import pytest

from adapters.hyperledger.embedded.blockfile import NAME
from adapters.hyperledger.embedded.hashing import block_hash, sha256
from adapters.hyperledger.proto import common_pb2, peer_pb2
from tests.support.depth import DEPTH, seed_of_run
from tests.support.full_disk import disk, needs_mount
from tests.support.hl_client import Client, Transaction, client_of
from tests.support.hl_embedded import start_ledger
from tests.support.hl_kv_network import CHAINCODE, CHANNEL, KvNetwork, kv_network

pytestmark = pytest.mark.hyperledger
VALID, DUPLICATE = peer_pb2.VALID, peer_pb2.DUPLICATE_TXID
KILLS = 8 * DEPTH
WRITERS = 6


@pytest.fixture
async def network(tmp_path: Path) -> AsyncIterator[KvNetwork]:
    async with kv_network(tmp_path) as running:
        yield running


@asynccontextmanager
async def _client(network: KvNetwork) -> AsyncIterator[Client]:
    async with client_of(network.folder, network.ledger.port, CHANNEL, CHAINCODE) as client:
        yield client


class _Writer:
    """Writes keys of its own, one after the other; after an unknown outcome it gives the same envelope again."""

    def __init__(self, client: Client, name: str) -> None:
        self._client = client
        self._name = name
        self.told: dict[str, tuple[str, int]] = {}
        """Key to transaction and block, as soon as the ledger said that it is valid."""

    async def run(self) -> None:
        count = 0
        while True:
            key = f"{self._name}-{count}"
            transaction = await self._endorsed(key)
            self.told[key] = (transaction.id, await self._commit(transaction))
            count += 1

    async def _endorsed(self, key: str) -> Transaction:
        while True:
            try:
                return await self._client.endorse("incr", key)
            except grpc.aio.AioRpcError:
                await asyncio.sleep(0.05)

    async def _commit(self, transaction: Transaction) -> int:
        while True:
            try:
                await self._client.submit(transaction)
                status = await self._client.status(transaction, 5)
            except grpc.aio.AioRpcError:
                await asyncio.sleep(0.05)
                continue
            assert status.result == VALID
            return status.block_number


@pytest.mark.fault
async def test_kill_9_at_any_moment_forgets_nothing_that_was_told(network: KvNetwork) -> None:
    rng = random.Random(seed_of_run())  # noqa: S311 - when to kill
    async with _client(network) as client:
        writers = [_Writer(client, f"w{number}") for number in range(WRITERS)]
        tasks = [asyncio.create_task(writer.run()) for writer in writers]
        for _ in range(KILLS):
            told = sum(len(writer.told) for writer in writers)
            while sum(len(writer.told) for writer in writers) < told + WRITERS:  # it works before it is killed again
                await asyncio.sleep(0.01)
                assert not any(task.done() for task in tasks)
            await asyncio.sleep(rng.random() * 0.3)
            await network.restart_ledger(signal.SIGKILL)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await _check(client, {key: told for writer in writers for key, told in writer.told.items()})


async def _check(client: Client, told: dict[str, tuple[str, int]]) -> None:
    """Checks that blocks are one chain, hold what was told where it was told, and took effect once."""
    blocks = await client.blocks()
    for before, block in pairwise(blocks):
        assert block.header.previous_hash == block_hash(before.header)
        assert block.header.data_hash == sha256(*block.data.data)
    assert told
    for key, (_transaction, number) in told.items():
        assert number < len(blocks)
        assert await client.evaluate("get", key) == b"1"


async def test_the_same_envelope_again_is_safe(network: KvNetwork) -> None:
    async with _client(network) as client:
        transaction = await client.endorse("incr", "a")
        await client.submit(transaction)
        first = await client.status(transaction)
        await network.restart_ledger(signal.SIGKILL)
        await client.submit(transaction)
        await client.submit(await client.endorse("set", "b", "1"))
        again = await client.status(transaction)
        assert (again.result, again.block_number) == (first.result, first.block_number) == (VALID, 1)
        assert await client.evaluate("get", "a") == b"1"


async def test_end_in_order_and_start_again(network: KvNetwork) -> None:
    async with _client(network) as client:
        transaction = await client.endorse("set", "a", "1")
        await client.submit(transaction)
        await client.status(transaction)
        before = await client.blocks()
        await network.restart_ledger()
        assert await client.blocks() == before
        assert await client.evaluate("get", "a") == b"1"


async def test_a_torn_tail_is_told_in_the_log(network: KvNetwork) -> None:
    async with _client(network) as client:
        transaction = await client.endorse("set", "a", "1")
        await client.submit(transaction)
        await client.status(transaction)
        await network.ledger.end(signal.SIGKILL)
        with (network.folder / NAME).open("ab") as file:
            file.write(bytes(5))
        await network.restart_ledger()
        assert "part of a block cut off" in network.folder.with_suffix(".log").read_text()
        assert await client.evaluate("get", "a") == b"1"


async def test_spoiled_blocks_are_refused_by_name(network: KvNetwork) -> None:
    await network.ledger.end()
    place = network.folder / NAME
    place.write_bytes(b"\x01" + place.read_bytes()[1:])
    with pytest.raises(AssertionError, match="it ended"):
        await start_ledger(network.folder)
    assert f"{place}: spoiled in the block at byte 0" in network.folder.with_suffix(".log").read_text()


async def test_a_second_process_on_one_folder_is_refused(network: KvNetwork) -> None:
    with pytest.raises(AssertionError, match="it ended"):
        await start_ledger(network.folder)
    assert "another process appends to it" in network.folder.with_suffix(".log").read_text()


@needs_mount
async def test_a_full_disk(tmp_path: Path) -> None:
    with disk(tmp_path / "disk", 8) as small:
        async with kv_network(tmp_path, folder=small.folder / "ledger") as network, _client(network) as client:
            kept = await client.endorse("set", "a", "1")
            await client.submit(kept)
            assert (await client.status(kept)).result == VALID
            small.fill()
            waiting = await client.endorse("set", "b", "1")
            await client.submit(waiting)
            with pytest.raises(grpc.aio.AioRpcError) as error:
                await _submit_until_refused(client)
            assert error.value.code() is grpc.StatusCode.UNAVAILABLE
            assert error.value.details() == "no orderers could successfully process transaction"
            assert await client.evaluate("get", "a") == b"1"
            small.free()
            assert (await client.status(waiting)).result == VALID, "what was taken in is not lost"
            await network.restart_ledger(signal.SIGKILL)
            assert await client.evaluate("get", "b") == b"1"


async def _submit_until_refused(client: Client) -> None:
    for count in range(200):
        await client.submit(await client.endorse("set", f"c{count}", "1"))
        await asyncio.sleep(0.02)


async def test_a_chaincode_that_restarts_is_dialled_again(network: KvNetwork) -> None:
    async with _client(network) as client:
        await client.endorse("set", "a", "1")
        await network.restart_chaincode(signal.SIGKILL)
        for _ in range(100):  # a stream that ended is noticed at the latest by the call that it takes with it
            with suppress(grpc.aio.AioRpcError):
                await client.endorse("set", "a", "1")
                return
        pytest.fail("the chaincode was not dialled again")


async def test_a_chaincode_that_is_not_there(network: KvNetwork) -> None:
    async with _client(network) as client:
        await network.chaincode.end()
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await client.endorse("set", "a", "1")
        assert error.value.code() is grpc.StatusCode.ABORTED
        await network.restart_chaincode()
        await client.endorse("set", "a", "1")


async def test_a_chaincode_of_another_package_is_not_asked(network: KvNetwork) -> None:
    path = network.folder / "network.json"
    config = json.loads(path.read_text())
    config["chaincodes"][CHAINCODE]["package"] = "kv:" + "00" * 32
    path.write_text(json.dumps(config))
    await network.restart_ledger()
    async with _client(network) as client:
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await client.endorse("set", "a", "1")
        assert error.value.code() is grpc.StatusCode.ABORTED


async def test_a_call_that_hangs_holds_up_its_own_transaction_alone(network: KvNetwork) -> None:
    async with _client(network) as client:
        hanging = asyncio.create_task(client.evaluate("sleep", "3"))
        await asyncio.sleep(0.2)
        await client.endorse("set", "a", "1")
        assert not hanging.done()
        await hanging


async def test_transactions_of_many_clients_at_once(network: KvNetwork) -> None:
    async with _client(network) as client:
        transactions = await asyncio.gather(*(client.endorse("set", f"k{count}", "1") for count in range(50)))
        await asyncio.gather(*(client.submit(each) for each in transactions))
        statuses = await asyncio.gather(*(client.status(each) for each in transactions))
        assert {status.result for status in statuses} == {VALID}
        blocks = await client.blocks()
        assert sum(len(block.data.data) for block in blocks[1:]) == 50
        assert all(len(block.data.data) <= 10 for block in blocks[1:]), "the batch's count"


async def test_a_large_transaction(network: KvNetwork) -> None:
    async with _client(network) as client:
        large = await client.endorse("set", "a", "x" * 2_000_000)
        await client.submit(large)
        assert (await client.status(large)).result == VALID
        assert len(await client.evaluate("get", "a")) == 2_000_000
        too_large = await client.endorse("set", "b", "x" * 4_000_000)
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await client.submit(too_large)
        assert "status=BAD_REQUEST, info=message payload is" in str(error.value.details())


GARBAGE = (b"", b"\xff", b"\x0a\xff\xff\xff\xff\x0f", bytes(1_000))


@pytest.mark.parametrize("garbage", GARBAGE, ids=range(len(GARBAGE)))
async def test_bytes_that_are_no_request(network: KvNetwork, garbage: bytes) -> None:
    async with _client(network) as client:
        stub: Any = client.stub
        for method in ("Evaluate", "Endorse", "Submit", "CommitStatus"):
            with pytest.raises(grpc.aio.AioRpcError):
                await stub.unary_unary(f"/gateway.Gateway/{method}")(garbage, timeout=30)
        with pytest.raises(grpc.aio.AioRpcError):
            await anext(aiter(stub.unary_stream("/gateway.Gateway/ChaincodeEvents")(garbage, timeout=30)))
        for method in ("Deliver", "DeliverFiltered"):
            call = stub.stream_stream(f"/protos.Deliver/{method}")(timeout=30)
            with suppress(grpc.aio.AioRpcError):
                await call.write(garbage)
                responses = [peer_pb2.DeliverResponse.FromString(each) async for each in call]
                assert [response.status for response in responses] == [common_pb2.BAD_REQUEST]
        await client.endorse("set", "a", "1")
    assert network.ledger.process.returncode is None
