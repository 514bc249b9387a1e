"""The server: the services of one ledger over TLS on 127.0.0.1."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import grpc
import grpc.aio
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from adapters.hyperledger.embedded.deliver import Deliver
from adapters.hyperledger.embedded.gateway import Gateway
from adapters.hyperledger.embedded.ledger import Ledger
from adapters.hyperledger.embedded.network import Network
from adapters.hyperledger.proto import common_pb2, gateway_pb2, peer_pb2
from fabric.core.clock import Clock
from fabric.core.errors import ConfigError

HOST: Final = "127.0.0.1"
MAX_BYTES: Final = 100 << 20
STOP_SECONDS: Final = 1.0


@dataclass(frozen=True)
class Serving:
    """A server that runs.

    Attributes:
        port: where.
        ordering: makes blocks; ends only where something is wrong with this ledger itself.
    """

    port: int
    ordering: asyncio.Task[None]


@asynccontextmanager
async def serving(network: Network, port: int, clock: Clock) -> AsyncIterator[Serving]:
    """Serves a network for as long as the block lasts.

    Raises:
        ConfigError: the port is taken, or the blocks were spoiled.
        StoreError: the first block cannot be written.
    """
    sizes = [("grpc.max_receive_message_length", MAX_BYTES), ("grpc.max_send_message_length", MAX_BYTES)]
    # Two servers on one port would share its clients.
    server = grpc.aio.server(options=[*sizes, ("grpc.so_reuseport", 0)])
    try:
        opened = server.add_secure_port(f"{HOST}:{port}", _credentials(network))
    except RuntimeError as error:
        raise ConfigError(f"port {port} of {HOST} is taken: choose another one") from error
    ledger = Ledger.open(network, clock, f"{HOST}:{opened}")
    server.add_generic_rpc_handlers((_gateway(Gateway(ledger)), _deliver(Deliver(ledger))))
    ordering = ledger.start()
    await server.start()
    try:
        yield Serving(opened, ordering)
    finally:
        await server.stop(STOP_SECONDS)
        await ledger.aclose()


def _credentials(network: Network) -> grpc.ServerCredentials:
    key = network.tls.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    chain = network.tls.certificate.public_bytes(Encoding.PEM)
    wanted = network.config.client_authentication
    return grpc.ssl_server_credentials([(key, chain)], network.tls_root if wanted else None, wanted)


def _gateway(gateway: Gateway) -> grpc.GenericRpcHandler:
    pb = gateway_pb2
    handlers = {
        "Evaluate": _unary(gateway.evaluate, pb.EvaluateRequest, pb.EvaluateResponse),
        "Endorse": _unary(gateway.endorse, pb.EndorseRequest, pb.EndorseResponse),
        "Submit": _unary(gateway.submit, pb.SubmitRequest, pb.SubmitResponse),
        "CommitStatus": _unary(gateway.commit_status, pb.SignedCommitStatusRequest, pb.CommitStatusResponse),
        "ChaincodeEvents": grpc.unary_stream_rpc_method_handler(
            gateway.chaincode_events,
            pb.SignedChaincodeEventsRequest.FromString,
            pb.ChaincodeEventsResponse.SerializeToString,
        ),
    }
    return grpc.method_handlers_generic_handler("gateway.Gateway", handlers)


def _deliver(deliver: Deliver) -> grpc.GenericRpcHandler:
    methods = {"Deliver": deliver.blocks, "DeliverFiltered": deliver.filtered}
    handlers = {
        name: grpc.stream_stream_rpc_method_handler(
            method, common_pb2.Envelope.FromString, peer_pb2.DeliverResponse.SerializeToString
        )
        for name, method in methods.items()
    }
    return grpc.method_handlers_generic_handler("protos.Deliver", handlers)


def _unary(method: Any, asked: Any, given: Any) -> "grpc.RpcMethodHandler[Any, Any]":  # noqa: ANN401 - messages' classes
    return grpc.unary_unary_rpc_method_handler(method, asked.FromString, given.SerializeToString)
