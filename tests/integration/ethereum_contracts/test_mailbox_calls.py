"""Contracts at the ends of channels: what the mailbox tells them, and what hostile ones gain: nothing."""

from typing import Any, Final

import pytest
from eth_abi.abi import encode as abi_encode
from web3.contract import Contract
from web3.exceptions import ContractCustomError

from fabric.core.ids import sha256
from fabric.trust.message import Ending
from tests.integration.ethereum_contracts.chain import Chain, Refusal, Sent, decode_error
from tests.integration.ethereum_contracts.post import BODY, Post, channel_of, data_of
from tests.integration.ethereum_contracts.world import World

pytestmark = pytest.mark.ethereum

KIND, RAW, REVERTING, BURNING = range(4)
MUCH: Final = 1 << 19
"""Bytes; copying them would cost the mailbox half a million gas."""
OWN_GAS_SLACK: Final = 4_000
"""What copying 1,024 bytes of a reason, or of a result, may cost the mailbox."""


@pytest.fixture
def ends(world: World) -> tuple[Post, Contract]:
    """A channel whose end here is a contract."""
    return Post.of_contract(world)


def arm(ends: tuple[Post, Contract], mood: int, answer: bytes = b"", zeros: int = 0) -> None:
    post, contract = ends
    post.world.chain.send(contract.functions.arm(mood, answer, zeros))


def own_gas(chain: Chain, sent: Sent) -> int:
    """Returns what a transaction cost without what the contracts that it called spent in their own frames."""
    options = {"tracer": "callTracer"}
    trace: dict[str, Any] = chain.rpc("debug_traceTransaction", sent.receipt["transactionHash"].to_0x_hex(), options)
    called = [call for call in trace["calls"] if call["type"] == "CALL"]
    return int(trace["gasUsed"], 16) - sum(int(call["gasUsed"], 16) for call in called)


def test_a_recipient_is_given_the_message_and_answers(ends: tuple[Post, Contract]) -> None:
    post, contract = ends
    arm(ends, KIND, b"thanks")
    sent = post.world.chain.send(post.delivery(post.incoming()))
    assert dict(sent.events)["Delivered"]["result"] == b"thanks"
    assert contract.functions.last().call() == sha256(BODY)
    assert contract.functions.received().call() == 1
    assert post.world.chain.send(post.delivery(post.incoming())).names == ["Delivered"]


def test_a_repeat_does_not_reach_the_recipient(ends: tuple[Post, Contract]) -> None:
    post, contract = ends
    call = post.delivery(post.incoming())
    post.world.chain.send(call)
    assert post.world.chain.send(call).names == []
    assert contract.functions.received().call() == 1


def test_the_largest_body_and_the_largest_result_pass(ends: tuple[Post, Contract]) -> None:
    post, contract = ends
    arm(ends, KIND, bytes(range(256)) * 4)
    body = bytes(range(256)) * 120
    sent = post.world.chain.send(post.delivery(post.incoming(body=body), body))
    assert dict(sent.events)["Delivered"]["result"] == bytes(range(256)) * 4
    assert contract.functions.last().call() == sha256(body)


def test_a_sender_is_told_once_what_became_of_its_message(ends: tuple[Post, Contract]) -> None:
    post, contract = ends
    expiry = post.world.chain.time + 99
    first, second = (post.outgoing(number, expiry=expiry) for number in range(2))
    for _ in range(2):
        post.world.chain.send(contract.functions.send(post.channel.id, BODY, expiry))
    call = post.acknowledgement(first, result=b"received")
    assert post.world.chain.send(call).names == ["Acknowledged"]
    assert contract.functions.last().call() == sha256(b"received")
    assert post.world.chain.send(call).names == []
    post.world.chain.send(post.acknowledgement(second, Ending.EXPIRED))
    assert [contract.functions.told(outcome).call() for outcome in (1, 2)] == [1, 1]


def test_the_base_contract_sends_what_python_expects(ends: tuple[Post, Contract]) -> None:
    post, contract = ends
    expiry = post.world.chain.time + 99
    sent = post.world.chain.send(contract.functions.send(post.channel.id, BODY, expiry))
    told, expected = dict(sent.events)["Sent"], post.outgoing(expiry=expiry)
    assert (told["words"], told["message"], told["body"]) == (expected.encoded, expected.id, BODY)


def test_only_the_mailbox_calls_an_end(ends: tuple[Post, Contract]) -> None:
    post, contract = ends
    sender = post.world.chain.accounts[0]
    expected = Refusal("NotMailbox", (sender.lower(),))
    assert post.world.chain.refusal(contract.functions.onMessage(post.incoming().encoded, BODY)) == expected
    assert post.world.chain.refusal(contract.functions.onAcknowledged(bytes(32), 1, b"")) == expected


@pytest.mark.parametrize(
    "reason",
    [b"", bytes.fromhex("deadbeef"), b"MessageExpired's own selector is filled in below"],
    ids=["nothing", "a foreign error", "an error of the mailbox"],
)
def test_a_reverting_recipient_leaves_the_message_where_it_was(ends: tuple[Post, Contract], reason: bytes) -> None:
    post, contract = ends
    chain, message = post.world.chain, post.incoming()
    call = post.delivery(message)
    if len(reason) > 4:
        chain.send(post.world.functions.expire(post.incoming(1, expiry=1).encoded))
        expired = post.delivery(post.incoming(1, expiry=1))
        with pytest.raises(ContractCustomError) as caught:
            expired.call()
        reason = bytes.fromhex(str(caught.value.data)[2:])
        assert decode_error(reason).name == "MessageExpired"
    arm(ends, REVERTING, reason)
    count = post.world.functions.mailboxCount().call()
    assert chain.refusal(call) == Refusal("CallReverted", (contract.address.lower(), reason))
    assert post.world.functions.deliveryOf(message.id).call() == (0, 0)
    assert post.world.functions.mailboxCount().call() == count
    arm(ends, KIND)
    assert chain.send(call).names == ["Delivered"]


def test_a_reverting_sender_leaves_its_message_open(ends: tuple[Post, Contract]) -> None:
    post, contract = ends
    chain, message = post.world.chain, post.outgoing(expiry=post.world.chain.time + 99)
    chain.send(contract.functions.send(post.channel.id, BODY, message.expiry))
    call = post.acknowledgement(message)
    arm(ends, REVERTING, b"no")
    assert chain.refusal(call) == Refusal("CallReverted", (contract.address.lower(), b"no"))
    assert post.world.functions.messageOf(message.id).call()[0] == 1
    arm(ends, RAW)
    chain.send(call)
    assert post.world.functions.messageOf(message.id).call()[0] == 2


def test_of_an_endless_reason_a_kilobyte_is_kept(ends: tuple[Post, Contract]) -> None:
    post, contract = ends
    call = post.delivery(post.incoming())
    arm(ends, REVERTING, b"no", MUCH)
    refused = post.world.chain.refusal(call)
    assert refused == Refusal("CallReverted", (contract.address.lower(), b"no".ljust(1_024, b"\0")))


def test_a_recipient_that_burns_its_gas_is_one_that_reverts(ends: tuple[Post, Contract]) -> None:
    post, contract = ends
    call = post.delivery(post.incoming())
    arm(ends, BURNING)
    assert post.world.chain.refusal(call) == Refusal("CallReverted", (contract.address.lower(), b""))


@pytest.mark.parametrize(
    "answer",
    [b"", bytes(31), bytes(64), (64).to_bytes(32, "big") + bytes(64), abi_encode(["uint256", "uint256"], [32, 1])],
    ids=["nothing", "less than a word", "no offset", "another offset", "shorter than it says"],
)
def test_a_result_that_is_none_is_refused(ends: tuple[Post, Contract], answer: bytes) -> None:
    post, contract = ends
    call = post.delivery(post.incoming())
    arm(ends, RAW, answer)
    assert post.world.chain.refusal(call) == Refusal("BadResult", (contract.address.lower(),))


@pytest.mark.parametrize("length", [1_025, 2**256 - 1])
def test_a_result_that_is_too_long_is_refused(ends: tuple[Post, Contract], length: int) -> None:
    post = ends[0]
    call = post.delivery(post.incoming())
    arm(ends, RAW, abi_encode(["uint256", "uint256"], [32, length]), 2_048)
    assert post.world.chain.refusal(call) == Refusal("ResultTooLong", (length,))


def test_half_a_megabyte_after_the_result_costs_the_mailbox_nothing(ends: tuple[Post, Contract]) -> None:
    post = ends[0]
    chain, calls = post.world.chain, [post.delivery(post.incoming(number)) for number in range(3)]
    chain.send(calls[0])
    arm(ends, KIND, b"yes")
    plain = chain.send(calls[1])
    arm(ends, RAW, abi_encode(["bytes"], [b"yes"]), MUCH)
    padded = chain.send(calls[2])
    assert dict(padded.events)["Delivered"]["result"] == b"yes"
    assert padded.gas > plain.gas + 500_000
    assert own_gas(chain, padded) < own_gas(chain, plain) + OWN_GAS_SLACK


def test_calling_back_from_a_delivery_gains_nothing(ends: tuple[Post, Contract]) -> None:
    post, contract = ends
    chain, message = post.world.chain, post.incoming()
    expiry = chain.time + 999
    outgoing = post.outgoing(expiry=expiry)
    chain.send(contract.functions.send(post.channel.id, BODY, expiry))
    deliver = post.delivery(message)
    attacks = [
        deliver,
        post.expiring(message),
        post.acknowledgement(outgoing),
        post.acknowledgement(outgoing, Ending.EXPIRED),
        post.sending(post.outgoing(1)),
        post.world.functions.openChannel(channel_of(post.world, contract.address, "another").encoded),
    ]
    chain.send(contract.functions.load([data_of(one) for one in attacks]))
    sent = chain.send(deliver, at=message.expiry)
    tried = contract.functions.tried().call()
    # The acknowledgement calls the contract in turn, and all is tried again before the first round goes on.
    assert contract.functions.received().call() == 1
    assert [contract.functions.told(outcome).call() for outcome in (1, 2)] == [1, 0]
    refused = {decode_error(answer).name for succeeded, answer in tried if not succeeded}
    assert refused == {"MessageDelivered", "MessageClosed"}
    indexed = sorted(fields["index"] for name, fields in sent.events if name != "Acknowledged")
    assert sorted(sent.names) == ["Acknowledged", "ChannelOpened", "Delivered", "Sent"]
    count = post.world.functions.mailboxCount().call()
    assert indexed == list(range(count - 3, count))
    assert dict(sent.events)["Delivered"]["index"] == count - 3


def test_calling_back_from_an_acknowledgement_gains_nothing(ends: tuple[Post, Contract]) -> None:
    post, contract = ends
    chain, expiry = post.world.chain, post.world.chain.time + 999
    message = post.outgoing(expiry=expiry)
    chain.send(contract.functions.send(post.channel.id, BODY, expiry))
    refund = post.acknowledgement(message, Ending.EXPIRED)
    attacks = [refund, post.acknowledgement(message), post.sending(message), post.sending(post.outgoing(1))]
    chain.send(contract.functions.load([data_of(one) for one in attacks]))
    sent = chain.send(refund)
    assert sent.names == ["Acknowledged", "Sent"]
    assert [contract.functions.told(outcome).call() for outcome in (1, 2)] == [0, 1]
    answers = [
        (succeeded, answer and decode_error(answer).name) for succeeded, answer in contract.functions.tried().call()
    ]
    assert answers == [(True, b""), (False, "MessageClosed"), (True, b""), (True, b"")]
    assert post.world.functions.nextSequence(post.channel.id).call() == 2
    assert post.world.functions.messageOf(message.id).call()[0] == 3
