"""The standard services beside the fabric's own: health for load balancers, reflection for tools such as grpcurl.

Health tells nobody anything but whether the door serves, so it is open. Reflection tells which calls there are: open
where only this machine can ask, for callers with a key elsewhere.
"""

import ipaddress
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import grpc
import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from typing_extensions import override

from fabric.core.errors import Unauthenticated

REFLECTION: Final = "/grpc.reflection."
"""How the paths of its methods begin."""
_Handler = Any  # grpc.RpcMethodHandler, which is generic for a type checker only
Authenticate = Callable[[Mapping[str, Any]], str]
Refuse = Callable[[Any, Unauthenticated], Awaitable[None]]


class Health:
    """Answers ``grpc.health.v1``: SERVING once it is made, NOT_SERVING from ``end`` on."""

    def __init__(self, service: str) -> None:
        """Takes the name of the fabric's own service; the empty name means the whole server."""
        self._service = service
        self._checks = health.aio.HealthServicer()

    async def add_to(self, server: grpc.aio.Server) -> None:
        """Adds the service to a server."""
        health_pb2_grpc.add_HealthServicer_to_server(self._checks, server)
        await self._checks.set(self._service, health_pb2.HealthCheckResponse.SERVING)

    async def end(self) -> None:
        """Says NOT_SERVING to all who ask or watch."""
        await self._checks.enter_graceful_shutdown()


class KeyGuard(grpc.aio.ServerInterceptor):
    """Refuses calls without a known key before anything of their messages is read: those may be large, and many."""

    def __init__(self, guarded: tuple[str, ...], authenticate: Authenticate, refuse: Refuse) -> None:
        """Takes what it guards.

        Args:
            guarded: how the paths of the methods begin.
            authenticate: returns the caller's name from metadata, or raises ``Unauthenticated``.
            refuse: ends a call with an error.
        """
        self._guarded = guarded
        self._authenticate = authenticate
        self._refuse = refuse

    @override
    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[_Handler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> _Handler:
        """Passes a call on, or answers it with UNAUTHENTICATED."""
        if handler_call_details.method.startswith(self._guarded):
            try:
                self._authenticate(dict(handler_call_details.invocation_metadata or ()))
            except Unauthenticated as error:
                return _refusing(self._refuse, error)
        return await continuation(handler_call_details)


def add_reflection(server: grpc.aio.Server, service: str) -> None:
    """Adds reflection of the fabric's service, of health and of itself."""
    reflection.enable_server_reflection((service, health.SERVICE_NAME, reflection.SERVICE_NAME), server)


def is_local(listen: str) -> bool:
    """Says whether nobody but this machine reaches an address to listen on."""
    if listen.startswith(("unix:", "unix-abstract:")):
        return True
    host = listen.rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _refusing(refuse: Refuse, error: Unauthenticated) -> _Handler:
    async def answer(_: object, context: Any) -> None:  # noqa: ANN401 - gRPC's own
        await refuse(context, error)

    # Whatever kind the method is of: a stream is answered before its first message came.
    return grpc.stream_stream_rpc_method_handler(answer)
