"""Asks the chaincode: builds a proposal, has it endorsed, and believes only what the endorsers signed."""

import asyncio
import re
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeVar

import grpc

from adapters.hyperledger.client.answers import Answer, read_answer
from adapters.hyperledger.client.identity import Client
from adapters.hyperledger.client.peers import ENDORSE, PeerError, PeerSide
from adapters.hyperledger.proto import common_pb2, gateway_pb2, peer_pb2
from fabric.core.clock import Clock
from fabric.core.errors import FabricError, LedgerError, LedgerUnavailable, Refused
from fabric.signers.process import Signed
from fabric.signers.proposals import NONCE_BYTES, Endorsed, Invocation
from fabric.signers.queries import Query

T = TypeVar("T")
Verify = Callable[[Endorsed, int], None]
"""Checks endorsers' signatures against a policy, at a time in Unix seconds; raises ``UntrueAnswer``."""
_REFUSED: Final = re.compile(r"chaincode response 5\d\d, (.*)", re.DOTALL)
_APART: Final = "ProposalResponsePayloads do not match"
_ATTEMPTS: Final = 20
_PAUSE_SECONDS: Final = 0.1
_EXECUTED: Final = (grpc.StatusCode.ABORTED, grpc.StatusCode.UNKNOWN)


class ChaincodeRefused(LedgerError):
    """The chaincode refused an invocation as a whole; asking the same again does not help."""

    code = "chaincode-refused"


@dataclass(frozen=True)
class Place:
    """Where a chaincode is: names of channel and chaincode."""

    channel: str
    chaincode: str


class Endorser:
    """Has invocations of one chaincode endorsed, and signed by its client."""

    def __init__(self, peers: PeerSide, client: Client, place: Place, verify: Verify, clock: Clock) -> None:
        """Takes who is asked, who asks, of which chaincode, and who checks the answers."""
        self._peers = peers
        self._client = client
        self._place = place
        self._verify = verify
        self._clock = clock

    @property
    def place(self) -> Place:
        """Channel and chaincode."""
        return self._place

    @property
    def client(self) -> Client:
        """Who asks."""
        return self._client

    async def endorse(self, args: tuple[bytes, ...], seconds: float) -> Answer:
        """Returns an endorsed execution of a function; where two peers are not at the same block yet, of another try.

        Nothing of a proposal has any effect before its transaction is submitted.

        Args:
            args: the function's name and its arguments.
            seconds: how long it may take.

        Raises:
            ChaincodeRefused: the chaincode ended it with an error.
            CertificateExpired: ours has ended.
            UntrueAnswer: the answer is not of what was asked, or not endorsed as the policy asks for.
            LedgerUnavailable: no answer.
        """
        for _ in range(_ATTEMPTS - 1):
            try:
                return await self._endorse(args, seconds)
            except PeerError as error:
                if not any(_APART in text for text in (str(error), *error.details)):
                    raise
            await asyncio.sleep(_PAUSE_SECONDS)
        return await self._endorse(args, seconds)

    async def _endorse(self, args: tuple[bytes, ...], seconds: float) -> Answer:
        now = self._clock.unix_seconds()
        self._client.check(now)
        nonce = secrets.token_bytes(NONCE_BYTES)
        names = self._place.channel, self._place.chaincode
        invocation = Invocation(*names, args, now, nonce, self._client.identity)
        signed = await signing(self._client.keys.sign_proposal(invocation))
        answer = read_answer(invocation, await self._prepared(invocation, signed, seconds))
        self._verify(answer.endorsed, invocation.seconds)
        return answer

    async def sign(self, answer: Answer) -> bytes:
        """Returns the signed envelope of a checked answer; raises ``LedgerError``."""
        return await signing(self._client.keys.sign_endorsed(answer.invocation, answer.endorsed))

    async def sign_query(self, query: Query) -> Signed:
        """Returns a signed question; raises ``LedgerError``."""
        return await signing(self._client.keys.sign_query(query))

    async def _prepared(self, invocation: Invocation, signed: Signed, seconds: float) -> common_pb2.Envelope:
        request = gateway_pb2.EndorseRequest(
            transaction_id=invocation.transaction,
            channel_id=invocation.channel,
            proposed_transaction=peer_pb2.SignedProposal(proposal_bytes=signed.data, signature=signed.signature),
        )
        try:
            response = await self._peers.ask(ENDORSE, request, seconds)
        except PeerError as error:
            raise _told(error) from error
        return response.prepared_transaction


def _told(error: PeerError) -> LedgerError:
    """Returns a refusal by the chaincode itself as such; what else a peer says may pass."""
    found = [match[1] for text in (str(error), *error.details) if (match := _REFUSED.search(text))]
    if error.status in _EXECUTED and found:
        return ChaincodeRefused(f"the chaincode refused it: {found[-1]}")
    return error


async def signing(signed: Awaitable[T]) -> T:
    """Returns what the key process signed; raises ``LedgerError`` where it refused, ``LedgerUnavailable`` if gone."""
    try:
        return await signed
    except Refused as error:
        message = f"the client's signer refused: {error}"
        raise LedgerError(message) from error
    except FabricError as error:
        message = f"the client's signer is not available: {error}"
        raise LedgerUnavailable(message) from error
