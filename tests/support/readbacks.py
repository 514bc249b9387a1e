"""Read-backs as endorsers of a channel make them, from the wire's own messages; each part can be spoiled."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from adapters.hyperledger.proto import common_pb2, kvrwset_pb2, msp_pb2, peer_pb2, rwset_pb2
from fabric.core import canonical
from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.ids import ChannelId
from fabric.ledger.rules.entries import BatchEntry, batch_entry
from fabric.ledger.rules.mailbox_entries import (
    DeliveryEntry,
    MessageEntry,
    MessageState,
    delivery_entry,
    message_entry,
)
from fabric.trust.batch import Header
from fabric.trust.message import Ending, Message
from tests.support.channel import CHAINCODE, CHANNEL, genesis
from tests.support.msp import P384, START, Authority, Member
from tests.support.proposals import Proposal, encode, propose
from tests.support.trust_samples import word

DESTINATION: Final = genesis("read-backs").destination
HEADER: Final = Header(DESTINATION.id, 1, 3, word("root"))
ANCHORED: Final = START - 60
BLOCK, TRANSACTION = 17, 2
BATCH: Final = BatchEntry(HEADER.count, HEADER.root, ANCHORED, word("key"))
KEY: Final = batch_entry(HEADER.batch_id).decode()
ROOTS: Final = {name: Authority(name) for name in ("Org1MSP", "Org2MSP")}
INTERMEDIATE: Final = Authority("Org2MSP", "intermediate", ROOTS["Org2MSP"])
CLIENT: Final = ROOTS["Org1MSP"].member("reader", "client")
PEERS: Final = (ROOTS["Org1MSP"].member("peer0"), INTERMEDIATE.member("peer0", curve=P384))
"""One of each organisation; the second one's certificate is of an intermediate, and its key of P-384."""
TRUST: Final[JsonObject] = {
    "channel": CHANNEL,
    "chaincode": CHAINCODE,
    "msps": {
        "Org1MSP": {"roots": [ROOTS["Org1MSP"].pem], "intermediates": []},
        "Org2MSP": {"roots": [ROOTS["Org2MSP"].pem], "intermediates": [INTERMEDIATE.pem]},
    },
    "policy": {"n": 2, "of": ["Org1MSP.peer", "Org2MSP.peer"]},
}
Version = tuple[int, int] | None


@dataclass(frozen=True)
class Recipe:
    """A read-back of the state; without changes one that holds.

    Attributes:
        state: what the keys hold, and the versions; None where they hold nothing.
        time: the proposal's timestamp.
        function: what is called.
        keys: what is asked for, those of ``state`` where None.
        proposal: fields of the proposal as ``propose`` takes them.
        header: fields of the channel header that are set to something else.
        answer: names of the answer that are set to something else.
        status: of the response.
        action: fields of the action that are set to something else.
        reads: what was read instead.
        writes: keys that are written.
        namespaces: names under which the reads stand.
        hash: the proposal hash instead of the right one.
        peers: who endorses.
        high: whether signatures have the high S.
    """

    state: Mapping[str, tuple[bytes, Version] | None] = field(
        default_factory=lambda: {KEY: (BATCH.encoded, (BLOCK, TRANSACTION))}
    )
    time: int = START
    function: bytes = b"read"
    keys: tuple[bytes, ...] | None = None
    proposal: Mapping[str, Any] = field(default_factory=dict)
    header: Mapping[str, Any] = field(default_factory=dict)
    answer: Mapping[str, JsonValue] = field(default_factory=dict)
    status: int = 200
    action: Mapping[str, Any] = field(default_factory=dict)
    reads: tuple[tuple[str, Version], ...] | None = None
    writes: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = (CHAINCODE,)
    hash: bytes | None = None
    peers: tuple[Member, ...] = PEERS
    high: bool = False

    def with_(self, **changes: Any) -> "Recipe":  # noqa: ANN401
        """Returns the recipe with some attributes changed."""
        return replace(self, **changes)

    def make(self) -> JsonObject:
        """Returns the read-back."""
        proposal = self.proposed()
        response = self.respond(proposal)
        return {
            "channel_header": text(proposal.channel_header),
            "signature_header": text(proposal.signature_header),
            "payload": text(proposal.payload),
            "response": text(response),
            "endorsements": self.endorse(response),
        }

    def proposed(self) -> Proposal:
        keys = tuple(key.encode() for key in self.state) if self.keys is None else self.keys
        proposal = propose(CLIENT, (self.function, *keys), self.time, **self.proposal)
        header = common_pb2.ChannelHeader.FromString(proposal.channel_header)
        for name, value in self.header.items():
            setattr(header, name, value)
        return replace(proposal, channel_header=encode(header))

    def respond(self, proposal: Proposal) -> bytes:
        answer: JsonObject = {
            "destination": DESTINATION.id.hex(),
            "time": self.time,
            "values": [None if each is None else each[0].hex() for each in self.state.values()],
        }
        payload = canonical.encode(answer | dict(self.answer))
        action = peer_pb2.ChaincodeAction(
            results=self.results(),
            response=peer_pb2.Response(status=self.status, payload=payload),
            chaincode_id=peer_pb2.ChaincodeID(name=CHAINCODE, version="1.0"),
        )
        for name, value in self.action.items():
            setattr(action, name, value) if isinstance(value, bytes) else getattr(action, name).CopyFrom(value)
        digest = proposal.hash if self.hash is None else self.hash
        return encode(peer_pb2.ProposalResponsePayload(proposal_hash=digest, extension=encode(action)))

    def results(self) -> bytes:
        reads = [("genesis", (1, 0)), *((key, each[1] if each else None) for key, each in self.state.items())]
        own = kvrwset_pb2.KVRWSet(
            reads=[_read(*each) for each in (reads if self.reads is None else self.reads)],
            writes=[kvrwset_pb2.KVWrite(key=key, value=b"value") for key in self.writes],
        )
        lifecycle = kvrwset_pb2.KVRWSet(reads=[_read(f"namespaces/fields/{CHAINCODE}/Sequence", (3, 0))])
        sets = [("_lifecycle", lifecycle), *((name, own) for name in self.namespaces)]
        namespaces = [rwset_pb2.NsReadWriteSet(namespace=name, rwset=encode(each)) for name, each in sets]
        return encode(rwset_pb2.TxReadWriteSet(ns_rwset=namespaces))

    def endorse(self, response: bytes) -> list[JsonValue]:
        signed = {each.identity: each.sign(response + each.identity, high=self.high) for each in self.peers}
        return [{"endorser": text(each), "signature": text(signed[each])} for each in sorted(signed)]


def receipt(recipe: Recipe = Recipe()) -> JsonObject:
    """Returns the material of a receipt."""
    return {"read": recipe.make()}


def sent(message: Message, body: bytes, state: MessageState = MessageState.SENT) -> JsonObject:
    """Returns the material of a message that was sent."""
    closed = 0 if state is MessageState.SENT else ANCHORED + 1
    entry = MessageEntry(state, ChannelId(message.channel), ANCHORED, closed)
    return event("sent", message, body, {message_entry(message.id).decode(): (entry.encoded, (BLOCK, TRANSACTION))})


def ended(message: Message, told: str, ending: Ending) -> JsonObject:
    """Returns the material of a message that was delivered, or that expired."""
    entry = DeliveryEntry(ending, ANCHORED)
    return event(told, message, b"", {delivery_entry(message.id).decode(): (entry.encoded, (BLOCK, TRANSACTION))})


def event(told: str, message: Message, data: bytes, state: Mapping[str, tuple[bytes, Version] | None]) -> JsonObject:
    """Returns the material of a mailbox event."""
    read = Recipe(state=state).make()
    return {"told": told, "message": message.encoded.hex(), "data": text(data), "read": read}


def identity(msp: str, pem: bytes) -> bytes:
    """Returns a serialised identity."""
    return encode(msp_pb2.SerializedIdentity(mspid=msp, id_bytes=pem))


def text(data: bytes) -> str:
    """Returns base64."""
    return base64.b64encode(data).decode()


def _read(key: str, version: Version) -> kvrwset_pb2.KVRead:
    at = kvrwset_pb2.Version(block_num=version[0], tx_num=version[1]) if version else None
    return kvrwset_pb2.KVRead(key=key, version=at)
