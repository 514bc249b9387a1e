"""Endorsement: each organisation's peer executes a proposal by itself, and signs what came of it."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from adapters.hyperledger.embedded.channel import Channel
from adapters.hyperledger.embedded.identities import Member
from adapters.hyperledger.embedded.link import ChaincodeGone, ChaincodeLink
from adapters.hyperledger.embedded.proposals import Proposal
from adapters.hyperledger.embedded.simulation import Simulation
from adapters.hyperledger.proto import common_pb2, peer_pb2

FAILED: Final = 400
"""The lowest status of a response that is an error."""


class NotEndorsed(Exception):
    """A chaincode refused, or peers disagree; ``msp`` says whose peer tells, the message what."""

    def __init__(self, msp: str, reason: str) -> None:
        """Takes the organisation and the reason."""
        super().__init__(reason)
        self.msp = msp


@dataclass(frozen=True)
class Endorsed:
    """What one peer signed."""

    response: peer_pb2.Response
    payload: bytes
    endorsement: peer_pb2.Endorsement


@dataclass(frozen=True)
class Peer:
    """An organisation's peer on a channel.

    Attributes:
        member: who signs.
        channel: the channel.
        links: to the chaincodes' processes, by name.
    """

    member: Member
    channel: Channel
    links: Mapping[str, ChaincodeLink]

    async def execute(self, proposal: Proposal) -> tuple[peer_pb2.Response, peer_pb2.ChaincodeAction]:
        """Executes a proposal; raises ``NotEndorsed`` where the process does not answer."""
        async with self.channel.standing_still() as state:
            simulation = Simulation(proposal.chaincode, state)
            try:
                done = await self.links[proposal.chaincode].execute(proposal, simulation)
            except ChaincodeGone as error:
                reason = f"error in simulation: failed to execute transaction {proposal.transaction}: {error}"
                raise NotEndorsed(self.member.msp, reason) from error
        action = peer_pb2.ChaincodeAction(results=simulation.results(), response=done.response)
        action.chaincode_id.name = proposal.chaincode
        if done.event is not None:
            event = peer_pb2.ChaincodeEvent(event_name=done.event.event_name, payload=done.event.payload)
            event.chaincode_id, event.tx_id = proposal.chaincode, proposal.transaction
            action.events = event.SerializeToString()
        return done.response, action

    async def endorse(self, proposal: Proposal) -> Endorsed:
        """Executes a proposal and signs what came of it; raises ``NotEndorsed``."""
        response, action = await self.execute(proposal)
        if response.status >= FAILED:
            raise NotEndorsed(self.member.msp, f"chaincode response {response.status}, {response.message}")
        payload = peer_pb2.ProposalResponsePayload(proposal_hash=proposal.hash, extension=action.SerializeToString())
        data, endorser = payload.SerializeToString(), self.member.encoded
        signature = self.member.sign(data + endorser)
        return Endorsed(response, data, peer_pb2.Endorsement(endorser=endorser, signature=signature))


async def assemble(proposal: Proposal, peers: Sequence[Peer]) -> common_pb2.Envelope:
    """Has peers endorse a proposal, and makes the transaction that its creator signs; raises ``NotEndorsed``."""
    given = await asyncio.gather(*(peer.endorse(proposal) for peer in peers))
    first = given[0]
    if any(one.payload != first.payload for one in given):
        raise NotEndorsed(peers[0].member.msp, "failed to assemble transaction: ProposalResponsePayloads do not match")
    payload = peer_pb2.ChaincodeActionPayload(chaincode_proposal_payload=proposal.payload)
    payload.action.proposal_response_payload = first.payload
    payload.action.endorsements.extend(one.endorsement for one in given)
    transaction = peer_pb2.Transaction()
    transaction.actions.add(header=proposal.header.signature_header, payload=payload.SerializeToString())
    whole = common_pb2.Payload(header=proposal.header, data=transaction.SerializeToString())
    return common_pb2.Envelope(payload=whole.SerializeToString())
