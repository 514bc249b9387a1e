"""What a deployment is: its ids and digests as Python computes them, and what its constructor refuses."""

from typing import Any, Final

import pytest
from web3 import Web3

from fabric.core.ids import sha256
from fabric.trust import eip712
from fabric.trust.batch import Header
from tests.integration.ethereum_contracts.chain import Chain, Refusal
from tests.integration.ethereum_contracts.world import APPRAISERS, ENCLAVE, SALT, World, addresses
from tests.support.rules_builder import party

pytestmark = pytest.mark.ethereum

LOW, HIGH = addresses(APPRAISERS)[0], addresses(APPRAISERS)[2]
OTHER_CHAIN: Final = 31_338


def test_it_tells_what_python_computes(world: World) -> None:
    functions, destination = world.functions, world.destination
    assert functions.destinationId().call() == destination.id
    assert functions.domainSeparator().call() == eip712.domain_separator(destination)
    assert functions.genesis().call() == world.chain.genesis
    assert functions.salt().call() == SALT
    assert functions.threshold().call() == 2
    assert [functions.isAppraiser(one).call() for one in addresses(APPRAISERS)] == [True] * 3
    assert not functions.isAppraiser(party(ENCLAVE).public.address).call()
    assert not functions.isAppraiser(bytes(20)).call()


def test_the_salt_makes_another_destination(chain: Chain) -> None:
    one = chain.deploy("Settlement", addresses(APPRAISERS), 2, chain.genesis, SALT)
    two = chain.deploy("Settlement", addresses(APPRAISERS), 2, chain.genesis, bytes(32))
    assert one.functions.destinationId().call() != two.functions.destinationId().call()
    assert one.functions.domainSeparator().call() != two.functions.domainSeparator().call()


@pytest.mark.parametrize("threshold", [0, 4])
def test_a_threshold_that_no_quorum_or_any_meets_is_refused(chain: Chain, threshold: int) -> None:
    arguments = (addresses(APPRAISERS), threshold, chain.genesis, SALT)
    refusal = chain.refusal_of_deployment("Settlement", *arguments)
    assert refusal == Refusal("BadThreshold", (threshold, 3))


@pytest.mark.parametrize("appraisers", [[HIGH, LOW], [LOW, LOW], [bytes(20), LOW]])
def test_appraisers_out_of_order_are_refused(chain: Chain, appraisers: list[bytes]) -> None:
    refusal = chain.refusal_of_deployment("Settlement", appraisers, 1, chain.genesis, SALT)
    assert refusal.name == "BadOrder"


def test_a_fork_with_a_chain_id_of_its_own_stands_still(world: World) -> None:
    record = world.record("one", world.chain.accounts[0])
    header = world.anchor([record])
    calls: list[Any] = [
        world.registration(world.result("enclave-1")),
        world.functions.setKeyStatus(b"", []),
        world.functions.revokeCode(b"", []),
        world.settlement(header),
        world.consumption([record], 0),
        world.functions.request(bytes(32), bytes(32), bytes(32), 0),
        world.functions.openChannel(b""),
        world.functions.send(b"", b""),
        world.functions.deliver(b"", b"", bytes(32), 0, []),
        world.functions.acknowledge(b"", b"", bytes(32), 0, []),
        world.functions.expire(b""),
    ]
    # The node's own signer keeps to the first chain id; an account without a key is not asked to sign.
    someone = Web3.to_checksum_address(sha256(b"someone")[:20])
    world.chain.rpc("anvil_impersonateAccount", someone)
    world.chain.rpc("anvil_setBalance", someone, hex(10**20))
    world.chain.rpc("anvil_setChainId", OTHER_CHAIN)
    try:
        refusals = [world.chain.refusal(call, sender=someone) for call in calls]
    finally:
        world.chain.rpc("anvil_setChainId", world.destination.chain_number)
    assert refusals == [Refusal("WrongChain", (OTHER_CHAIN,))] * len(calls)
    world.chain.send(world.consumption([record], 0))


def test_a_signature_for_another_deployment_is_of_a_stranger(world: World) -> None:
    other = World.deploy(world.chain)
    header = Header(world.destination.id, 1, 1, sha256(b"root"))
    digest = eip712.header_digest(header, other.destination)
    call = world.functions.settle(header.encoded, party(ENCLAVE).sign_digest(digest))
    assert world.chain.refusal(call).name == "UnknownKey"
