"""A whole proof whose batch a real node settled: accepted offline, confirmed by the contract, consumed once."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from adapters.ethereum.contracts import load
from adapters.ethereum.integrator import EthereumContract, EthereumIntegrator
from fabric.core.errors import Malformed, Reverted, VerificationError
from fabric.core.ids import Account, sha256
from fabric.ledger.port import Register, Settle
from fabric.trust.kind import Status
from fabric.trust.policy import Appraiser
from fabric.trust.proof import Proof
from fabric.trust.verifier import verify
from tests.support import batches
from tests.support.evm import World, world
from tests.support.proofs import AS_OF, Recipe, accepted, by_appraisers, kinds, policy

pytestmark = pytest.mark.ethereum


@dataclass(frozen=True)
class Settled:
    """A chain on which the batch of a proof was settled."""

    chain: World
    proof: Proof
    integrator: EthereumIntegrator
    contract: EthereumContract


@pytest.fixture
async def settled(tmp_path: Path) -> AsyncIterator[Settled]:
    # The chain's clock stands where the sample proofs stand.
    async with world(tmp_path, AS_OF, is_registered=False) as chain:
        settlement = "0x" + chain.destination.settlement[-20:].hex()
        account, address = await chain.deploy("test/Recipient", ("address", settlement))
        recipient = Account(address.rjust(32, b"\0"))
        recipe = Recipe(
            destination=chain.destination,
            appraise=by_appraisers(batches.APPRAISER),
            fields={"recipient": recipient},
            route={"recipient": recipient.hex()},
        )
        proof = recipe.make()
        vouched = proof.attestation
        register = Register(vouched.result, vouched.destinations, vouched.signatures)
        settle = Settle(proof.header, proof.signatures)
        await chain.send(register, settle)
        await chain.mine()
        proof = replace(proof, receipt=(await chain.receipt(settle)).material)
        contract = EthereumContract(account, address, load("test/Recipient").abi)
        yield Settled(chain, proof, EthereumIntegrator(account, chain.destination), contract)


async def test_the_verifier_accepts_what_the_node_settled(settled: Settled) -> None:
    appraiser = batches.APPRAISER.public
    destination = settled.chain.destination
    trusted = policy(
        appraisers=(Appraiser(appraiser.ed25519, appraiser.address),),
        threshold=1,
        destinations={destination.id: accepted(destination)},
    )
    verified = verify(settled.proof.encode(), trusted, kinds)
    assert verified.anchorage.status is Status.INCLUDED
    other = replace(settled.proof.header, epoch=9)
    with pytest.raises(VerificationError):
        verify(replace(settled.proof, header=other).encode(), trusted, kinds)


async def test_the_contract_confirms_it_and_no_other(settled: Settled) -> None:
    proof = settled.proof
    wrong = [
        replace(proof, record=replace(proof.record, output=sha256(b"another"))),
        replace(proof, index=proof.index + 1),
        replace(proof, path=proof.path[:-1]),
        replace(proof, header=replace(proof.header, root=sha256(b"another"))),
        replace(proof, record=replace(proof.record, destination=sha256(b"elsewhere"))),  # type: ignore[arg-type]
    ]
    before = settled.chain.rpc.round_trips
    given = await settled.integrator.check([each.encode() for each in (proof, *wrong)])
    assert given == [True, *[False] * len(wrong)]
    assert settled.chain.rpc.round_trips - before == 1
    with pytest.raises(Malformed):
        await settled.integrator.check([b"{}"])


async def test_it_is_consumed_once(settled: Settled) -> None:
    chain, proof = settled.chain, settled.proof
    await chain.automine(on=True)
    account = await settled.contract.consume(proof.encode())
    assert str(account["locator"]).startswith("block ")
    assert 0 < int(str(account["gas"])) < 300_000
    assert await chain.ledger.is_spent(proof.record.intent)
    with pytest.raises(Reverted, match="IntentSpent"):
        await settled.contract.consume(proof.encode())
