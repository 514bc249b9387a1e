"""One end of a channel on the contract under test: its messages, and the calls that an enclave's records make.

The other end is on a ledger that exists only by its id.
"""

from dataclasses import dataclass, replace
from typing import Any, Final, Self

from web3.contract import Contract
from web3.contract.contract import ContractFunction

from fabric.core.ids import Account, BindingVersion, DestinationId, method_word, sha256
from fabric.trust.letter import Acknowledgement, Delivery
from fabric.trust.message import ACKNOWLEDGE, DELIVER, Channel, End, Ending, Message, Shown
from fabric.trust.record import Record
from tests.integration.ethereum_contracts.world import BINDING, Field, World, account, inclusion

ELSEWHERE: Final = DestinationId(sha256(b"elsewhere"))
STRANGER: Final = Account(sha256(b"an account elsewhere"))
BODY: Final = b"a body"
HOUR: Final = 3_600


def channel_of(world: World, address: str, label: str = "", accepts: Shown = Shown.PROVEN) -> Channel:
    """Returns a channel between an address here and the stranger elsewhere."""
    here = End(world.destination.id, account(address), BINDING, accepts)
    there = End(ELSEWHERE, STRANGER, BindingVersion(sha256(b"their binding")), Shown.PROVEN)
    return Channel.between(here, there, sha256(b"salt", label.encode()))


@dataclass(frozen=True)
class Post:
    """An open end of a channel.

    Attributes:
        world: the settlement contract.
        channel: the channel.
        address: the own end's account.
    """

    world: World
    channel: Channel
    address: str

    @classmethod
    def of_account(cls, world: World, address: str, label: str = "", accepts: Shown = Shown.PROVEN) -> Self:
        """Opens a channel from an account without code."""
        channel = channel_of(world, address, label, accepts)
        world.chain.send(world.functions.openChannel(channel.encoded), sender=address)
        return cls(world, channel, address)

    @classmethod
    def of_contract(cls, world: World) -> tuple[Self, Contract]:
        """Deploys a correspondent and has it open a channel."""
        contract = world.chain.deploy("test/Correspondent", world.contract.address)
        channel = channel_of(world, contract.address)
        world.chain.send(contract.functions.open(channel.encoded))
        return cls(world, channel, contract.address), contract

    def incoming(self, sequence: int = 0, body: bytes = BODY, **changes: Field) -> Message:
        """Returns a message from the stranger, which can be delivered for an hour."""
        message = Message(
            channel=self.channel.id,
            source=ELSEWHERE,
            destination=self.world.destination.id,
            sender=STRANGER,
            recipient=account(self.address),
            sequence=sequence,
            expiry=self.world.chain.time + HOUR,
            body=sha256(body),
        )
        return replace(message, **changes)

    def outgoing(self, sequence: int = 0, body: bytes = BODY, **changes: Field) -> Message:
        """Returns a message to the stranger."""
        turned = {
            "source": self.world.destination.id,
            "destination": ELSEWHERE,
            "sender": account(self.address),
            "recipient": STRANGER,
        }
        return self.incoming(sequence, body, **(turned | changes))

    def sending(self, message: Message, body: bytes = BODY) -> ContractFunction:
        return self.world.functions.send(message.encoded, body)

    def send(self, sequence: int = 0) -> Message:
        """Sends a message; for accounts without code."""
        message = self.outgoing(sequence)
        self.world.chain.send(self.sending(message), sender=self.address)
        return message

    def delivery(
        self, message: Message, body: bytes = BODY, shown: Shown = Shown.PROVEN, **changes: Field
    ) -> ContractFunction:
        """Anchors the record of a delivery and returns the call that brings it."""
        payload = Delivery(shown, message, body).encoded
        values = self._settled(payload, DELIVER, changes)
        return self.world.functions.deliver(values.pop("record"), payload, *values.values())

    def acknowledgement(
        self,
        message: Message,
        ending: Ending = Ending.DELIVERED,
        result: bytes = b"",
        shown: Shown = Shown.PROVEN,
        **changes: Field,
    ) -> ContractFunction:
        """Anchors the record of an acknowledgement and returns the call that brings it."""
        payload = Acknowledgement(shown, ending, self.world.chain.time, message, result).encoded
        values = self._settled(payload, ACKNOWLEDGE, changes)
        return self.world.functions.acknowledge(values.pop("record"), payload, *values.values())

    def expiring(self, message: Message) -> ContractFunction:
        return self.world.functions.expire(message.encoded)

    def record(self, payload: bytes, method: str, /, **changes: Field) -> Record:
        """Returns the record of a letter, for the mailbox."""
        fields = {"method": method_word(method), "payload": sha256(payload)}
        name = f"{method} {sha256(payload).hex()}"
        return self.world.record(name, self.world.contract.address, **(fields | changes))

    def _settled(self, payload: bytes, method: str, changes: dict[str, Field]) -> dict[str, Any]:
        records = [self.record(payload, method, **changes)]
        self.world.anchor(records)
        return inclusion(records, 0)


def data_of(call: ContractFunction) -> bytes:
    """Returns the call data of a call."""
    return bytes.fromhex(str(call._encode_transaction_data())[2:])
