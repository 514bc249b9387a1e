"""A settlement deployment on a fresh anvil whose blocks are made only when a test says so, and a relayer in memory."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from eth_abi.abi import encode

from adapters.ethereum import answers, snapshots
from adapters.ethereum.accounts import DEPLOY_GAS, NodeAccount, created
from adapters.ethereum.anvil import Anvil, Options
from adapters.ethereum.client import EthereumLedger
from adapters.ethereum.contracts import load
from adapters.ethereum.devnet import deploy_settlement, settings_of
from adapters.ethereum.integrator import EthereumContract
from adapters.ethereum.plugin import open_ledger
from adapters.ethereum.rpc import Rpc
from adapters.ethereum.transactions import Eip1559
from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.clock import FrozenClock
from fabric.core.ids import Account, Measurement, sha256
from fabric.ledger.port import Consume, Observation, Phase, Receipt, Register, RevokeCode, Settle, Submission, Work
from fabric.trust import eip712
from fabric.trust.batch import Sealed, SignedBatch, header_of, tree_of
from fabric.trust.destination import Destination
from fabric.trust.revocation import CodeRevocation
from tests.support import batches
from tests.support.seeded_keys import SeededKeys

SALT: Final = bytes(sha256(b"salt"))
FINALITY: Final = 4
VERDICT: Final = encode(["bool", "int256", "uint256", "uint256"], [True, -5_123, 840, 2])
"""The payload of a judgement, as the shipment contract reads it."""


@dataclass(frozen=True)
class MemorySigner:
    """A relayer whose key lies in the test's own memory (``adapters.ethereum.transactions.TransactionSigner``)."""

    keys: SeededKeys

    @property
    def address(self) -> bytes:
        return self.keys.public.address

    async def sign(self, transaction: Eip1559) -> bytes:
        return transaction.signed(self.keys.sign_digest(transaction.digest))


RELAYER: Final = MemorySigner(SeededKeys("relayer"))


@dataclass
class World:
    """One chain, one deployment, one registered enclave.

    Attributes:
        node: the chain.
        rpc: a connection beside the ledger's own.
        settings: what ``open_ledger`` takes.
        ledger: the client under test.
        clock: its clock.
    """

    node: Anvil
    rpc: Rpc
    settings: JsonObject
    ledger: EthereumLedger
    clock: FrozenClock

    @property
    def destination(self) -> Destination:
        return self.ledger.destination

    async def do(self, method: str, *parameters: JsonValue) -> JsonValue:
        """Asks the node one thing."""
        (result,) = await self.rpc.ask([(method, list(parameters))])
        return result

    async def mine(self, blocks: int = 1) -> None:
        await self.do("anvil_mine", hex(blocks))

    async def time(self) -> int:
        """Returns the time of the newest block."""
        return (await self.block("latest")).time

    async def block(self, name: str | int) -> answers.Block:
        """Returns a block by its number or tag."""
        number = hex(name) if isinstance(name, int) else name
        (found,) = await self.rpc.ask([("eth_getBlockByNumber", [number, False])])
        return answers.block(found)

    async def restart(self, *, kills: bool = False) -> None:
        """Ends the node and starts it again on its state; the chain is the same, its pool is empty."""
        await (self.node.kill() if kills else self.node.aclose())
        options = Options(block_seconds=0, port=self.node.port, dies_with_parent=True)
        self.node = await Anvil.start(self.node.folder, options)
        await self.automine(on=False)

    async def head(self) -> int:
        """Returns the number of the newest block."""
        return (await self.block("latest")).number

    async def saved(self) -> None:
        """Waits until the node has saved all its blocks: two dumps from now, the second began after the call."""
        state = self.node.folder / snapshots.SNAPSHOT
        for _ in range(2):
            before = state.stat().st_mtime_ns if state.exists() else 0
            while not state.exists() or state.stat().st_mtime_ns == before:  # noqa: ASYNC110 - another process writes
                await asyncio.sleep(0.05)

    async def automine(self, *, on: bool) -> None:
        """Has every transaction make its block, or none."""
        await self.do("evm_setAutomine", on)

    async def reopen(self) -> EthereumLedger:
        """Returns another client on the same deployment, as after a restart."""
        await self.ledger.aclose()
        self.ledger = await open_ledger(self.settings, FrozenClock(), RELAYER)
        return self.ledger

    async def batch(self, *numbers: int, recipient: Account | None = None) -> SignedBatch:
        """Returns a batch of the registered enclave, with records that expire a day from now."""
        items = [batches.accept(number, as_of=await self.time()) for number in numbers]
        if recipient is None:
            return batches.sign(items, self.destination)
        return batches.sign(items, self.destination, recipient=recipient)

    async def settle(self, *numbers: int) -> Settle:
        batch = await self.batch(*numbers)
        return Settle(batch.header, batch.signatures)

    async def send(self, *work: Work, pending: Sequence[Submission] = ()) -> list[Submission]:
        """Prepares and submits."""
        made = list(await self.ledger.prepare(work, pending))
        await self.ledger.submit(made)
        return made

    async def see(self, work: Work, submission: Submission | None = None) -> Observation:
        """Observes one piece of work."""
        (observation,) = await self.ledger.observe([(work, submission)])
        return observation

    async def receipt(self, work: Work, submission: Submission | None = None) -> Receipt:
        """Returns the receipt of work that took effect."""
        observation = await self.see(work, submission)
        assert observation.receipt is not None, observation
        return observation.receipt

    async def deploy(self, name: str, *arguments: tuple[str, object]) -> tuple[NodeAccount, bytes]:
        """Deploys a contract in a block of its own; arguments are pairs of ABI type and value."""
        deployer = await NodeAccount.open(self.rpc, 1)
        kinds, values = [kind for kind, _ in arguments], [value for _, value in arguments]
        await self.automine(on=True)
        code = load(name).bytecode + encode(kinds, values)
        address = await created(self.rpc, await deployer.send(b"", code, DEPLOY_GAS))
        await self.automine(on=False)
        return deployer, address

    async def shipment(self, *, is_bound: bool = True) -> EthereumContract:
        """Deploys the shipment contract for the records of ``tests.support.batches``."""
        settlement = "0x" + self.destination.settlement[-20:].hex()
        where = (("address", settlement), ("bytes32", batches.MEASUREMENT), ("bytes32", batches.CALLER))
        deployer, address = await self.deploy("ShipmentContract", *where)
        contract = EthereumContract(deployer, address, load("ShipmentContract").abi)
        if is_bound:
            await self.automine(on=True)
            await contract.bind(batches.BINDING)
            await self.automine(on=False)
        return contract


@asynccontextmanager
async def world(
    folder: Path, genesis_time: int = 0, *, is_registered: bool = True, finality: int = FINALITY
) -> AsyncIterator[World]:
    """Starts a chain, deploys settlement, registers ``batches.ENCLAVE``; from then on a test makes the blocks."""
    options = Options(block_seconds=0, genesis_time=genesis_time, dies_with_parent=True)
    async with await Anvil.start(folder, options) as node:
        rpc = Rpc(node.url)
        deployer = await NodeAccount.open(rpc, 0)
        made = await deploy_settlement(deployer, [batches.APPRAISER.public.address], 1, SALT)
        await node.fund(rpc, RELAYER.address)
        settings = settings_of(made, node.url) | {"finality": finality}
        clock = FrozenClock()
        ledger = await open_ledger(settings, clock, RELAYER)
        started = World(node, rpc, settings, ledger, clock)
        try:
            if is_registered:
                await started.send(await registration(started))
            await started.automine(on=False)
            if is_registered and await ledger.key_state(batches.ENCLAVE.public) is None:
                await started.mine()  # the node had not got round to it
            yield started
        finally:
            await started.ledger.aclose()
            await rpc.aclose()
            await started.node.aclose()


async def registration(place: World, keys: SeededKeys = batches.ENCLAVE) -> Register:
    """Returns the registration of an enclave's keys, valid from an hour ago for a week."""
    stored = batches.attest([place.destination.id], keys=keys, start=await place.time() - 3600)
    return Register(stored.body.result, stored.body.destinations, stored.body.signatures)


def revocation(code: Measurement, since: int) -> RevokeCode:
    """Returns a revocation of code by the deployment's appraiser."""
    made = CodeRevocation(code, since)
    return RevokeCode(made, batches.APPRAISER.signatures(made.encoded, made.typed_digest))


async def verdicts(place: World, contract: EthereumContract, *versions: int, payload: bytes = VERDICT) -> SignedBatch:
    """Returns a batch of verdicts for a shipment contract, one for each state version."""
    entries = []
    for version in versions:
        item = batches.accept(version, as_of=await place.time())
        sealed = batches.seal(item, place.destination.id, contract.account)
        record = replace(sealed.record, payload=sha256(payload), state_version=version)
        entries.append(Sealed(record, sealed.statement, payload))
    header = header_of([entry.record for entry in entries], 1)
    typed = eip712.header_digest(header, place.destination)
    return SignedBatch(header, batches.ENCLAVE.signatures(header.encoded, typed), tuple(entries))


def consume(batch: SignedBatch, index: int) -> Consume:
    """Returns the consumption of one record of a batch."""
    entry = batch.entries[index]
    path = tree_of([each.record for each in batch.entries]).inclusion(index)
    return Consume(entry.record, entry.payload, batch.header, index, tuple(path))


def phases(observations: Sequence[Observation]) -> list[Phase]:
    """Returns the phases alone."""
    return [observation.phase for observation in observations]
