"""The gRPC door: authenticates callers, hands typed requests to the pipeline, translates errors by one table."""

import asyncio
import hashlib
import hmac
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, Protocol

import grpc
import grpc.aio
import structlog

from fabric.core.errors import ConfigError, FabricError, Unauthenticated
from fabric.core.ids import BindingVersion, DestinationId, Digest, InvocationId
from fabric.gateway.standard import REFLECTION, Health, KeyGuard, add_reflection, is_local
from fabric.gateway.status import row_of
from fabric.wire.messages import (
    CallTaken,
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
from fabric.wire.method import Method
from fabric.wire.operators import CodeRevoked, LedgerList, LedgerResumed, ListLedgers, ResumeLedger, RevokeCode
from fabric.wire.service import (
    MAX_MESSAGE_BYTES,
    METHODS,
    SERVICE,
    Blob,
    BlobName,
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
    ("grpc.so_reuseport", 0),
)
MAX_IN_FLIGHT: Final = 16
"""Messages of one stream that run at once."""
MAX_DETAILS: Final = 600
"""Characters of an error's text that travel: with more, a client would lose the status to its limit of metadata."""
_LOG: Final = structlog.get_logger(__name__)
Context = Any


class Backend(Protocol):
    """What the door opens to; every method raises only ``FabricError``s."""

    async def invoke(self, caller: str, request: InvokeRequest) -> InvokeReply:
        """Runs calls and returns when their results are stored."""
        ...

    async def result(self, caller: str, invocation: InvocationId) -> Result:
        """Returns a stored result of the caller."""
        ...

    async def proof(self, caller: str, invocation: InvocationId, destination: DestinationId) -> bytes:
        """Returns a proof file of the caller's result."""
        ...

    async def put_blob(self, caller: str, data: bytes) -> Digest:
        """Stores bytes by their digest."""
        ...

    async def put_binding(self, caller: str, document: bytes) -> BindingVersion:
        """Puts a binding in force, for an operator."""
        ...


class Operator(Protocol):
    """What the door opens to operators; every method raises only ``FabricError``s, ``Unauthorized`` to anybody else."""

    async def status(self, caller: str) -> Status:
        """Returns what runs here."""
        ...

    async def ledgers(self, caller: str, request: ListLedgers) -> LedgerList:
        """Returns the ledgers and how they are."""
        ...

    async def resume(self, caller: str, request: ResumeLedger) -> LedgerResumed:
        """Lets a halted ledger go on."""
        ...

    async def revoke_code(self, caller: str, request: RevokeCode) -> CodeRevoked:
        """Has results of a bundle count for nothing on every ledger."""
        ...


class Messages(Protocol):
    """What the door says of messages between ledgers; every method raises only ``FabricError``s."""

    async def messages(self, request: ListMessages) -> MessageList:
        """Returns messages and counts."""
        ...

    async def trace(self, name: str) -> MessageTrace:
        """Returns a message and its steps."""
        ...

    async def retry(self, caller: str, request: RetryMessage) -> MessageInfo:
        """Makes another attempt due, for an operator."""
        ...

    async def channels(self, request: ListChannels) -> ChannelList:
        """Returns channels."""
        ...

    async def submit_call(self, request: SubmitCall) -> CallTaken:
        """Gives a ledger a signed call."""
        ...


class Door:
    """Handlers of ``fabric.v1.Fabric``; names of callers come from their API keys and from nothing they say."""

    def __init__(self, backend: Backend, operator: Operator, messages: Messages, callers: Mapping[str, str]) -> None:
        """Takes what it opens to and, by caller name, the SHA-256 of the API key in hexadecimal digits."""
        self._backend = backend
        self._operator = operator
        self._messages = messages
        self._callers = dict(callers)

    async def invoke(self, caller: str, request: InvokeRequest) -> InvokeReply:
        """Invoke, and each message of InvokeStream."""
        return await self._backend.invoke(caller, request)

    async def get_result(self, caller: str, request: GetResult) -> Result:
        """GetResult."""
        return await self._backend.result(caller, request.invocation)

    async def get_proof(self, caller: str, request: GetProof) -> Blob:
        """GetProof."""
        return Blob(await self._backend.proof(caller, request.invocation, request.destination))

    async def put_blob(self, caller: str, request: Blob) -> BlobName:
        """PutBlob."""
        return BlobName(await self._backend.put_blob(caller, request.data))

    async def put_binding(self, caller: str, request: Blob) -> BlobName:
        """PutBinding."""
        return BlobName(Digest(await self._backend.put_binding(caller, request.data)))

    async def get_status(self, caller: str, request: GetStatus) -> Status:  # noqa: ARG002 - it asks for nothing else
        """GetStatus."""
        return await self._operator.status(caller)

    async def list_ledgers(self, caller: str, request: ListLedgers) -> LedgerList:
        """ListLedgers."""
        return await self._operator.ledgers(caller, request)

    async def resume_ledger(self, caller: str, request: ResumeLedger) -> LedgerResumed:
        """ResumeLedger."""
        return await self._operator.resume(caller, request)

    async def revoke_code(self, caller: str, request: RevokeCode) -> CodeRevoked:
        """RevokeCode."""
        return await self._operator.revoke_code(caller, request)

    async def list_messages(self, _caller: str, request: ListMessages) -> MessageList:
        """ListMessages."""
        return await self._messages.messages(request)

    async def get_message(self, _caller: str, request: MessageName) -> MessageTrace:
        """GetMessage."""
        return await self._messages.trace(request.message)

    async def retry_message(self, caller: str, request: RetryMessage) -> MessageInfo:
        """RetryMessage."""
        return await self._messages.retry(caller, request)

    async def list_channels(self, _caller: str, request: ListChannels) -> ChannelList:
        """ListChannels."""
        return await self._messages.channels(request)

    async def submit_call(self, _caller: str, request: SubmitCall) -> CallTaken:
        """SubmitCall."""
        return await self._messages.submit_call(request)

    def authenticate(self, context: Context) -> str:
        """Returns the caller's name.

        Raises:
            Unauthenticated: no API key, or one that nobody has.
        """
        return self.caller_of(dict(context.invocation_metadata() or ()))

    def caller_of(self, metadata: Mapping[str, Any]) -> str:
        """Returns the caller's name from the metadata of a call; raises as ``authenticate``."""
        scheme, _, key = str(metadata.get("authorization", "")).partition(" ")
        digest = hashlib.sha256(key.encode()).hexdigest()
        for name, expected in self._callers.items():
            if scheme == "Bearer" and hmac.compare_digest(digest, expected):
                return name
        raise Unauthenticated("no known API key: send metadata 'authorization: Bearer KEY'")


Handler = Callable[[str, Any], Awaitable[Any]]


def _unary(door: Door, method: Method, handler: Handler) -> "grpc.RpcMethodHandler[Any, Any]":
    async def answer(data: bytes, context: Context) -> bytes:
        async with _errors(context):
            return method.encode_reply(await handler(door.authenticate(context), method.decode_request(data)))
        raise AssertionError("unreachable: the context was aborted")

    return grpc.unary_unary_rpc_method_handler(answer)


def _streaming(door: Door, method: Method, handler: Handler) -> "grpc.RpcMethodHandler[Any, Any]":
    async def answer(messages: AsyncIterator[bytes], context: Context) -> AsyncIterator[bytes]:
        async with _errors(context):
            caller = door.authenticate(context)
            # Closed at once when the caller leaves, so that nothing runs on for nobody.
            async with aclosing(
                _in_order(messages, lambda data: handler(caller, method.decode_request(data)))
            ) as replies:
                async for reply in replies:
                    yield method.encode_reply(reply)

    return grpc.stream_stream_rpc_method_handler(answer)


async def _in_order(
    messages: AsyncIterator[bytes], run: Callable[[bytes], Awaitable[Any]]
) -> AsyncGenerator[Any, None]:
    """Runs up to ``MAX_IN_FLIGHT`` messages at once and yields their replies in the order of the messages."""
    slots = asyncio.Semaphore(MAX_IN_FLIGHT)
    queue: asyncio.Queue[asyncio.Future[Any] | None] = asyncio.Queue()
    running: set[asyncio.Future[Any]] = set()

    async def read() -> None:
        try:
            async for message in messages:
                await slots.acquire()
                task = asyncio.ensure_future(run(message))
                running.add(task)
                queue.put_nowait(task)
        finally:
            queue.put_nowait(None)

    reader = asyncio.create_task(read())
    try:
        while (task := await queue.get()) is not None:
            reply = await task
            running.discard(task)
            slots.release()
            yield reply
        await reader
    finally:
        for left in (reader, *running):
            left.cancel()
        await asyncio.gather(reader, *running, return_exceptions=True)


@asynccontextmanager
async def _errors(context: Context) -> AsyncIterator[None]:
    """Ends the call with the status of whatever error is raised inside."""
    try:
        yield
    except FabricError as error:
        await _abort(context, error)
    except Exception as error:  # noqa: BLE001 - logged whole; the caller learns the kind and nothing else
        _LOG.exception("request failed inside the fabric")
        await _abort(context, FabricError(f"internal error ({type(error).__name__}); see the fabric's log"))


async def _abort(context: Context, error: FabricError) -> None:
    status = grpc.StatusCode[row_of(error).grpc]
    trailing = (("fabric-code", error.code), ("fabric-retry", str(error.retry)))
    await context.abort(status, str(error)[:MAX_DETAILS], trailing)


@dataclass(frozen=True)
class OpenDoor:
    """A door that serves.

    Attributes:
        port: the port that it listens on.
    """

    server: grpc.aio.Server
    port: int
    health: Health

    async def close(self, seconds: float) -> None:
        """Says NOT_SERVING, takes no more calls, and gives those that run some time to end."""
        await self.health.end()
        await self.server.stop(seconds)


async def serve(door: Door, listen: str) -> OpenDoor:
    """Opens the door, with health and reflection; returns it and the port it listens on.

    Raises:
        ConfigError: the address cannot be had.
    """
    guarded = (f"/{SERVICE}/", *(() if is_local(listen) else (REFLECTION,)))
    server = grpc.aio.server(options=OPTIONS, interceptors=[KeyGuard(guarded, door.caller_of, _abort)])
    handlers = {
        name: (_streaming if METHODS[name].streaming else _unary)(door, METHODS[name], handler)
        for name, handler in _table(door).items()
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    health = Health(SERVICE)
    await health.add_to(server)
    add_reflection(server, SERVICE)
    try:
        port = server.add_insecure_port(listen)
    except RuntimeError as error:
        raise ConfigError(f"cannot listen on {listen}: {error}; choose another gateway.listen") from error
    await server.start()
    return OpenDoor(server, port, health)


def _table(door: Door) -> dict[str, Handler]:
    return {
        "Invoke": door.invoke,
        "InvokeStream": door.invoke,
        "GetResult": door.get_result,
        "GetProof": door.get_proof,
        "PutBlob": door.put_blob,
        "PutBinding": door.put_binding,
        "GetStatus": door.get_status,
        "ListLedgers": door.list_ledgers,
        "ResumeLedger": door.resume_ledger,
        "RevokeCode": door.revoke_code,
        "ListMessages": door.list_messages,
        "GetMessage": door.get_message,
        "RetryMessage": door.retry_message,
        "ListChannels": door.list_channels,
        "SubmitCall": door.submit_call,
    }
