"""The client: one channel, the methods of ``fabric.v1.Fabric``."""

from collections.abc import AsyncIterator, Sequence
from types import TracebackType
from typing import Any, Final, Self

import grpc
import grpc.aio

from fabric.core.errors import FabricError
from fabric.core.ids import BindingVersion, ChannelId, DestinationId, Digest, InvocationId, Measurement
from fabric.wire.messages import (
    CallTaken,
    ChannelInfo,
    ChannelList,
    ListChannels,
    ListMessages,
    MessageInfo,
    MessageList,
    MessageName,
    MessageTrace,
    RetryMessage,
    SubmitCall,
)
from fabric.wire.operators import (
    CodeRevoked,
    LedgerInfo,
    LedgerList,
    LedgerResumed,
    ListLedgers,
    ResumeLedger,
    RevokeCode,
)
from fabric.wire.service import (
    MAX_MESSAGE_BYTES,
    METHODS,
    SERVICE,
    Blob,
    Call,
    GetProof,
    GetResult,
    InvokeReply,
    InvokeRequest,
    Result,
)
from fabric.wire.status import GetStatus, Status

OPTIONS: Final = (
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
)


class RemoteError(FabricError):
    """The fabric refused a request or was not reached.

    Attributes:
        remote_code: stable code of the fabric's error, or the gRPC status name where the fabric did not answer.
        status: gRPC status name.
        remote_retry: what the fabric says of repeating: ``never``, ``safe`` or ``unknown``; the last also where it did
            not answer, so that only a repeat under the same idempotency key is harmless.
    """

    code = "remote"

    def __init__(self, remote_code: str, status: str, message: str, remote_retry: str = "unknown") -> None:
        """Names the code and keeps the fabric's message."""
        super().__init__(f"{remote_code}: {message}")
        self.remote_code = remote_code
        self.status = status
        self.remote_retry = remote_retry


class Client:
    """A connection to one fabric. Use as an async context manager; safe for concurrent calls.

    Args:
        target: ``host:port`` or ``unix:path``.
        api_key: the caller's key.
        deadline_seconds: deadline of each unary call.
    """

    def __init__(self, target: str, api_key: str, deadline_seconds: float = 60.0) -> None:
        """Opens no connection yet."""
        self._channel = grpc.aio.insecure_channel(target, options=OPTIONS)
        self._metadata = (("authorization", f"Bearer {api_key}"),)
        self._deadline = deadline_seconds

    async def __aenter__(self) -> Self:
        """Returns itself."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes the channel."""
        await self._channel.close()

    async def invoke(self, binding: str, calls: Sequence[Call]) -> InvokeReply:
        """Runs calls; answered when their results are stored.

        Raises:
            RemoteError: the whole request was refused, or the fabric was not reached.
        """
        reply: InvokeReply = await self._unary("Invoke", InvokeRequest(binding, tuple(calls)))
        return reply

    async def stream(self, requests: AsyncIterator[InvokeRequest]) -> AsyncIterator[InvokeReply]:
        """Runs a stream of requests; yields one reply per request, in order.

        Raises:
            RemoteError: the stream was refused or broke; requests without a reply may be repeated under their keys.
        """
        method = METHODS["InvokeStream"]
        call = self._channel.stream_stream(f"/{SERVICE}/InvokeStream", method.encode_request, method.decode_reply)
        try:
            async for reply in call(requests, metadata=self._metadata):
                yield reply
        except grpc.aio.AioRpcError as error:
            raise _remote(error) from error

    async def result(self, invocation: InvocationId) -> Result:
        """Returns a stored result and how far it got on each ledger; raises ``RemoteError``."""
        result: Result = await self._unary("GetResult", GetResult(invocation))
        return result

    async def proof(self, invocation: InvocationId, destination: DestinationId) -> bytes:
        """Returns a proof file; raises ``RemoteError``."""
        reply: Blob = await self._unary("GetProof", GetProof(invocation, destination))
        return reply.data

    async def put_blob(self, data: bytes) -> Digest:
        """Stores bytes and returns their SHA-256; raises ``RemoteError``."""
        reply = await self._unary("PutBlob", Blob(data))
        return Digest(reply.digest)

    async def put_binding(self, document: bytes) -> BindingVersion:
        """Puts a binding in force and returns its version; raises ``RemoteError``."""
        reply = await self._unary("PutBinding", Blob(document))
        return BindingVersion(reply.digest)

    async def status(self) -> Status:
        """Returns what runs there, for the operator; raises ``RemoteError``."""
        found: Status = await self._unary("GetStatus", GetStatus())
        return found

    async def ledgers(self, name: str = "", *, status: bool = False) -> tuple[LedgerInfo, ...]:
        """Returns the fabric's ledgers, or the one of a name; for operators; raises ``RemoteError``."""
        reply: LedgerList = await self._unary("ListLedgers", ListLedgers(name, status))
        return reply.ledgers

    async def resume_ledger(self, name: str, reason: str) -> LedgerResumed:
        """Lets a halted ledger go on, for a reason that the audit keeps; for operators; raises ``RemoteError``."""
        reply: LedgerResumed = await self._unary("ResumeLedger", ResumeLedger(name, reason))
        return reply

    async def revoke_code(self, measurement: Measurement, since: int, reason: str) -> CodeRevoked:
        """Has results of a bundle count for nothing on every ledger that are settled from a time on, Unix seconds.

        For operators. A repeat changes nothing and tells how far it has come. Raises ``RemoteError``.
        """
        reply: CodeRevoked = await self._unary("RevokeCode", RevokeCode(measurement, since, reason))
        return reply

    async def messages(self, request: ListMessages | None = None) -> MessageList:
        """Returns messages between ledgers, the newest first, and counts of all of them; raises ``RemoteError``."""
        listed: MessageList = await self._unary("ListMessages", request or ListMessages())
        return listed

    async def message(self, name: str) -> MessageTrace:
        """Returns a message by its id, or the first 8 digits or more of it, with its trace; raises ``RemoteError``."""
        trace: MessageTrace = await self._unary("GetMessage", MessageName(name))
        return trace

    async def retry_message(self, name: str, reason: str) -> MessageInfo:
        """Has another attempt made now, for a reason that the trace keeps; raises ``RemoteError``."""
        info: MessageInfo = await self._unary("RetryMessage", RetryMessage(name, reason))
        return info

    async def channels(self, channel: ChannelId | None = None) -> tuple[ChannelInfo, ...]:
        """Returns the newest channels, or the one of an id; raises ``RemoteError``."""
        listed: ChannelList = await self._unary("ListChannels", ListChannels(channel))
        return listed.channels

    async def submit_call(self, ledger: str, call: bytes) -> CallTaken:
        """Gives a ledger of our own what one of its accounts signed; a repeat is harmless. Raises ``RemoteError``."""
        taken: CallTaken = await self._unary("SubmitCall", SubmitCall(ledger, call))
        return taken

    async def _unary(self, name: str, request: object) -> Any:  # noqa: ANN401 - the type is the method's
        method = METHODS[name]
        call = self._channel.unary_unary(f"/{SERVICE}/{name}", method.encode_request, method.decode_reply)
        try:
            return await call(request, metadata=self._metadata, timeout=self._deadline)
        except grpc.aio.AioRpcError as error:
            raise _remote(error) from error


def _remote(error: grpc.aio.AioRpcError) -> RemoteError:
    trailing = dict(error.trailing_metadata() or ())
    status = error.code().name
    details = error.details() or "no details"
    if "fabric-code" not in trailing and error.code() is grpc.StatusCode.UNAVAILABLE:
        details = f"no fabric answers, `cryptlet up` starts one ({details})"
    return RemoteError(
        str(trailing.get("fabric-code", status.lower())),
        status,
        details,
        str(trailing.get("fabric-retry", "unknown")),
    )
