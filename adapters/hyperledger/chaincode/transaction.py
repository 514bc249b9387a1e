"""A transaction as the contract sees it, read from what a peer hands over."""

from dataclasses import dataclass
from typing import Final, TypeVar

from google.protobuf.message import DecodeError, Message

from adapters.hyperledger.account import certificate_account
from adapters.hyperledger.proto import common_pb2, msp_pb2, peer_pb2, shim_pb2
from fabric.core.errors import Malformed
from fabric.core.ids import Account, sha256

_M = TypeVar("_M", bound=Message)
_FIELD: Final = "proposal"
_ENDORSER_TRANSACTION: Final = 3


@dataclass(frozen=True)
class Transaction:
    """What is asked, by whom, and where.

    Attributes:
        id: transaction id.
        channel: id of the channel.
        chaincode: name of the chaincode that the client's proposal invokes.
        time: the proposal's timestamp, Unix seconds, rounded down.
        creator: the client's account.
        arguments: name of the function, then its arguments.
    """

    id: str
    channel: str
    chaincode: str
    time: int
    creator: Account
    arguments: tuple[bytes, ...]


def read_transaction(message: shim_pb2.ChaincodeMessage) -> Transaction:
    """Reads the message that starts a transaction.

    The peer has checked the client's signature; that the parts belong together is checked here again, since a call
    from another chaincode brings that one's proposal, and its client never asked for this.

    Raises:
        Malformed: a part does not decode, or is of another transaction, channel or invocation.
    """
    proposal = _decode(peer_pb2.Proposal, message.proposal.proposal_bytes)
    header = _decode(common_pb2.Header, proposal.header)
    channel = _decode(common_pb2.ChannelHeader, header.channel_header)
    if (channel.type, channel.tx_id, channel.channel_id) != (_ENDORSER_TRANSACTION, message.txid, message.channel_id):
        raise Malformed(_FIELD, "it is of another transaction or channel")
    arguments = tuple(_decode(peer_pb2.ChaincodeInput, message.payload).args)
    chaincode = _decode(peer_pb2.ChaincodeHeaderExtension, channel.extension).chaincode_id.name
    if _asked(proposal.payload) != (chaincode, arguments):
        raise Malformed(_FIELD, "it asks for another invocation")
    signature = _decode(common_pb2.SignatureHeader, header.signature_header)
    if sha256(signature.nonce, signature.creator).hex() != message.txid:
        raise Malformed(_FIELD, "the transaction id is not that of nonce and creator")
    creator = _decode(msp_pb2.SerializedIdentity, signature.creator)
    return Transaction(
        id=message.txid,
        channel=message.channel_id,
        chaincode=chaincode,
        time=channel.timestamp.seconds,
        creator=certificate_account(creator.mspid, creator.id_bytes),
        arguments=arguments,
    )


def _asked(payload: bytes) -> tuple[str, tuple[bytes, ...]]:
    """Returns chaincode and arguments as the client signed them."""
    inputs = _decode(peer_pb2.ChaincodeProposalPayload, payload).input
    spec = _decode(peer_pb2.ChaincodeInvocationSpec, inputs).chaincode_spec
    return spec.chaincode_id.name, tuple(spec.input.args)


def _decode(kind: type[_M], data: bytes) -> _M:
    try:
        return kind.FromString(data)
    except DecodeError as error:
        raise Malformed(_FIELD, f"not a {kind.DESCRIPTOR.full_name}") from error
