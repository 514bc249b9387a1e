"""A plain client of a gateway for tests of the embedded ledger: it signs, asks, and believes what it is told."""

import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import grpc.aio

from adapters.hyperledger.embedded.hashing import transaction_id
from adapters.hyperledger.embedded.identities import Member
from adapters.hyperledger.embedded.network import authority_for
from adapters.hyperledger.proto import common_pb2, gateway_pb2, orderer_pb2, peer_pb2
from fabric.core.clock import SystemClock

MAX_BYTES = 100 << 20
_OPTIONS = (("grpc.max_receive_message_length", MAX_BYTES), ("grpc.max_send_message_length", MAX_BYTES))


@dataclass(frozen=True)
class Transaction:
    """An endorsed and signed transaction."""

    id: str
    envelope: common_pb2.Envelope


@dataclass(frozen=True)
class Client:
    """A member of the first organisation on one channel and one chaincode."""

    stub: grpc.aio.Channel
    member: Member
    channel: str
    chaincode: str

    async def endorse(self, *call: str, seconds: float = 60, organisations: Sequence[str] = ()) -> Transaction:
        """Has a call endorsed, and signs it."""
        name, signed = self._proposal(call)
        request = gateway_pb2.EndorseRequest(transaction_id=name, channel_id=self.channel, proposed_transaction=signed)
        request.endorsing_organizations.extend(organisations)
        response = await self._ask("Endorse", request, gateway_pb2.EndorseResponse, seconds)
        envelope: common_pb2.Envelope = response.prepared_transaction
        envelope.signature = self.member.sign(envelope.payload)
        return Transaction(name, envelope)

    async def evaluate(self, *call: str, seconds: float = 60) -> bytes:
        """Returns a call's answer."""
        name, signed = self._proposal(call)
        request = gateway_pb2.EvaluateRequest(transaction_id=name, channel_id=self.channel, proposed_transaction=signed)
        response = await self._ask("Evaluate", request, gateway_pb2.EvaluateResponse, seconds)
        payload: bytes = response.result.payload
        return payload

    async def submit(self, transaction: Transaction) -> None:
        """Gives a transaction to the orderer."""
        request = gateway_pb2.SubmitRequest(channel_id=self.channel, transaction_id=transaction.id)
        request.prepared_transaction.CopyFrom(transaction.envelope)
        await self._ask("Submit", request, gateway_pb2.SubmitResponse, 60)

    async def status(self, transaction: Transaction, seconds: float = 60) -> gateway_pb2.CommitStatusResponse:
        """Waits until a transaction is in a block."""
        asked = gateway_pb2.CommitStatusRequest(channel_id=self.channel, transaction_id=transaction.id)
        asked.identity = self.member.encoded
        data = asked.SerializeToString()
        request = gateway_pb2.SignedCommitStatusRequest(request=data, signature=self.member.sign(data))
        response: gateway_pb2.CommitStatusResponse
        response = await self._ask("CommitStatus", request, gateway_pb2.CommitStatusResponse, seconds)
        return response

    async def blocks(self) -> list[common_pb2.Block]:
        """Returns all blocks."""
        seek = orderer_pb2.SeekInfo(behavior="FAIL_IF_NOT_READY")
        seek.start.oldest.SetInParent()
        seek.stop.newest.SetInParent()
        payload = common_pb2.Payload(data=seek.SerializeToString())
        about = common_pb2.ChannelHeader(type=common_pb2.DELIVER_SEEK_INFO, channel_id=self.channel)
        about.timestamp.GetCurrentTime()
        payload.header.channel_header = about.SerializeToString()
        signer = common_pb2.SignatureHeader(creator=self.member.encoded, nonce=secrets.token_bytes(24))
        payload.header.signature_header = signer.SerializeToString()
        data = payload.SerializeToString()
        call = self.stub.stream_stream(
            "/protos.Deliver/Deliver", common_pb2.Envelope.SerializeToString, peer_pb2.DeliverResponse.FromString
        )(timeout=60, wait_for_ready=True)
        await call.write(common_pb2.Envelope(payload=data, signature=self.member.sign(data)))
        await call.done_writing()
        return [response.block async for response in call if response.HasField("block")]

    async def _ask(self, method: str, request: Any, answer: Any, seconds: float) -> Any:  # noqa: ANN401 - messages
        path = f"/gateway.Gateway/{method}"
        call = self.stub.unary_unary(path, type(request).SerializeToString, answer.FromString)
        return await call(request, timeout=seconds, wait_for_ready=True)

    def _proposal(self, call: Sequence[str]) -> tuple[str, peer_pb2.SignedProposal]:
        nonce, creator = secrets.token_bytes(24), self.member.encoded
        spec = peer_pb2.ChaincodeInvocationSpec()
        spec.chaincode_spec.chaincode_id.name = self.chaincode
        spec.chaincode_spec.input.args.extend(part.encode() for part in call)
        extension = peer_pb2.ChaincodeHeaderExtension()
        extension.chaincode_id.name = self.chaincode
        name = transaction_id(nonce, creator)
        about = common_pb2.ChannelHeader(type=common_pb2.ENDORSER_TRANSACTION, channel_id=self.channel, tx_id=name)
        about.timestamp.GetCurrentTime()
        about.extension = extension.SerializeToString()
        header = common_pb2.Header(channel_header=about.SerializeToString())
        header.signature_header = common_pb2.SignatureHeader(creator=creator, nonce=nonce).SerializeToString()
        payload = peer_pb2.ChaincodeProposalPayload(input=spec.SerializeToString()).SerializeToString()
        data = peer_pb2.Proposal(header=header.SerializeToString(), payload=payload).SerializeToString()
        return name, peer_pb2.SignedProposal(proposal_bytes=data, signature=self.member.sign(data))


@asynccontextmanager
async def client_of(folder: Path, port: int, channel: str, chaincode: str) -> AsyncIterator[Client]:
    """Connects somebody of the first organisation to the ledger of a folder."""
    member = authority_for(folder, "Org1MSP", SystemClock()).member("user", "client")
    roots = grpc.ssl_channel_credentials((folder / "crypto" / "tlsca.pem").read_bytes())
    async with grpc.aio.secure_channel(f"127.0.0.1:{port}", roots, options=_OPTIONS) as stub:
        yield Client(stub, member, channel, chaincode)
