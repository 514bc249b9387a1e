"""The insured shipment: a rejection sends claims in the same call, each with a deposit that ends spent or released."""

from dataclasses import dataclass
from typing import Final

import pytest
from eth_abi.abi import encode as abi_encode
from web3 import Web3
from web3.exceptions import ContractCustomError

from fabric.core.ids import method_word, sha256
from fabric.trust.message import Ending, Message
from tests.integration.ethereum_contracts.chain import Refusal, Sent, decode_error
from tests.integration.ethereum_contracts.post import Post, channel_of
from tests.integration.ethereum_contracts.world import Cryptlet, World

pytestmark = pytest.mark.ethereum

DEPOSIT: Final = 10**16
PATIENCE: Final = 600
VERDICT: Final = ["bool", "int256", "uint256", "uint256"]
REJECTED: Final = abi_encode(VERDICT, [False, 9_100, 7_200, 3])
REVERTING: Final = "0x60006000fd"
"""Code that refuses every call."""
ACCEPTED: Final = abi_encode(VERDICT, [True, 5_000, 0, 0])


@dataclass(frozen=True)
class Insured:
    """A bound contract and the ends of its channels."""

    cryptlet: Cryptlet
    posts: tuple[Post, ...]

    @property
    def deposits(self) -> tuple[int, int, int]:
        """Wei that are free, locked and spent; together they are what the contract holds."""
        functions, chain = self.cryptlet.functions, self.cryptlet.world.chain
        held = functions.free().call(), functions.locked().call(), functions.spent().call()
        assert sum(held) == chain.web3.eth.get_balance(self.cryptlet.contract.address)
        return held

    def judge(self, payload: bytes) -> tuple[Sent | Refusal, list[Message]]:
        """Has a verdict consumed; returns what came of it, and the messages that it must have sent."""
        chain, version = self.cryptlet.world.chain, self.cryptlet.functions.stateVersion().call()
        fields = {"method": method_word("judge"), "payload": sha256(payload), "state_version": version}
        record = self.cryptlet.record(f"verdict {version}", **fields)
        self.cryptlet.world.anchor([record])
        call = self.cryptlet.consumption([record], 0, payload)
        body = abi_encode(["bytes32", "uint64", "uint64", "int64"], [record.input, 3, 7_200, 9_100])
        sequences = [self.cryptlet.world.functions.nextSequence(post.channel.id).call() for post in self.posts]
        done = chain.attempt(call)
        pairs = zip(self.posts, sequences, strict=True)
        return done, [post.outgoing(number, body, expiry=chain.time + PATIENCE) for post, number in pairs]


def insure(world: World, routes: int, funds: int) -> Insured:
    cryptlet = Cryptlet.deploy(world, "InsuredShipment")
    posts = []
    for number in range(routes):
        channel = channel_of(world, cryptlet.contract.address, str(number))
        world.chain.send(cryptlet.functions.openRoute(channel.encoded, PATIENCE))
        posts.append(Post(world, channel, cryptlet.contract.address))
    if funds:
        world.chain.send(cryptlet.functions.fund(), value=funds)
    return Insured(cryptlet, tuple(posts))


def test_a_rejection_claims_over_every_route(world: World) -> None:
    insured = insure(world, 2, 5 * DEPOSIT)
    done, messages = insured.judge(REJECTED)
    assert isinstance(done, Sent)
    assert done.names == ["Consumed", "Judged", *["Sent", "Claimed"] * 2, "Applied"]
    claimed = [fields for name, fields in done.events if name == "Claimed"]
    assert [fields["message"] for fields in claimed] == [message.id for message in messages]
    assert [fields["deposit"] for fields in claimed] == [DEPOSIT] * 2
    assert insured.deposits == (3 * DEPOSIT, 2 * DEPOSIT, 0)
    assert insured.cryptlet.functions.claims().call() == [(message.id, 1) for message in messages]


def test_an_acceptance_claims_nothing(world: World) -> None:
    insured = insure(world, 1, DEPOSIT)
    done, _ = insured.judge(ACCEPTED)
    assert isinstance(done, Sent)
    assert done.names == ["Consumed", "Judged", "Applied"]
    assert insured.deposits == (DEPOSIT, 0, 0)


def test_without_routes_a_rejection_costs_nothing(world: World) -> None:
    insured = insure(world, 0, 0)
    done, _ = insured.judge(REJECTED)
    assert isinstance(done, Sent)
    assert done.names == ["Consumed", "Judged", "Applied"]


def test_a_deposit_is_spent_or_released(world: World) -> None:
    insured = insure(world, 2, 2 * DEPOSIT)
    _, (paid, refunded) = insured.judge(REJECTED)
    one, two = insured.posts
    spent = world.chain.send(one.acknowledgement(paid, Ending.DELIVERED, b"paid"))
    assert spent.events[-1] == ("DepositSpent", {"message": paid.id, "deposit": DEPOSIT})
    released = world.chain.send(two.acknowledgement(refunded, Ending.EXPIRED))
    assert released.events[-1] == ("DepositReleased", {"message": refunded.id, "deposit": DEPOSIT})
    assert insured.deposits == (DEPOSIT, 0, DEPOSIT)
    assert insured.cryptlet.functions.claims().call() == [(paid.id, 2), (refunded.id, 3)]


def test_without_funds_a_rejection_waits(world: World) -> None:
    insured = insure(world, 2, DEPOSIT)
    refused, _ = insured.judge(REJECTED)
    assert refused == Refusal("NotFunded", (DEPOSIT, 2 * DEPOSIT))
    assert insured.cryptlet.functions.stateVersion().call() == 0
    world.chain.send(insured.cryptlet.functions.fund(), value=DEPOSIT, sender=world.chain.accounts[3])
    done, _ = insured.judge(REJECTED)
    assert isinstance(done, Sent)


def test_what_no_claim_binds_can_be_withdrawn(world: World) -> None:
    insured = insure(world, 1, 3 * DEPOSIT)
    insured.judge(REJECTED)
    functions = insured.cryptlet.functions
    refused = world.chain.refusal(functions.withdraw(3 * DEPOSIT))
    assert refused == Refusal("NotFunded", (2 * DEPOSIT, 3 * DEPOSIT))
    stranger = world.chain.accounts[1]
    expected = Refusal("NotDeployer", (stranger.lower(),))
    assert world.chain.refusal(functions.withdraw(1), sender=stranger) == expected
    world.chain.send(functions.withdraw(2 * DEPOSIT))
    assert insured.deposits == (0, DEPOSIT, 0)


def test_ether_that_the_deployer_does_not_take_stays(world: World) -> None:
    insured, deployer = insure(world, 0, DEPOSIT), world.chain.accounts[0]
    call = insured.cryptlet.functions.withdraw(DEPOSIT)
    world.chain.rpc("anvil_setCode", deployer, REVERTING)
    try:
        with pytest.raises(ContractCustomError) as caught:
            call.call({"from": Web3.to_checksum_address(deployer)})
    finally:
        world.chain.rpc("anvil_setCode", deployer, "0x")
    assert decode_error(bytes.fromhex(str(caught.value.data)[2:])) == Refusal("NotPaid")
    assert insured.deposits == (DEPOSIT, 0, 0)


def test_routes_are_the_deployers_and_few(world: World) -> None:
    insured = insure(world, 7, 0)
    functions, address = insured.cryptlet.functions, insured.cryptlet.contract.address
    last, more = (channel_of(world, address, label) for label in ("last", "more"))
    stranger = world.chain.accounts[1]
    strange = world.chain.refusal(functions.openRoute(last.encoded, PATIENCE), sender=stranger)
    assert strange.name == "NotDeployer"
    assert world.chain.refusal(functions.openRoute(last.encoded, 0)) == Refusal("BadRoute", (last.id,))
    world.chain.send(functions.openRoute(last.encoded, PATIENCE))
    again = insured.posts[3].channel
    assert world.chain.refusal(functions.openRoute(again.encoded, PATIENCE)) == Refusal("BadRoute", (again.id,))
    assert world.chain.refusal(functions.openRoute(more.encoded, PATIENCE)) == Refusal("BadRoute", (more.id,))
    routes = functions.routes().call()
    assert routes == [(channel, PATIENCE) for channel in (*(post.channel.id for post in insured.posts), last.id)]


def test_it_takes_no_messages(world: World) -> None:
    post = insure(world, 1, 0).posts[0]
    refused = world.chain.refusal(post.delivery(post.incoming()))
    assert refused.name == "CallReverted"
    assert decode_error(refused.arguments[1]) == Refusal("TakesNoMessages")
