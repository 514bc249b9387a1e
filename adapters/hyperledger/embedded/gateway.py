"""The service ``gateway.Gateway``: what clients of a channel call, with the answers and failures of a real peer."""

from collections.abc import AsyncIterator, Sequence
from typing import Any, Final, NoReturn

import grpc
import grpc.aio
from google.protobuf.message import DecodeError

from adapters.hyperledger.embedded import qscc
from adapters.hyperledger.embedded.blocks import FILTER
from adapters.hyperledger.embedded.endorser import FAILED, NotEndorsed, Peer, assemble
from adapters.hyperledger.embedded.failures import Detail, fail
from adapters.hyperledger.embedded.identities import IdentityRefused
from adapters.hyperledger.embedded.ledger import Ledger
from adapters.hyperledger.embedded.orderer import OrderRefused
from adapters.hyperledger.embedded.policies import OutOf, Policy, Principal
from adapters.hyperledger.embedded.proposals import Proposal, ProposalRefused, check_proposal
from adapters.hyperledger.embedded.seeking import start_of
from adapters.hyperledger.embedded.transactions import read_event
from adapters.hyperledger.proto import common_pb2, gateway_pb2, peer_pb2

_Code = grpc.StatusCode
_NOT_ENDORSED: Final = "failed to endorse transaction, see attached details for more info"
_NOT_EVALUATED: Final = "evaluate call to endorser returned error: "
_Context = Any
"""``grpc.aio.ServicerContext``, which is generic in types that nobody here needs."""


class Gateway:
    """Answers for the peer of the first organisation."""

    def __init__(self, ledger: Ledger) -> None:
        """Takes the ledger."""
        self._ledger = ledger

    async def evaluate(self, request: gateway_pb2.EvaluateRequest, context: _Context) -> gateway_pb2.EvaluateResponse:
        """Executes a proposal on one peer, without any effect."""
        proposal = await self._proposal(request.channel_id, request.proposed_transaction, context)
        peers = await self._named(request.target_organizations, context) or list(self._ledger.peers.values())
        response = await self._execute(proposal, peers[0], context)
        if response.status >= FAILED:
            reason = f"chaincode response {response.status}, {response.message}"
            await self._fail(context, _Code.UNKNOWN, _NOT_EVALUATED + reason, Detail(peers[0].member.msp, reason))
        return gateway_pb2.EvaluateResponse(result=response)

    async def endorse(self, request: gateway_pb2.EndorseRequest, context: _Context) -> gateway_pb2.EndorseResponse:
        """Has a proposal endorsed as its chaincode's policy asks, or by the organisations that are named."""
        proposal = await self._proposal(request.channel_id, request.proposed_transaction, context)
        policy = self._ledger.policies.get(proposal.chaincode)
        if policy is None:
            await self._unknown(proposal.chaincode, request.channel_id, context)
        peers = await self._named(request.endorsing_organizations, context) or self._needed(policy)
        try:
            return gateway_pb2.EndorseResponse(prepared_transaction=await assemble(proposal, peers))
        except NotEndorsed as error:
            await self._fail(context, _Code.ABORTED, _NOT_ENDORSED, Detail(error.msp, str(error)))

    async def submit(self, request: gateway_pb2.SubmitRequest, context: _Context) -> gateway_pb2.SubmitResponse:
        """Has a signed transaction ordered."""
        envelope = request.prepared_transaction
        await self._channel(request.channel_id, context)
        if not envelope.payload or not envelope.signature:
            await fail(context, _Code.INVALID_ARGUMENT, "prepared transaction must be signed")
        try:
            self._ledger.orderer.take(envelope)
        except OrderRefused as error:
            status = common_pb2.Status.Name(error.status)
            if error.status == common_pb2.SERVICE_UNAVAILABLE:
                reason = f"no orderers could successfully process transaction: {error}"
                await self._fail(context, _Code.UNAVAILABLE, reason, Detail("OrdererMSP", str(error)))
            reason = f"received unsuccessful response from orderer: status={status}, info={error}"
            await self._fail(context, _Code.ABORTED, reason, Detail("OrdererMSP", reason))
        return gateway_pb2.SubmitResponse()

    async def commit_status(
        self, signed: gateway_pb2.SignedCommitStatusRequest, context: _Context
    ) -> gateway_pb2.CommitStatusResponse:
        """Waits until a transaction is in a block, and says what became of it."""
        request = await _parsed(gateway_pb2.CommitStatusRequest, signed.request, context)
        await self._reader(request.channel_id, request.identity, (signed.request, signed.signature), context)
        found = await self._ledger.channel.wait_committed(request.transaction_id)
        result = peer_pb2.TxValidationCode.Name(found.code)
        return gateway_pb2.CommitStatusResponse(result=result, block_number=found.block)

    async def chaincode_events(
        self, signed: gateway_pb2.SignedChaincodeEventsRequest, context: _Context
    ) -> AsyncIterator[gateway_pb2.ChaincodeEventsResponse]:
        """Gives a chaincode's events of valid transactions, block by block."""
        request = await _parsed(gateway_pb2.ChaincodeEventsRequest, signed.request, context)
        await self._reader(request.channel_id, request.identity, (signed.request, signed.signature), context)
        channel, after = self._ledger.channel, request.after_transaction_id
        known = channel.committed(after) if after else None
        start = known.block if known else start_of(request.start_position, channel.height)
        # A client may wait for the headers before it causes the first event.
        await context.send_initial_metadata(())
        async for block in channel.follow(start):
            events = _events(block, request.chaincode_id, after if known and block.header.number == start else "")
            if events:
                yield gateway_pb2.ChaincodeEventsResponse(events=events, block_number=block.header.number)

    async def _proposal(self, channel: str, signed: peer_pb2.SignedProposal, context: _Context) -> Proposal:
        if not signed.proposal_bytes:
            await fail(context, _Code.INVALID_ARGUMENT, "the proposed transaction must contain a signed proposal")
        if channel != self._ledger.channel.name:
            await self._unknown(_chaincode_of(signed), channel, context)
        try:
            return self._checked(signed)
        except ProposalRefused as error:
            detail = Detail(self._ledger.msp, f"error validating proposal: {error}")
            await self._fail(context, _Code.ABORTED, _NOT_ENDORSED, detail)

    def _checked(self, signed: peer_pb2.SignedProposal) -> Proposal:
        channel = self._ledger.channel
        proposal = check_proposal(signed, channel.name, self._ledger.identities)
        if channel.is_known(proposal.transaction):
            raise ProposalRefused(f"duplicate transaction found [{proposal.transaction}]")
        return proposal

    async def _execute(self, proposal: Proposal, peer: Peer, context: _Context) -> peer_pb2.Response:
        if proposal.chaincode == qscc.NAME:
            return qscc.query(self._ledger.channel, proposal.args)
        if proposal.chaincode not in self._ledger.policies:
            await self._unknown(proposal.chaincode, self._ledger.channel.name, context)
        try:
            return (await peer.execute(proposal))[0]
        except NotEndorsed as error:
            await self._fail(context, _Code.UNKNOWN, f"{_NOT_EVALUATED}{error}", Detail(error.msp, str(error)))

    async def _named(self, organisations: Sequence[str], context: _Context) -> list[Peer]:
        missing = [name for name in organisations if name not in self._ledger.peers]
        if missing:
            reason = f"failed to find any endorsing peers for org(s): {', '.join(missing)}"
            await fail(context, _Code.UNAVAILABLE, reason)
        return [self._ledger.peers[name] for name in dict.fromkeys(organisations)]

    def _needed(self, policy: Policy) -> list[Peer]:
        """Returns the peers of all organisations that a policy names: more than enough where it asks for a part."""
        return [self._ledger.peers[name] for name in sorted(_organisations(policy) & self._ledger.peers.keys())]

    async def _channel(self, name: str, context: _Context) -> None:
        if name != self._ledger.channel.name:
            await fail(context, _Code.FAILED_PRECONDITION, f"channel '{name}' not found")

    async def _reader(self, channel: str, identity: bytes, signed: tuple[bytes, bytes], context: _Context) -> None:
        await self._channel(channel, context)
        try:
            self._ledger.identities.verified(identity, *signed)
        except IdentityRefused as error:
            await fail(context, _Code.PERMISSION_DENIED, f"permission denied for /Channel/Application/Readers: {error}")

    async def _unknown(self, chaincode: str, channel: str, context: _Context) -> NoReturn:
        reason = f"No metadata was found for chaincode {chaincode} in channel {channel}"
        about = "no combination of peers can be derived which satisfy the endorsement policy: "
        await fail(context, _Code.FAILED_PRECONDITION, about + reason)

    async def _fail(self, context: _Context, code: grpc.StatusCode, message: str, detail: Detail) -> NoReturn:
        await fail(context, code, message, [detail], self._ledger.address)


async def _parsed(kind: Any, data: bytes, context: _Context) -> Any:  # noqa: ANN401 - a message's class
    try:
        return kind.FromString(data)
    except DecodeError as error:
        await fail(context, _Code.INVALID_ARGUMENT, f"invalid request: {error}")


def _events(block: common_pb2.Block, chaincode: str, after: str) -> list[peer_pb2.ChaincodeEvent]:
    """Returns the events of a block's valid transactions, of those behind a transaction where one is named."""
    found, passed = [], not after
    for data, code in zip(block.data.data, block.metadata.metadata[FILTER], strict=True):
        header, event = read_event(data)
        if passed and code == peer_pb2.VALID and event is not None and event.chaincode_id == chaincode:
            found.append(event)
        passed = passed or header.tx_id == after
    return found


def _organisations(policy: Policy) -> set[str]:
    if isinstance(policy, Principal):
        return {policy.msp}
    assert isinstance(policy, OutOf)  # noqa: S101 - the other kind of a closed union
    return set().union(*map(_organisations, policy.rules))


def _chaincode_of(signed: peer_pb2.SignedProposal) -> str:
    """Returns the chaincode that a proposal names, for a message; nothing of it was checked."""
    try:
        header = common_pb2.Header.FromString(peer_pb2.Proposal.FromString(signed.proposal_bytes).header)
        about = common_pb2.ChannelHeader.FromString(header.channel_header)
        return peer_pb2.ChaincodeHeaderExtension.FromString(about.extension).chaincode_id.name
    except DecodeError:
        return "?"
