"""Endorsement: each organisation's peer executes a proposal by itself, and signs what came of it."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

from adapters.hyperledger.embedded.channel import Channel
from adapters.hyperledger.embedded.identities import Identity, Member
from adapters.hyperledger.embedded.link import ChaincodeGone, ChaincodeLink
from adapters.hyperledger.embedded.policies import Policy, is_satisfied
from adapters.hyperledger.embedded.proposals import Proposal
from adapters.hyperledger.embedded.simulation import Simulation
from adapters.hyperledger.proto import common_pb2, peer_pb2

_GOOD: Final = range(200, 400)
"""Statuses of a response that is no error."""
VERSION: Final = "1.0"
"""Of every chaincode; real transactions name one."""
NOT_ENDORSED: Final = "failed to endorse transaction, see attached details for more info"
_NOT_COLLECTED: Final = "failed to collect enough transaction endorsements, see attached details for more info"


class NotExecuted(Exception):
    """A peer does not execute a proposal, or its chaincode refuses; the message says why.

    Attributes:
        msp: whose peer says so.
        is_answer: whether it is the chaincode that refuses.
    """

    def __init__(self, msp: str, reason: str, *, is_answer: bool = False) -> None:
        """Takes the organisation, the reason, and who refuses."""
        super().__init__(reason)
        self.msp = msp
        self.is_answer = is_answer


class NotEndorsed(Exception):
    """A peer does not endorse, or peers disagree; the message is the summary.

    Attributes:
        cause: what the peer says.
    """

    def __init__(self, reason: str, cause: NotExecuted) -> None:
        """Takes the summary, and what the peer says."""
        super().__init__(reason)
        self.cause = cause


@dataclass(frozen=True)
class Endorsed:
    """What one peer signed."""

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

    @property
    def identity(self) -> Identity:
        """Who signs, as others see it."""
        return Identity(self.member.msp, self.member.certificate, self.member.encoded)

    async def execute(self, proposal: Proposal) -> tuple[peer_pb2.Response, peer_pb2.ChaincodeAction]:
        """Executes a proposal; raises ``NotExecuted``."""
        async with self.channel.standing_still() as state:
            simulation = Simulation(proposal.chaincode, state)
            try:
                done = await self.links[proposal.chaincode].execute(proposal, simulation)
            except ChaincodeGone as error:
                raise NotExecuted(self.member.msp, f"error in simulation: {error}") from error
        response = answered(self.member.msp, done.response)
        action = peer_pb2.ChaincodeAction(results=simulation.results(), response=response)
        action.chaincode_id.name, action.chaincode_id.version = proposal.chaincode, VERSION
        if done.event is not None:
            event = peer_pb2.ChaincodeEvent(event_name=done.event.event_name, payload=done.event.payload)
            event.chaincode_id, event.tx_id = proposal.chaincode, proposal.transaction
            action.events = event.SerializeToString()
        return response, action

    async def endorse(self, proposal: Proposal) -> Endorsed:
        """Executes a proposal and signs what came of it; raises ``NotExecuted``."""
        _response, action = await self.execute(proposal)
        payload = peer_pb2.ProposalResponsePayload(proposal_hash=proposal.hash, extension=action.SerializeToString())
        data, endorser = payload.SerializeToString(), self.member.encoded
        signature = self.member.sign(data + endorser)
        return Endorsed(data, peer_pb2.Endorsement(endorser=endorser, signature=signature))


def answered(msp: str, response: peer_pb2.Response) -> peer_pb2.Response:
    """Returns a chaincode's response; raises ``NotExecuted`` where it is an error."""
    if response.status not in _GOOD:
        raise NotExecuted(msp, f"chaincode response {response.status}, {response.message}", is_answer=True)
    return response


def choose(policy: Policy, peers: Sequence[Peer]) -> list[Peer]:
    """Returns the fewest peers whose endorsements satisfy a policy, those first that come first; none where none do."""
    for count in range(1, len(peers) + 1):
        for chosen in combinations(peers, count):
            if is_satisfied(policy, [peer.identity for peer in chosen]):
                return list(chosen)
    return []


async def assemble(proposal: Proposal, peers: Sequence[Peer], first: Peer | None) -> common_pb2.Envelope:
    """Has peers endorse a proposal, and makes the transaction that its creator signs.

    Args:
        proposal: the proposal.
        peers: who is asked.
        first: the one of them that a real gateway would ask alone before the others, to learn who they are.

    Raises:
        NotEndorsed: a peer does not endorse, or not the same as the one before.
    """
    answers = await asyncio.gather(*(peer.endorse(proposal) for peer in peers), return_exceptions=True)
    given: list[Endorsed] = []
    for peer, answer in zip(peers, answers, strict=True):
        if isinstance(answer, NotExecuted):
            raise NotEndorsed(NOT_ENDORSED if peer is first else _NOT_COLLECTED, answer)
        if isinstance(answer, BaseException):
            raise answer
        if given and answer.payload != given[0].payload:
            other = NotExecuted(peer.member.msp, "ProposalResponsePayloads do not match")
            raise NotEndorsed(_NOT_COLLECTED, other)
        given.append(answer)
    return _transaction(proposal, given)


def _transaction(proposal: Proposal, given: Sequence[Endorsed]) -> common_pb2.Envelope:
    payload = peer_pb2.ChaincodeActionPayload(chaincode_proposal_payload=proposal.payload)
    payload.action.proposal_response_payload = given[0].payload
    payload.action.endorsements.extend(one.endorsement for one in given)
    transaction = peer_pb2.Transaction()
    transaction.actions.add(header=proposal.header.signature_header, payload=payload.SerializeToString())
    whole = common_pb2.Payload(header=proposal.header, data=transaction.SerializeToString())
    return common_pb2.Envelope(payload=whole.SerializeToString())
