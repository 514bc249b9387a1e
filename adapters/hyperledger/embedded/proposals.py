"""Proposals: what a client asks a chaincode to do, checked in the order in which a real peer checks it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from google.protobuf.message import DecodeError

from adapters.hyperledger.embedded.hashing import sha256, transaction_id
from adapters.hyperledger.embedded.identities import Identities, Identity, IdentityRefused
from adapters.hyperledger.proto import common_pb2, peer_pb2

ENDORSER_TRANSACTION: Final = common_pb2.ENDORSER_TRANSACTION


class ProposalRefused(Exception):
    """A proposal that no peer endorses; the message is what it says."""


@dataclass(frozen=True)
class Proposal:
    """A proposal whose creator signed it.

    Attributes:
        signed: the proposal as it came.
        header: its header.
        channel_header: the header's first part, parsed.
        chaincode: name of the chaincode.
        args: the function's name and its arguments.
        transient: what the chaincode gets and no ledger keeps.
        payload: the payload without the transient part.
        creator: who made it.
    """

    signed: peer_pb2.SignedProposal
    header: common_pb2.Header
    channel_header: common_pb2.ChannelHeader
    chaincode: str
    args: tuple[bytes, ...]
    transient: Mapping[str, bytes]
    payload: bytes
    creator: Identity

    @property
    def transaction(self) -> str:
        """The transaction id."""
        return self.channel_header.tx_id

    @property
    def hash(self) -> bytes:
        """What endorsers commit to: header and payload, without the transient part."""
        return sha256(self.header.channel_header, self.header.signature_header, self.payload)


def check_proposal(signed: peer_pb2.SignedProposal, channel: str, identities: Identities) -> Proposal:
    """Reads and checks a proposal for a channel; raises ``ProposalRefused``."""
    try:
        return _check(signed, channel, identities)
    except (DecodeError, ValueError) as error:
        raise ProposalRefused(f"error unmarshalling the proposal: {error}") from error


def _check(signed: peer_pb2.SignedProposal, channel: str, identities: Identities) -> Proposal:
    proposal = peer_pb2.Proposal.FromString(signed.proposal_bytes)
    header = common_pb2.Header.FromString(proposal.header)
    about = common_pb2.ChannelHeader.FromString(header.channel_header)
    signature = common_pb2.SignatureHeader.FromString(header.signature_header)
    _check_headers(about, signature)
    if about.channel_id != channel:
        raise ProposalRefused(f"channel '{about.channel_id}' not found")
    try:
        creator = identities.verified(signature.creator, signed.proposal_bytes, signed.signature)
    except IdentityRefused as error:
        raise ProposalRefused(f"access denied: channel [{channel}]: {error}") from error
    extension = peer_pb2.ChaincodeHeaderExtension.FromString(about.extension)
    payload = peer_pb2.ChaincodeProposalPayload.FromString(proposal.payload)
    spec = peer_pb2.ChaincodeInvocationSpec.FromString(payload.input).chaincode_spec
    if not extension.chaincode_id.name or spec.chaincode_id.name != extension.chaincode_id.name:
        raise ProposalRefused("the header names another chaincode than the input, or none")
    stripped = peer_pb2.ChaincodeProposalPayload(input=payload.input).SerializeToString()
    names = (extension.chaincode_id.name, tuple(spec.input.args), dict(payload.TransientMap))
    return Proposal(signed, header, about, *names, stripped, creator)


def _check_headers(about: common_pb2.ChannelHeader, signature: common_pb2.SignatureHeader) -> None:
    if about.type != ENDORSER_TRANSACTION:
        raise ProposalRefused(f"invalid header type {about.type}")
    if about.epoch:
        raise ProposalRefused(f"epoch is non-zero: {about.epoch}")
    if not signature.nonce or not signature.creator:
        raise ProposalRefused("nonce or creator is empty")
    expected = transaction_id(signature.nonce, signature.creator)
    if about.tx_id != expected:
        raise ProposalRefused(f"incorrectly computed txid '{about.tx_id}' -- expected '{expected}'")
