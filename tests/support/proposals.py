"""Proposals as a client of a channel makes them, from the wire's own messages."""

from dataclasses import dataclass
from typing import Final

from google.protobuf.message import Message

from adapters.hyperledger.proto import common_pb2, peer_pb2, shim_pb2
from fabric.core.ids import sha256
from tests.support.channel import CHAINCODE, CHANNEL
from tests.support.msp import Member

ENDORSER_TRANSACTION: Final = 3


@dataclass(frozen=True)
class Proposal:
    """What a client signs, in its parts."""

    channel_header: bytes
    signature_header: bytes
    payload: bytes
    transaction: str

    @property
    def signed(self) -> peer_pb2.SignedProposal:
        """The proposal; nobody here looks at its signature."""
        header = common_pb2.Header(channel_header=self.channel_header, signature_header=self.signature_header)
        proposal = peer_pb2.Proposal(header=encode(header), payload=self.payload)
        return peer_pb2.SignedProposal(proposal_bytes=encode(proposal))

    @property
    def hash(self) -> bytes:
        """The proposal hash."""
        return sha256(self.channel_header, self.signature_header, self.payload)


def propose(
    client: Member,
    arguments: tuple[bytes, ...],
    time: int,
    *,
    channel: str = CHANNEL,
    chaincode: str = CHAINCODE,
    nonce: bytes = b"nonce",
) -> Proposal:
    """Returns a proposal of a client; the nonce makes its transaction id."""
    signature_header = common_pb2.SignatureHeader(creator=client.identity, nonce=nonce)
    transaction = sha256(nonce, client.identity).hex()
    name = peer_pb2.ChaincodeID(name=chaincode)
    header = common_pb2.ChannelHeader(
        type=ENDORSER_TRANSACTION,
        channel_id=channel,
        tx_id=transaction,
        extension=encode(peer_pb2.ChaincodeHeaderExtension(chaincode_id=name)),
    )
    header.timestamp.seconds = time
    header.timestamp.nanos = 999_999_999
    spec = peer_pb2.ChaincodeSpec(type="GOLANG", chaincode_id=name, input=peer_pb2.ChaincodeInput(args=arguments))
    inputs = encode(peer_pb2.ChaincodeInvocationSpec(chaincode_spec=spec))
    payload = encode(peer_pb2.ChaincodeProposalPayload(input=inputs))
    return Proposal(encode(header), encode(signature_header), payload, transaction)


def start_message(
    proposal: Proposal, arguments: tuple[bytes, ...], channel: str = CHANNEL
) -> shim_pb2.ChaincodeMessage:
    """Returns the message by which a peer starts the transaction of a proposal."""
    return shim_pb2.ChaincodeMessage(
        type="TRANSACTION",
        payload=encode(peer_pb2.ChaincodeInput(args=arguments)),
        txid=proposal.transaction,
        channel_id=channel,
        proposal=proposal.signed,
    )


def encode(message: Message) -> bytes:
    """Returns a message's bytes."""
    return message.SerializeToString(deterministic=True)
