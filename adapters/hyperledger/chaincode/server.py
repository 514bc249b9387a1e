"""The gRPC server that peers dial: ``protos.Chaincode/Connect``, over TLS where it is set up."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Final, Self

import grpc

from adapters.hyperledger.chaincode.contract import Contract
from adapters.hyperledger.chaincode.session import Means, Session
from adapters.hyperledger.chaincode.settings import Settings, Tls
from adapters.hyperledger.proto import shim_pb2
from fabric.core.clock import Clock
from fabric.core.errors import ConfigError

MAX_MESSAGE_BYTES: Final = 16 << 20
"""64 calls of at most 64 KiB, twice: as arguments, and in the proposal that was signed."""
MAX_STREAMS: Final = 16
"""Peers at once; each holds one thread."""
SECONDS: Final = 30.0
"""Within which a transaction ends, as long as peers wait by default."""
_PING_MILLISECONDS: Final = 10_000
_OPTIONS: Final = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.http2.min_ping_interval_without_data_ms", _PING_MILLISECONDS),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.so_reuseport", 0),
)


class ChaincodeServer:
    """Serves one chaincode package; ``with`` it runs, and ends in order."""

    def __init__(self, settings: Settings, clock: Clock, *, seconds: float = SECONDS) -> None:
        """Binds the address.

        Args:
            settings: where and as what to serve.
            clock: the endorser's clock.
            seconds: deadline of one transaction.

        Raises:
            ConfigError: the address cannot be bound.
        """
        self._means = Means(Contract(clock), clock, settings.package, seconds)
        self._sessions: set[Session] = set()
        self._server = grpc.server(
            ThreadPoolExecutor(MAX_STREAMS, "stream"), options=_OPTIONS, maximum_concurrent_rpcs=MAX_STREAMS
        )
        connect = grpc.stream_stream_rpc_method_handler(
            self._connect,
            request_deserializer=shim_pb2.ChaincodeMessage.FromString,
            response_serializer=shim_pb2.ChaincodeMessage.SerializeToString,
        )
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler("protos.Chaincode", {"Connect": connect}),)
        )
        self.port = self._bind(settings)

    def __enter__(self) -> Self:
        """Starts serving."""
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ends the streams, and with them what they carry; a peer dials again when the next process serves."""
        done = self._server.stop(grace=None)
        for session in list(self._sessions):
            session.end()
        done.wait()

    def _bind(self, settings: Settings) -> int:
        try:
            if settings.tls is None:
                return self._server.add_insecure_port(settings.address)
            return self._server.add_secure_port(settings.address, _credentials(settings.tls))
        except RuntimeError as error:
            message = f"chaincode: cannot listen on {settings.address}: {error}"
            raise ConfigError(message) from error

    def _connect(
        self, incoming: Iterator[shim_pb2.ChaincodeMessage], context: grpc.ServicerContext
    ) -> Iterator[shim_pb2.ChaincodeMessage]:
        session = Session(self._means)
        self._sessions.add(session)
        try:
            if not context.add_callback(session.end):
                return
            threading.Thread(target=session.receive, args=(_until_lost(incoming),), name="peer", daemon=True).start()
            yield from session.outgoing()
        finally:
            session.end()
            self._sessions.discard(session)


def _until_lost(incoming: Iterator[shim_pb2.ChaincodeMessage]) -> Iterator[shim_pb2.ChaincodeMessage]:
    """Gives what a peer sends; a stream that is lost, or brings a message beyond the bound, ends like any other."""
    try:
        yield from incoming
    except grpc.RpcError:
        return


def _credentials(tls: Tls) -> grpc.ServerCredentials:
    return grpc.ssl_server_credentials(
        [(tls.key, tls.certificate)],
        root_certificates=tls.client_roots,
        require_client_auth=tls.client_roots is not None,
    )
