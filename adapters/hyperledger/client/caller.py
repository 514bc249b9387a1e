"""Calls of an account on a channel that are waited for: for deployers and integrators, who stand beside the fabric."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import grpc

from adapters.hyperledger.account import account_of
from adapters.hyperledger.client.answers import Answer, UntrueAnswer
from adapters.hyperledger.client.applied import read_refusals
from adapters.hyperledger.client.blocks import VALID, code_name
from adapters.hyperledger.client.endorsing import Endorser
from adapters.hyperledger.client.peers import COMMIT_STATUS, SUBMIT, PeerError, PeerSide
from adapters.hyperledger.names import APPLY, FOUND, GENESIS_KEY, READ
from adapters.hyperledger.proto import common_pb2, gateway_pb2
from fabric.core.errors import Malformed, Reverted, SubmitError
from fabric.core.ids import Account
from fabric.ledger.rules.calls import encode_call
from fabric.ledger.rules.operations import Operation
from fabric.signers.queries import CommitStatus

_ENDORSE_SECONDS: Final = 15.0
_COMMIT_SECONDS: Final = 60.0
_ATTEMPTS: Final = 20
_PAUSE_SECONDS: Final = 0.1
_CONFLICTS: Final = ("MVCC_READ_CONFLICT", "PHANTOM_READ_CONFLICT")


@dataclass(frozen=True)
class Committed:
    """A transaction that is valid: its id and the number of its block."""

    transaction: str
    block: int


class Caller:
    """The account of one client."""

    def __init__(self, peers: PeerSide, endorser: Endorser) -> None:
        """Takes who is asked, and who has calls endorsed and signs."""
        self._peers = peers
        self._endorser = endorser

    @property
    def account(self) -> Account:
        """The account."""
        client = self._endorser.client
        return account_of(client.identity.msp, client.keys.client_key)

    async def found(self, document: bytes) -> bytes:
        """Founds the deployment, or finds it founded so; returns its destination id.

        Raises:
            ChaincodeRefused: another deployment is there.
            SubmitError: the outcome is unknown.
            LedgerUnavailable: no answer.
        """
        answer = await self._endorser.endorse((FOUND, document), _ENDORSE_SECONDS)
        if answer.writes:
            await self._commit(answer)
        return answer.payload

    async def act(self, operations: Sequence[Operation]) -> Committed:
        """Carries out operations of the account in one transaction, and waits until it is valid.

        Where another transaction was first with a key that it read, it is endorsed anew.

        Raises:
            Reverted: the rules refuse one, by name; none took effect.
            SubmitError: the outcome is unknown.
            LedgerUnavailable: no answer.
        """
        calls = tuple(encode_call(operation) for operation in operations)
        for _ in range(_ATTEMPTS):
            answer = await self._endorser.endorse((APPLY, *calls), _ENDORSE_SECONDS)
            try:
                refusals = read_refusals(answer.payload, len(calls))
            except Malformed as error:
                raise UntrueAnswer(str(error)) from error
            for refusal in refusals:
                if refusal:
                    raise Reverted(refusal.text)
            try:
                return await self._commit(answer)
            except Reverted as error:
                if str(error) not in _CONFLICTS:
                    raise
            await asyncio.sleep(_PAUSE_SECONDS)
        message = f"{_ATTEMPTS} times another transaction was first"
        raise Reverted(message)

    async def wait(self) -> Committed:
        """Waits until all that was sent before is in a block, by a transaction that only reads; raises as ``act``."""
        return await self._commit(await self._endorser.endorse((READ, GENESIS_KEY.encode()), _ENDORSE_SECONDS))

    async def _commit(self, answer: Answer) -> Committed:
        place, name = self._endorser.place, answer.invocation.transaction
        envelope = common_pb2.Envelope.FromString(await self._endorser.sign(answer))
        request = gateway_pb2.SubmitRequest(
            transaction_id=name, channel_id=place.channel, prepared_transaction=envelope
        )
        signed = await self._endorser.sign_query(CommitStatus(place.channel, name, self._endorser.client.identity))
        question = gateway_pb2.SignedCommitStatusRequest(request=signed.data, signature=signed.signature)
        try:
            await self._peers.ask(SUBMIT, request, _ENDORSE_SECONDS)
            status = await self._peers.ask(COMMIT_STATUS, question, _COMMIT_SECONDS)
        except PeerError as error:
            late = "; it is in no block yet" if error.status is grpc.StatusCode.DEADLINE_EXCEEDED else ""
            message = f"transaction {name} may or may not take effect: {error}{late}"
            raise SubmitError(message) from error
        if status.result != VALID:
            raise Reverted(code_name(status.result))
        return Committed(name, status.block_number)
