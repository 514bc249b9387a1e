"""A peer's side of the chaincode protocol over any pair of streams: registration, and transactions on a channel."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from adapters.hyperledger.chaincode.contract import Answer
from adapters.hyperledger.chaincode.transaction import read_transaction
from adapters.hyperledger.proto import peer_pb2, shim_pb2
from tests.support.channel import Channel, Simulation
from tests.support.msp import Member
from tests.support.proposals import Proposal, propose, start_message

Message = shim_pb2.ChaincodeMessage


@dataclass
class Peer:
    """Executes transactions by a chaincode behind a stream.

    Attributes:
        channel: whose committed state it shows.
        send: hands a message to the chaincode.
        incoming: what the chaincode sends.
    """

    channel: Channel
    send: Callable[[Message], None]
    incoming: Iterator[Message]
    running: dict[str, Simulation] = field(default_factory=dict)

    def register(self) -> str:
        """Takes the chaincode in; returns the package id that it names."""
        first = next(self.incoming)
        assert first.type == Message.REGISTER
        self.send(Message(type="REGISTERED"))
        self.send(Message(type="READY", payload=b"\x08\x01\x10\xe8\x07"))
        return peer_pb2.ChaincodeID.FromString(first.payload).name

    def start(self, client: Member, arguments: tuple[bytes, ...], nonce: bytes = b"nonce") -> Proposal:
        """Starts a transaction; ``finish`` takes what becomes of those that run."""
        proposal = propose(client, arguments, self.channel.clock.seconds, nonce=nonce)
        message = start_message(proposal, arguments)
        self.running[proposal.transaction] = Simulation(dict(self.channel.state), read_transaction(message))
        self.send(message)
        return proposal

    def finish(self, count: int = 1) -> list[tuple[Simulation, peer_pb2.Response]]:
        """Answers what the chaincode asks until so many transactions are complete."""
        done: list[tuple[Simulation, peer_pb2.Response]] = []
        while len(done) < count:
            message = next(self.incoming)
            if message.type == Message.COMPLETED:
                done.append(self._complete(message))
            elif message.type in (Message.GET_STATE, Message.PUT_STATE):
                self.send(self.answer(message))
        return done

    def run(self, client: Member, *arguments: bytes, nonce: bytes = b"nonce") -> tuple[Simulation, peer_pb2.Response]:
        """Executes one transaction to its end."""
        self.start(client, arguments, nonce)
        (done,) = self.finish()
        return done

    def answer(self, message: Message) -> Message:
        """Returns what the peer answers to a question about the state."""
        simulation = self.running[message.txid]
        payload = b""
        if message.type == Message.GET_STATE:
            payload = simulation.get(shim_pb2.GetState.FromString(message.payload).key) or b""
        else:
            put = shim_pb2.PutState.FromString(message.payload)
            simulation.put(put.key, put.value)
        return Message(type="RESPONSE", payload=payload, txid=message.txid, channel_id=message.channel_id)

    def _complete(self, message: Message) -> tuple[Simulation, peer_pb2.Response]:
        simulation = self.running.pop(message.txid)
        response = peer_pb2.Response.FromString(message.payload)
        event = message.chaincode_event.payload if message.HasField("chaincode_event") else None
        simulation.answer = Answer(response.payload, event)
        return simulation, response
