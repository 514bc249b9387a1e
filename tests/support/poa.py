"""Settlement deployments on a clique network, which seals by the clock: a test waits for blocks, it makes none."""

import asyncio
from dataclasses import dataclass, field
from typing import Final

import pytest
from eth_abi.abi import encode

from adapters.ethereum import answers
from adapters.ethereum.accounts import DEPLOY_GAS, NodeAccount, created
from adapters.ethereum.client import EthereumLedger
from adapters.ethereum.clique import Clique
from adapters.ethereum.contracts import load
from adapters.ethereum.devnet import deploy_settlement, settings_of
from adapters.ethereum.geth import find_geth
from adapters.ethereum.integrator import EthereumContract
from adapters.ethereum.plugin import open_ledger
from adapters.ethereum.rpc import Rpc
from adapters.ethereum.seals import limit, trust_of
from fabric.core.canonical import JsonObject
from fabric.core.clock import FrozenClock
from fabric.core.ids import sha256
from fabric.ledger.port import Observation, Phase, Register, Settle, Submission, Work
from fabric.trust.destination import Destination
from tests.support import batches
from tests.support.evm import MemorySigner
from tests.support.seeded_keys import SeededKeys

MARKS: Final = [
    pytest.mark.ethereum,
    pytest.mark.poa,
    pytest.mark.skipif(find_geth() is None, reason="no geth 1.13 here: `make geth` builds one where Go is at hand"),
]
FINALITY: Final = limit(3) + 1
"""The lowest that a network of three signers takes."""
_POLL_SECONDS: Final = 0.1


@dataclass
class Chain:
    """A network and a connection to its first node."""

    network: Clique
    rpc: Rpc = field(init=False)

    def __post_init__(self) -> None:
        self.rpc = Rpc(self.network.url)

    @property
    def trust(self) -> JsonObject:
        """What a policy pins of it."""
        return trust_of(self.network.signers)

    async def head(self, node: int = 0) -> answers.Block:
        """Returns the newest block that a node has."""
        return await block(self.network.urls[node])

    async def reach(self, number: int, node: int = 0) -> answers.Block:
        """Waits until a node has a block of this number."""
        while (head := await self.head(node)).number < number:  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(_POLL_SECONDS)
        return head

    async def pass_blocks(self, count: int) -> None:
        await self.reach((await self.head()).number + count)

    async def deploy(self, label: str) -> "Deployed":
        """Deploys settlement and a shipment contract, with a relayer of its own for each label."""
        relayer = MemorySigner(SeededKeys(f"relayer {label}"))
        salt = bytes(sha256(label.encode()))
        deployer = await NodeAccount.open(self.rpc, 0)
        deploying = deploy_settlement(deployer, [batches.APPRAISER.public.address], 1, salt)
        made, _ = await asyncio.gather(deploying, self.network.fund(self.rpc, relayer.address))
        settings = settings_of(made, self.network.url) | {"finality": FINALITY, "seals": "clique"}
        ledger = await open_ledger(settings, FrozenClock(), relayer)
        return Deployed(self, settings, ledger, relayer)


@dataclass
class Deployed:
    """One deployment, seen by its relayer."""

    chain: Chain
    settings: JsonObject
    ledger: EthereumLedger
    relayer: MemorySigner

    @property
    def destination(self) -> Destination:
        return self.ledger.destination

    async def shipment(self) -> EthereumContract:
        """Deploys the shipment contract for the records of ``tests.support.batches``, and binds it."""
        owner = await NodeAccount.open(self.chain.rpc, 1)
        settlement = "0x" + self.destination.settlement[-20:].hex()
        words = [settlement, batches.MEASUREMENT, batches.CALLER]
        artifact = load("ShipmentContract")
        code = artifact.bytecode + encode(["address", "bytes32", "bytes32"], words)
        address = await created(owner.rpc, await owner.send(b"", code, DEPLOY_GAS))
        contract = EthereumContract(owner, address, artifact.abi)
        await contract.bind(batches.BINDING)
        return contract

    async def register(self) -> Register:
        stored = batches.attest([self.destination.id], start=(await self.chain.head()).time - 3600)
        return Register(stored.body.result, stored.body.destinations, stored.body.signatures)

    async def settle(self, number: int) -> Settle:
        item = batches.accept(number, as_of=(await self.chain.head()).time)
        batch = batches.sign([item], self.destination)
        return Settle(batch.header, batch.signatures)

    async def send(self, *work: Work) -> list[Submission]:
        made = list(await self.ledger.prepare(work, []))
        await self.ledger.submit(made)
        return made

    async def until(self, phase: Phase, work: Work, submission: Submission | None = None) -> Observation:
        """Waits until work is in a phase."""
        while True:
            (seen,) = await self.ledger.observe([(work, submission)])
            if seen.phase is phase:
                return seen
            await asyncio.sleep(_POLL_SECONDS)

    async def settle_down(self) -> None:
        """Waits until everything that was submitted is in a block, and that block final."""
        account = "0x" + self.relayer.address.hex()
        while True:
            calls = [("eth_getTransactionCount", [account, tag]) for tag in ("latest", "pending")]
            used, pooled = await self.chain.rpc.ask([(method, [*parameters]) for method, parameters in calls])
            if used == pooled:
                break
            await asyncio.sleep(_POLL_SECONDS)
        await self.chain.pass_blocks(FINALITY)

    async def reopen(self) -> None:
        """Opens another client on the same deployment, as after a restart."""
        await self.ledger.aclose()
        self.ledger = await open_ledger(self.settings, FrozenClock(), self.relayer)


async def block(url: str, name: str | int = "latest") -> answers.Block:
    """Returns a block of the node at a URL by its number or tag."""
    rpc = Rpc(url)
    try:
        (found,) = await rpc.ask([("eth_getBlockByNumber", [hex(name) if isinstance(name, int) else name, False])])
        return answers.block(found)
    finally:
        await rpc.aclose()
