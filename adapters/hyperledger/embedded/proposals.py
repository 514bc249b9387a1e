"""Proposals: what a client asks a chaincode to do, checked in the order in which a real peer checks it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from google.protobuf.message import DecodeError

from adapters.hyperledger.embedded.hashing import sha256, transaction_id
from adapters.hyperledger.embedded.identities import Identities, Identity, IdentityRefused
from adapters.hyperledger.proto import common_pb2, peer_pb2

ENDORSER_TRANSACTION: Final = common_pb2.ENDORSER_TRANSACTION


class ProposalUnreadable(Exception):
    """What is no proposal at all: a gateway answers it by itself."""


class ProposalRefused(Exception):
    """A proposal that no peer endorses; the message is what it says."""


@dataclass(frozen=True)
class Asked:
    """A proposal that was read and not checked.

    Attributes:
        signed: the proposal as it came.
        header: its header.
        channel_header: the header's first part, parsed.
        spec: what the chaincode shall do.
        payload: the proposal's payload, parsed.
    """

    signed: peer_pb2.SignedProposal
    header: common_pb2.Header
    channel_header: common_pb2.ChannelHeader
    spec: peer_pb2.ChaincodeSpec
    payload: peer_pb2.ChaincodeProposalPayload

    @property
    def channel(self) -> str:
        """The channel that it is for."""
        return self.channel_header.channel_id

    @property
    def chaincode(self) -> str:
        """The chaincode that it is for."""
        return self.spec.chaincode_id.name


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


def read_proposal(signed: peer_pb2.SignedProposal) -> Asked:
    """Reads a proposal as far as a gateway does, which chooses peers by it; raises ``ProposalUnreadable``."""
    if not signed.proposal_bytes:
        raise ProposalUnreadable("a signed proposal is required")
    try:
        proposal = peer_pb2.Proposal.FromString(signed.proposal_bytes)
        header = common_pb2.Header.FromString(proposal.header)
        about = common_pb2.ChannelHeader.FromString(header.channel_header)
        payload = peer_pb2.ChaincodeProposalPayload.FromString(proposal.payload)
        spec = peer_pb2.ChaincodeInvocationSpec.FromString(payload.input).chaincode_spec
    except DecodeError as error:
        raise ProposalUnreadable(f"error unmarshalling the proposal: {error}") from error
    return Asked(signed, header, about, spec, payload)


def check_proposal(asked: Asked, identities: Identities) -> Proposal:
    """Checks a proposal as a peer does, in its order; raises ``ProposalRefused``."""
    signed, about = asked.signed, asked.channel_header
    try:
        signature = common_pb2.SignatureHeader.FromString(asked.header.signature_header)
        extension = peer_pb2.ChaincodeHeaderExtension.FromString(about.extension)
    except DecodeError as error:
        raise ProposalRefused(f"error unmarshalling the proposal: {error}") from error
    if identities.has_ended(signature.creator):
        raise ProposalRefused("proposal client identity expired")
    if not extension.chaincode_id.name:
        raise ProposalRefused("ChaincodeHeaderExtension.ChaincodeId.Name is empty")
    if extension.chaincode_id.name != asked.chaincode:
        raise ProposalRefused("the header names another chaincode than the input")
    _check_headers(about, signature)
    try:
        creator = identities.verified(signature.creator, signed.proposal_bytes, signed.signature)
    except IdentityRefused as error:
        raise _invalid(f"access denied: channel [{about.channel_id}] creator org {error.about}") from error
    stripped = peer_pb2.ChaincodeProposalPayload(input=asked.payload.input).SerializeToString()
    given = (tuple(asked.spec.input.args), dict(asked.payload.TransientMap))
    return Proposal(signed, asked.header, about, asked.chaincode, *given, stripped, creator)


def _check_headers(about: common_pb2.ChannelHeader, signature: common_pb2.SignatureHeader) -> None:
    if about.type != ENDORSER_TRANSACTION:
        names = common_pb2.HeaderType.DESCRIPTOR.values_by_number
        known = names.get(about.type)
        raise _invalid(f"invalid header type {known.name if known else about.type}")
    if about.epoch:
        raise _invalid("epoch is non-zero")
    if not signature.nonce:
        raise _invalid("nonce is empty")
    if not signature.creator:
        raise _invalid("creator is empty")
    expected = transaction_id(signature.nonce, signature.creator)
    if about.tx_id != expected:
        raise _invalid(f"incorrectly computed txid '{about.tx_id}' -- expected '{expected}'")


def _invalid(reason: str) -> ProposalRefused:
    return ProposalRefused(f"error validating proposal: {reason}")
