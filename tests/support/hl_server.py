"""A channel in memory behind a real gRPC server, plain or with TLS: what wire, certificates and deadlines do."""

import asyncio
import datetime as dt
import ipaddress
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import grpc.aio
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from adapters.hyperledger.client.peers import COMMIT_STATUS, ENDORSE, SUBMIT, PeerError
from adapters.hyperledger.proto import common_pb2, gateway_pb2, peer_pb2, rpc_pb2
from tests.support.hl_authorities import Key, new_key
from tests.support.hl_channel import MemoryChannel

Handler = Callable[[bytes, grpc.aio.ServicerContext[Any, Any]], Awaitable[bytes]]


@dataclass(frozen=True)
class TlsAuthority:
    """Makes TLS certificates; as PEM."""

    key: Key
    certificate: x509.Certificate

    @classmethod
    def make(cls, name: str = "tlsca") -> "TlsAuthority":
        key = new_key()
        return cls(key, _certificate(name, key, None, key))

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    def issue(self, name: str) -> tuple[bytes, bytes]:
        """Returns key and certificate of a host."""
        key = new_key()
        made = _certificate(name, key, self.certificate, self.key)
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return private, made.public_bytes(Encoding.PEM)


@dataclass
class Server:
    """A gRPC server of a channel.

    Attributes:
        channel: the channel.
        port: where it listens.
        raw: answers of a method that are sent as they are, by the method's name.
        slow: methods that never answer.
    """

    channel: MemoryChannel
    port: int
    raw: dict[str, bytes]
    slow: set[str]

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self.port}"


@asynccontextmanager
async def serve(channel: MemoryChannel, credentials: grpc.ServerCredentials | None = None) -> AsyncIterator[Server]:
    """Serves a channel on a free port."""
    server = grpc.aio.server()
    running = Server(channel, 0, {}, set())
    unary = {
        "Endorse": _unary(running, ENDORSE, gateway_pb2.EndorseRequest.FromString),
        "Submit": _unary(running, SUBMIT, gateway_pb2.SubmitRequest.FromString),
        "CommitStatus": _unary(running, COMMIT_STATUS, gateway_pb2.SignedCommitStatusRequest.FromString),
    }
    handlers: dict[str, Any] = {name: grpc.unary_unary_rpc_method_handler(each) for name, each in unary.items()}
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("gateway.Gateway", handlers)])
    deliver: Any = grpc.stream_stream_rpc_method_handler(_deliver(running))
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("protos.Deliver", {"Deliver": deliver})])
    place = "127.0.0.1:0"
    running.port = server.add_secure_port(place, credentials) if credentials else server.add_insecure_port(place)
    await server.start()
    try:
        yield running
    finally:
        await server.stop(None)


def _unary(running: Server, method: Any, read: Callable[[bytes], Any]) -> Any:  # noqa: ANN401 - gRPC's own types
    name = method.path.rpartition("/")[2]

    async def handle(raw: bytes, context: grpc.aio.ServicerContext[Any, Any]) -> bytes:
        if name in running.slow:
            await asyncio.sleep(3_600)
        if name in running.raw:
            return running.raw[name]
        try:
            answer = await running.channel.ask(method, read(raw), 0)
        except PeerError as error:
            if error.status is grpc.StatusCode.DEADLINE_EXCEEDED:
                await asyncio.sleep(3_600)  # a peer waits for the transaction
            context.set_trailing_metadata((("grpc-status-details-bin", _details(error.details)),))
            await context.abort(error.status, str(error))
        written: bytes = answer.SerializeToString()
        return written

    return handle


def _deliver(running: Server) -> Any:  # noqa: ANN401 - gRPC's own types
    async def handle(
        requests: AsyncIterator[bytes], context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[bytes]:
        del context
        async for raw in requests:
            if "Deliver" in running.raw:
                yield running.raw["Deliver"]
                return
            blocks = await running.channel.deliver(common_pb2.Envelope.FromString(raw), 0)
            for block in blocks:
                yield peer_pb2.DeliverResponse(block=block).SerializeToString()
            status = common_pb2.SUCCESS if blocks else common_pb2.NOT_FOUND
            yield peer_pb2.DeliverResponse(status=status).SerializeToString()

    return handle


def _details(said: Sequence[str]) -> bytes:
    status = rpc_pb2.Status(code=10, message="failed")
    for each in said:
        detail = gateway_pb2.ErrorDetail(address="peer0:7051", msp_id="Org1MSP", message=each)
        status.details.add(type_url="type.googleapis.com/gateway.ErrorDetail", value=detail.SerializeToString())
    return status.SerializeToString()


def _certificate(name: str, key: Key, issuer: x509.Certificate | None, signer: Key) -> x509.Certificate:
    now = dt.datetime.now(dt.UTC)  # noqa: TID251 - TLS looks at the machine's clock
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    names: list[x509.GeneralName] = [x509.DNSName(name)]
    if name == "localhost":
        names.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
    )
    return builder.sign(signer, hashes.SHA256())
