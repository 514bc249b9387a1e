"""The service ``gateway.Gateway``: what clients of a channel call, with the answers and failures of a real peer."""

from collections.abc import AsyncIterator, Sequence
from typing import Any, Final, NoReturn

import grpc
import grpc.aio
from google.protobuf.message import DecodeError

from adapters.hyperledger.embedded import qscc
from adapters.hyperledger.embedded.blocks import FILTER
from adapters.hyperledger.embedded.endorser import NOT_ENDORSED, NotEndorsed, NotExecuted, Peer, answered, assemble
from adapters.hyperledger.embedded.failures import Detail, fail, unsatisfied
from adapters.hyperledger.embedded.identities import IdentityRefused
from adapters.hyperledger.embedded.ledger import Ledger
from adapters.hyperledger.embedded.network import ORDERER
from adapters.hyperledger.embedded.orderer import OrdererHalted, OrderRefused
from adapters.hyperledger.embedded.proposals import (
    Asked,
    Proposal,
    ProposalRefused,
    ProposalUnreadable,
    check_proposal,
    read_proposal,
)
from adapters.hyperledger.embedded.seeking import start_of
from adapters.hyperledger.embedded.transactions import read_event
from adapters.hyperledger.proto import common_pb2, gateway_pb2, peer_pb2

_Code = grpc.StatusCode
_NOT_EVALUATED: Final = "evaluate call to endorser returned error: "
_NO_PEERS: Final = "no combination of peers can be derived which satisfy the endorsement policy"
_Context = Any
"""``grpc.aio.ServicerContext``, which is generic in types that nobody here needs."""


class Gateway:
    """Answers for the peer of the first organisation."""

    def __init__(self, ledger: Ledger) -> None:
        """Takes the ledger."""
        self._ledger = ledger

    async def evaluate(self, request: gateway_pb2.EvaluateRequest, context: _Context) -> gateway_pb2.EvaluateResponse:
        """Executes a proposal on one peer, without any effect."""
        asked = await _read(request.proposed_transaction, context, "failed to unpack transaction proposal: ")
        peers = [self._ledger.peers.get(name) for name in request.target_organizations] or [self._own]
        peer = next(filter(None, peers), None)
        is_there = asked.chaincode in self._ledger.policies or asked.chaincode == qscc.NAME
        if peer is None or not is_there or asked.channel != self._ledger.channel.name:
            reason = f"no peers available to evaluate chaincode {asked.chaincode} in channel {asked.channel}"
            await fail(context, _Code.FAILED_PRECONDITION, reason)
        try:
            return gateway_pb2.EvaluateResponse(result=await self._evaluated(asked, peer))
        except ProposalRefused as error:
            await self._not_evaluated(context, _Code.FAILED_PRECONDITION, Detail(peer.member.msp, str(error)))
        except NotExecuted as error:
            code = _Code.UNKNOWN if error.is_answer else _Code.ABORTED
            await self._not_evaluated(context, code, Detail(error.msp, str(error)))

    async def endorse(self, request: gateway_pb2.EndorseRequest, context: _Context) -> gateway_pb2.EndorseResponse:
        """Has a proposal endorsed as its chaincode's policy asks, or by the organisations that are named."""
        asked = await _read(request.proposed_transaction, context, "")
        named = request.endorsing_organizations
        peers = await self._named(named, context) if named else await self._planned(asked, context)
        try:
            proposal = self._checked(asked)
            first = None if named else peers[0]
            return gateway_pb2.EndorseResponse(prepared_transaction=await assemble(proposal, peers, first))
        except ProposalRefused as error:
            await self._fail(context, _Code.ABORTED, NOT_ENDORSED, Detail(peers[0].member.msp, str(error)))
        except NotEndorsed as error:
            await self._fail(context, _Code.ABORTED, str(error), Detail(error.cause.msp, str(error.cause)))

    async def submit(self, request: gateway_pb2.SubmitRequest, context: _Context) -> gateway_pb2.SubmitResponse:
        """Has a signed transaction ordered."""
        envelope = request.prepared_transaction
        if not request.HasField("prepared_transaction"):
            await fail(context, _Code.INVALID_ARGUMENT, "a prepared transaction is required")
        if not envelope.signature:
            await fail(context, _Code.INVALID_ARGUMENT, "prepared transaction must be signed")
        await self._channel(request.channel_id, context)
        try:
            self._ledger.orderer.take(envelope)
        except OrderRefused as error:
            reason = f"received unsuccessful response from orderer: status={error.name}, info={error}"
            await fail(context, _Code.ABORTED, reason)
        except OrdererHalted as error:
            reason = "no orderers could successfully process transaction"
            await self._fail(context, _Code.UNAVAILABLE, reason, Detail(ORDERER, str(error)))
        return gateway_pb2.SubmitResponse()

    async def commit_status(
        self, signed: gateway_pb2.SignedCommitStatusRequest, context: _Context
    ) -> gateway_pb2.CommitStatusResponse:
        """Waits until a transaction is in a block, and says what became of it."""
        request = await _parsed(gateway_pb2.CommitStatusRequest, signed.request, context)
        if not request.transaction_id:
            await fail(context, _Code.INVALID_ARGUMENT, "transaction ID should not be empty")
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
        if known is None and request.start_position.WhichOneof("Type") in {"oldest", "newest"}:
            await fail(context, _Code.INVALID_ARGUMENT, "invalid start position type")
        start = known.block if known else start_of(request.start_position, channel.height)
        # A client may wait for the headers before it causes the first event.
        await context.send_initial_metadata(())
        following = _Following(request.chaincode_id, after)
        async for block in channel.follow(start):
            events = following.events(block)
            if events:
                yield gateway_pb2.ChaincodeEventsResponse(events=events, block_number=block.header.number)

    @property
    def _own(self) -> Peer:
        return self._ledger.peers[self._ledger.msp]

    async def _evaluated(self, asked: Asked, peer: Peer) -> peer_pb2.Response:
        """Returns a chaincode's answer; raises ``ProposalRefused``, ``NotExecuted``."""
        proposal = self._checked(asked)
        if proposal.chaincode == qscc.NAME:
            response = qscc.query(self._ledger.channel, proposal.args)
            return answered(peer.member.msp, response)
        return (await peer.execute(proposal))[0]

    def _checked(self, asked: Asked) -> Proposal:
        proposal = check_proposal(asked, self._ledger.identities)
        if self._ledger.channel.is_known(proposal.transaction):
            creator = proposal.creator.encoded.hex()
            raise ProposalRefused(f"duplicate transaction found [{proposal.transaction}]. Creator [{creator}]")
        return proposal

    async def _named(self, organisations: Sequence[str], context: _Context) -> list[Peer]:
        missing = [name for name in organisations if name not in self._ledger.peers]
        if missing:
            reason = f"failed to find any endorsing peers for org(s): {', '.join(missing)}"
            await fail(context, _Code.UNAVAILABLE, reason)
        return [self._ledger.peers[name] for name in dict.fromkeys(organisations)]

    async def _planned(self, asked: Asked, context: _Context) -> list[Peer]:
        """Returns the peers that endorse where the client leaves it to the gateway."""
        peers = self._ledger.plans.get(asked.chaincode)
        if asked.channel != self._ledger.channel.name or peers is None:
            reason = f"No metadata was found for chaincode {asked.chaincode} in channel {asked.channel}"
            await fail(context, _Code.FAILED_PRECONDITION, f"{_NO_PEERS}: {reason}")
        if not peers:
            await fail(context, _Code.FAILED_PRECONDITION, _NO_PEERS)
        return peers

    async def _channel(self, name: str, context: _Context) -> None:
        if name != self._ledger.channel.name:
            await fail(context, _Code.FAILED_PRECONDITION, f"channel '{name}' not found")

    async def _reader(self, channel: str, identity: bytes, signed: tuple[bytes, bytes], context: _Context) -> None:
        about = f"check policy on channel [{channel}] with policy [/Channel/Application/Readers]"
        reason = f"Failed evaluating policy on signed data during {about}: [{unsatisfied('Readers')}]"
        if channel != self._ledger.channel.name:
            await fail(context, _Code.PERMISSION_DENIED, reason)
        try:
            self._ledger.identities.verified(identity, *signed)
        except IdentityRefused:
            await fail(context, _Code.PERMISSION_DENIED, reason)

    async def _not_evaluated(self, context: _Context, code: grpc.StatusCode, detail: Detail) -> NoReturn:
        await self._fail(context, code, _NOT_EVALUATED + detail.message, detail)

    async def _fail(self, context: _Context, code: grpc.StatusCode, message: str, detail: Detail) -> NoReturn:
        await fail(context, code, message, [detail], self._ledger.address)


class _Following:
    """Picks a chaincode's events out of blocks, once the event of a transaction has passed where one is named."""

    def __init__(self, chaincode: str, after: str) -> None:
        self._chaincode = chaincode
        self._after = after

    def events(self, block: common_pb2.Block) -> list[peer_pb2.ChaincodeEvent]:
        found = []
        for data, code in zip(block.data.data, block.metadata.metadata[FILTER], strict=True):
            event = read_event(data)[1] if code == peer_pb2.VALID else None
            if event is None:
                continue
            if self._after:
                self._after = "" if event.tx_id == self._after else self._after
            elif event.chaincode_id == self._chaincode:
                found.append(event)
        return found


async def _read(signed: peer_pb2.SignedProposal, context: _Context, about: str) -> Asked:
    try:
        return read_proposal(signed)
    except ProposalUnreadable as error:
        await fail(context, _Code.INVALID_ARGUMENT, f"{about}{error}")


async def _parsed(kind: Any, data: bytes, context: _Context) -> Any:  # noqa: ANN401 - a message's class
    try:
        return kind.FromString(data)
    except DecodeError as error:
        await fail(context, _Code.INVALID_ARGUMENT, f"invalid request: {error}")
