"""Connections to peers: the services ``gateway.Gateway`` and ``protos.Deliver`` over gRPC, a deadline on every call.

Where a peer does not answer the next one is asked: a question has no effect, and a submitted envelope has the same one
however often it comes.
"""

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, Protocol, TypeVar

import grpc
import grpc.aio
from google.protobuf.message import DecodeError, Message

from adapters.hyperledger.proto import common_pb2, gateway_pb2, peer_pb2, rpc_pb2
from fabric.core.errors import LedgerSilent, LedgerUnavailable

Ask = TypeVar("Ask", bound=Message)
Tell = TypeVar("Tell", bound=Message)
T = TypeVar("T")
_DETAILS: Final = "grpc-status-details-bin"
_MAX_TEXT: Final = 500
_RECONNECT_MILLISECONDS: Final = 5_000
_DELIVER: Final = "/protos.Deliver/Deliver"
_SILENT: Final = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)


@dataclass(frozen=True)
class Method(Generic[Ask, Tell]):
    """A unary method: its path, how it is written and read, and whether it waits for something to happen."""

    path: str
    write: Callable[[Ask], bytes]
    read: Callable[[bytes], Tell]
    waits: bool = False


ENDORSE: Final = Method(
    "/gateway.Gateway/Endorse",
    gateway_pb2.EndorseRequest.SerializeToString,
    gateway_pb2.EndorseResponse.FromString,
)
SUBMIT: Final = Method(
    "/gateway.Gateway/Submit",
    gateway_pb2.SubmitRequest.SerializeToString,
    gateway_pb2.SubmitResponse.FromString,
)
COMMIT_STATUS: Final = Method(
    "/gateway.Gateway/CommitStatus",
    gateway_pb2.SignedCommitStatusRequest.SerializeToString,
    gateway_pb2.CommitStatusResponse.FromString,
    waits=True,
)


class PeerError(LedgerUnavailable):
    """A peer did not do what was asked, or did not answer.

    Attributes:
        status: the gRPC status.
        details: what the peers behind it said.
    """

    code = "peer"

    def __init__(self, status: grpc.StatusCode, message: str, details: Sequence[str] = ()) -> None:
        """Names the status and what was said."""
        super().__init__(message)
        self.status = status
        self.details = tuple(details)


class PeerSilent(LedgerSilent, PeerError):
    """No peer answered in its time: what is asked of it next would wait as long."""


@dataclass(frozen=True)
class Credentials:
    """TLS in PEM; without a key of our own the peer alone is known.

    Attributes:
        roots: authorities of peers.
        certificate: our certificate chain.
        key: its private key.
        server_name: name that is expected instead of the one that is dialled.
    """

    roots: bytes
    certificate: bytes | None = None
    key: bytes | None = field(default=None, repr=False)
    server_name: str | None = None


class PeerSide(Protocol):
    """What a client asks of peers; see ``Peers``."""

    async def ask(self, method: Method[Ask, Tell], request: Ask, seconds: float) -> Tell:
        """Asks one peer after the other until one is there; raises ``PeerError``."""
        ...

    async def deliver(self, envelope: common_pb2.Envelope, seconds: float) -> list[common_pb2.Block]:
        """Returns the blocks that an envelope asks for; raises ``PeerError``."""
        ...

    async def aclose(self) -> None:
        """Closes the connections; idempotent."""
        ...


class Peers:
    """The peers of one deployment. Make it on a running event loop; safe to use concurrently."""

    def __init__(self, endpoints: Sequence[str], credentials: Credentials | None, message_bytes: int) -> None:
        """Takes the peers in the order of preference; connects when first asked."""
        self._channels = [_channel(each, credentials, message_bytes) for each in endpoints]
        self._endpoints = list(endpoints)
        self._preferred = 0

    async def ask(self, method: Method[Ask, Tell], request: Ask, seconds: float) -> Tell:
        """Asks one peer after the other until one is there.

        Raises:
            PeerError: what the peer said, or that none is there.
        """
        sent = method.write(request)

        async def call(channel: grpc.aio.Channel) -> bytes:
            answer: bytes = await channel.unary_unary(method.path, _as_is, _as_is)(sent, timeout=seconds)
            return answer

        return _read(method.read, await self._in_turn(call, waits=method.waits))

    async def deliver(self, envelope: common_pb2.Envelope, seconds: float) -> list[common_pb2.Block]:
        """Returns the blocks that an envelope asks for, up to the first that is not there yet.

        Raises:
            PeerError: what the peer said, or that none is there.
        """
        sent = envelope.SerializeToString()

        async def call(channel: grpc.aio.Channel) -> list[common_pb2.Block]:
            return await _blocks(channel.stream_stream(_DELIVER, _as_is, _as_is)(_once(sent), timeout=seconds))

        return await self._in_turn(call)

    async def aclose(self) -> None:
        """Closes the connections; idempotent."""
        for channel in self._channels:
            await channel.close()

    async def _in_turn(self, call: Callable[[grpc.aio.Channel], Awaitable[T]], *, waits: bool = False) -> T:
        first, failure = self._preferred, None
        for step in range(len(self._channels)):
            at = (first + step) % len(self._channels)
            try:
                answer = await call(self._channels[at])
            except grpc.aio.AioRpcError as error:
                failure = _failure(self._endpoints[at], error)
                if failure.status is grpc.StatusCode.DEADLINE_EXCEEDED and not waits:
                    self._preferred = (at + 1) % len(self._channels)
                if failure.status is not grpc.StatusCode.UNAVAILABLE:
                    raise failure from error
            else:
                self._preferred = at
                return answer
        assert failure is not None  # noqa: S101 - there is at least one peer
        raise failure


def _channel(endpoint: str, credentials: Credentials | None, message_bytes: int) -> grpc.aio.Channel:
    options: list[tuple[str, int | str]] = [
        ("grpc.max_receive_message_length", message_bytes),
        ("grpc.max_send_message_length", message_bytes),
        # What a peer that was away costs when it is there again; the default grows to two minutes.
        ("grpc.max_reconnect_backoff_ms", _RECONNECT_MILLISECONDS),
    ]
    if credentials is None:
        return grpc.aio.insecure_channel(endpoint, options)
    if credentials.server_name:
        options.append(("grpc.ssl_target_name_override", credentials.server_name))
    tls = grpc.ssl_channel_credentials(credentials.roots, credentials.key, credentials.certificate)
    return grpc.aio.secure_channel(endpoint, tls, options)


def _as_is(raw: bytes) -> bytes:
    """Answers are read here and not by gRPC, which would let what it cannot read end as an exception of its own."""
    return raw


async def _once(sent: bytes) -> AsyncIterator[bytes]:
    yield sent


async def _blocks(answers: AsyncIterable[bytes]) -> list[common_pb2.Block]:
    blocks: list[common_pb2.Block] = []
    async for raw in answers:
        answer = _read(peer_pb2.DeliverResponse.FromString, raw)
        if answer.WhichOneof("Type") == "block":
            blocks.append(answer.block)
            continue
        if answer.status not in (common_pb2.SUCCESS, common_pb2.NOT_FOUND):
            status = common_pb2.Status.Name(answer.status)
            message = f"the peer delivers no blocks: {status}"
            raise PeerError(grpc.StatusCode.UNKNOWN, message)
        break
    return blocks


def _read(read: Callable[[bytes], Tell], raw: bytes) -> Tell:
    try:
        return read(raw)
    except DecodeError as error:
        message = f"the peer's answer is not of its schema: {error}"
        raise PeerError(grpc.StatusCode.INTERNAL, message) from error


def _failure(endpoint: str, error: grpc.aio.AioRpcError) -> PeerError:
    details = _details(error)
    said = "; ".join([str(error.details() or "")[:_MAX_TEXT], *details])
    kind = PeerSilent if error.code() in _SILENT else PeerError
    return kind(error.code(), f"peer {endpoint}: {error.code().name}: {said}", details)


def _details(error: grpc.aio.AioRpcError) -> list[str]:
    """Returns what the peers behind the gateway said, where it tells; a trailer that cannot be read tells nothing."""
    trailer = dict(error.trailing_metadata() or ()).get(_DETAILS)
    if not isinstance(trailer, bytes):
        return []
    try:
        found = [gateway_pb2.ErrorDetail.FromString(each.value) for each in rpc_pb2.Status.FromString(trailer).details]
    except DecodeError:
        return []
    return [f"{each.msp_id} {each.address}: {each.message}"[:_MAX_TEXT] for each in found]
