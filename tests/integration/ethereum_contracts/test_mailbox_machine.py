"""Delivered xor expired, as a state machine over two deployments on one chain, with a carrier without scruples.

The sender is an insured shipment, so that a refund and a spent deposit are ether; the recipient answers or reverts, and
calls back to deliver and to expire the very message that it is given. Records are those that honest enclaves would
make: of what the other deployment's events show, and of nothing else. The time is the carrier's.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from typing_extensions import override
from web3 import Web3
from web3.contract import Contract
from web3.contract.contract import ContractFunction

from fabric.core.ids import method_word, sha256
from fabric.trust.letter import Acknowledgement, Delivery, Letter
from fabric.trust.message import ACKNOWLEDGE, DELIVER, Channel, End, Ending, Message, Shown
from tests.integration.ethereum_contracts.chain import FORKS, Chain, Refusal, Sent, anvil
from tests.integration.ethereum_contracts.post import Post, data_of
from tests.integration.ethereum_contracts.test_insured_shipment import DEPOSIT, PATIENCE, REJECTED
from tests.integration.ethereum_contracts.world import BINDING, Cryptlet, World, account, inclusion

pytestmark = [pytest.mark.ethereum, pytest.mark.timeout(300)]

FUNDS: Final = 3 * DEPOSIT
KIND, REVERTING = 0, 2
WAITS: Final = st.sampled_from((1, 1, PATIENCE // 2, PATIENCE + 1))
INDEXED: Final = ("ChannelOpened", "Sent", "Delivered", "Expired")
TOLD: Final = {Ending.DELIVERED: "Delivered", Ending.EXPIRED: "Expired"}


@dataclass(frozen=True)
class Pair:
    """The two deployments and what stands on them.

    Attributes:
        source: the end that sends.
        destination: the end that receives.
        sender: the insured shipment.
        recipient: the correspondent.
    """

    source: Post
    destination: Post
    sender: Cryptlet
    recipient: Contract

    @classmethod
    def deploy(cls, chain: Chain) -> Self:
        near, far = World.deploy(chain), World.deploy(chain)
        near.register()
        far.register()
        sender = Cryptlet.deploy(near, "InsuredShipment")
        recipient = chain.deploy("test/Correspondent", far.contract.address)
        here = End(near.destination.id, account(sender.contract.address), BINDING, Shown.PROVEN)
        there = End(far.destination.id, account(recipient.address), BINDING, Shown.PROVEN)
        channel = Channel.between(here, there, bytes(32))
        chain.send(sender.functions.fund(), value=FUNDS)
        sides = (Post(near, channel, sender.contract.address), Post(far, channel, recipient.address))
        return cls(*sides, sender, recipient)


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with anvil(FORKS[-1]) as chain:
        yield Pair.deploy(chain)


class Mailboxes(RuleBasedStateMachine):
    pair: ClassVar[Pair]
    messages = Bundle("messages")
    letters = Bundle("letters")

    @initialize(target=messages, recipient_opens=st.sampled_from((True, True, True, False)))
    def open(self, *, recipient_opens: bool) -> Message:
        self.chain = self.pair.source.world.chain
        self.snapshot = self.chain.rpc("evm_snapshot")
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.sent: list[Message] = []
        self.made = 0
        words = self.pair.source.channel.encoded
        assert self._do(self.pair.sender.functions.openRoute(words, PATIENCE))
        if recipient_opens:
            assert self._do(self.pair.recipient.functions.open(words))
        return self._send()

    @rule(target=messages)
    def send(self) -> Message:
        return self._send()

    @rule(target=letters, message=messages, after=WAITS)
    def deliver(self, message: Message, after: int) -> ContractFunction:
        return self._deliver(message, after)

    @rule(message=messages, after=WAITS)
    def expire(self, message: Message, after: int) -> None:
        self._do(self.pair.destination.expiring(message), after)

    @rule(target=letters, message=messages)
    def acknowledge(self, message: Message) -> ContractFunction:
        """An enclave makes one only of what the destination told; of all else this delivers."""
        ending = next((one for one in Ending if message.id in self._ended(one)), None)
        if ending is None:
            return self._deliver(message, 1)
        call = self._call(self.pair.source, Acknowledgement(Shown.PROVEN, ending, self.chain.time, message, b""))
        self._do(call)
        return call

    @rule(letter=letters, after=WAITS)
    def bring_again(self, letter: ContractFunction, after: int) -> None:
        self._do(letter, after)

    @rule(message=messages, letter=letters, mood=st.sampled_from((KIND, KIND, REVERTING)))
    def change_the_recipient(self, message: Message, letter: ContractFunction, mood: int) -> None:
        attacks = [data_of(letter), data_of(self.pair.destination.expiring(message))]
        self._do(self.pair.recipient.functions.load(attacks))
        self._do(self.pair.recipient.functions.arm(mood, b"", 0))

    @invariant()
    def delivered_xor_expired(self) -> None:
        delivered, expired = (self._ended(ending) for ending in Ending)
        assert len(set(delivered)) == len(delivered)
        assert len(set(expired)) == len(expired)
        assert not set(delivered) & set(expired)

    @override
    def teardown(self) -> None:
        try:
            self._check_the_books()
        finally:
            assert self.chain.rpc("evm_revert", self.snapshot)

    def _send(self) -> Message:
        """A rejection sends a claim, unless there is no ether left for its deposit."""
        sender, free = self.pair.sender, self.pair.sender.functions.free().call()
        version = sender.functions.stateVersion().call()
        fields = {"method": method_word("judge"), "payload": sha256(REJECTED), "state_version": version}
        records = [sender.record(f"verdict {version}", **fields)]
        sender.world.anchor(records)
        done = self.chain.attempt(sender.consumption(records, 0, REJECTED))
        if free < DEPOSIT:
            assert done == Refusal("NotFunded", (free, DEPOSIT))
            return self.sent[0]
        assert isinstance(done, Sent), done
        self._note(done)
        self.sent.append(Message.decode(dict(done.events)["Sent"]["words"]))
        return self.sent[-1]

    def _deliver(self, message: Message, after: int) -> ContractFunction:
        body = next(fields["body"] for name, fields in self.told if name == "Sent" and fields["message"] == message.id)
        call = self._call(self.pair.destination, Delivery(Shown.PROVEN, message, body))
        self._do(call, after)
        return call

    def _check_the_books(self) -> None:
        """What both contracts keep is what their events told."""
        for post in (self.pair.source, self.pair.destination):
            here = [fields["index"] for name, fields in self.told if name in INDEXED and fields["at"] == post.world]
            assert sorted(here) == list(range(post.world.functions.mailboxCount().call()))
        assert self.pair.recipient.functions.received().call() == len(self._ended(Ending.DELIVERED))
        self._check_deposits()

    def _check_deposits(self) -> None:
        told = [(fields["message"], fields["outcome"]) for name, fields in self.told if name == "Acknowledged"]
        ended = dict(told)
        assert len(ended) == len(told)
        assert all(message in self._ended(Ending(outcome)) for message, outcome in told)
        functions, address = self.pair.sender.functions, self.pair.sender.contract.address
        states = [1 + ended.get(message.id, 0) for message in self.sent]
        assert functions.claims().call() == [
            (message.id, state) for message, state in zip(self.sent, states, strict=True)
        ]
        locked, spent = (DEPOSIT * states.count(state) for state in (1, 2))
        held = (functions.free().call(), functions.locked().call(), functions.spent().call())
        assert held == (FUNDS - locked - spent, locked, spent)
        assert self.chain.web3.eth.get_balance(Web3.to_checksum_address(address)) == FUNDS

    def _ended(self, ending: Ending) -> list[bytes]:
        return [fields["message"] for name, fields in self.told if name == TOLD[ending]]

    def _do(self, call: ContractFunction, after: int = 1) -> bool:
        """Sends a call so many seconds after the last; says whether it was accepted."""
        done = self.chain.attempt(call, at=self.chain.time + after)
        if isinstance(done, Sent):
            self._note(done)
        return isinstance(done, Sent)

    def _note(self, done: Sent) -> None:
        worlds = {post.world.contract.address: post.world for post in (self.pair.source, self.pair.destination)}
        for (name, fields), log in zip(done.events, done.receipt["logs"], strict=True):
            self.told.append((name, fields | {"at": worlds.get(log["address"])}))

    def _call(self, post: Post, letter: Letter) -> ContractFunction:
        """Anchors a record of a letter, another one each time, and returns the call that brings it."""
        self.made += 1
        method = DELIVER if isinstance(letter, Delivery) else ACKNOWLEDGE
        records = [post.record(letter.encoded, method, output=sha256(str(self.made).encode()))]
        post.world.anchor(records)
        _, *place = inclusion(records, 0).values()
        functions = post.world.functions
        bring = functions.deliver if method == DELIVER else functions.acknowledge
        return bring(records[0].encoded, letter.encoded, *place)


def test_delivered_xor_expired(pair: Pair) -> None:
    Mailboxes.pair = pair
    profile = settings(max_examples=25, stateful_step_count=30, deadline=None)
    run_state_machine_as_test(Mailboxes, settings=profile)
