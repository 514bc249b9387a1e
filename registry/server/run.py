"""Run: a registry's server as a process, until it is told to stop."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import typer
import uvicorn
from starlette.types import ASGIApp

from fabric.client import Client
from fabric.core.clock import SystemClock
from fabric.core.errors import ConfigError
from fabric.gateway.endpoint import Endpoint, read_api_key
from fabric.trust.policy import Policy
from registry.house.admission import NameGuard
from registry.house.founding import open_house
from registry.house.registry import Registry
from registry.server.anchoring import Anchorer
from registry.server.app import make_app
from registry.server.limits import Gate, Limits
from registry.server.protocol import PatientProtocol

_MAX_CONNECTIONS = 256
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True)
class Anchoring:
    """Which fabric anchors the log's checkpoints.

    Attributes:
        state: its state folder.
        binding: its binding of the fingerprint cryptlet; empty where nothing is anchored.
        seconds: how often.
    """

    state: Path
    binding: str
    seconds: float


@dataclass(frozen=True)
class Serving:
    """What is served, and how.

    Attributes:
        folder: the registry's.
        address: host and port.
        database: URL; empty for a file in the folder.
        lifetime: of what is signed, seconds.
        anchoring: of the log.
        policy: file of the policy whose anchored records count as usage; None counts none.
        limits: of uploads.
        proxy: address of the proxy before it, whose word on where a request came from counts; empty where none does.
    """

    folder: Path
    address: tuple[str, int]
    database: str
    lifetime: int
    anchoring: Anchoring
    policy: Path | None = None
    limits: Limits = field(default_factory=Limits)
    proxy: str = ""


def run(serving: Serving) -> None:
    """Serves a registry's folder.

    Raises:
        ConfigError, Refused, StoreError: as ``open_house``; an address that is taken is a ``ConfigError``.
    """
    asyncio.run(_serve(serving))


async def _serve(serving: Serving) -> None:
    listener = listen(serving.address)
    clock, lifetime = SystemClock(), serving.lifetime
    house = open_house(serving.folder, clock, NameGuard(), serving.database, lifetime)
    with listener, house as registry:
        try:
            await registry.load()
            app = make_app(
                registry,
                max(1, lifetime // 12),
                is_local=serving.address[0] in _LOOPBACK,
                policy=read_policy(serving.policy),
                gate=Gate(serving.limits, clock),
            )
            host, port = listener.getsockname()[:2]
            book = registry.book
            typer.echo(f"{book.origin}: {book.size} entries, {len(book.listings)} bundles, at http://{host}:{port}")
            async with _anchoring(registry, serving.anchoring):
                await uvicorn.Server(configured(app, serving.proxy)).serve([listener])
        finally:
            await registry.aclose()


def configured(app: ASGIApp, proxy: str = "") -> uvicorn.Config:
    """Returns how the server's library is to serve: patient for so long, and believing no header but a proxy's."""
    return uvicorn.Config(
        app,
        http=PatientProtocol,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=bool(proxy),
        forwarded_allow_ips=proxy or None,
        limit_concurrency=_MAX_CONNECTIONS,
        timeout_graceful_shutdown=5,
    )


def read_policy(path: Path | None) -> Policy | None:
    """Returns a policy file, None where none is named; raises ``ConfigError`` and ``Malformed``."""
    try:
        return None if path is None else Policy.parse(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}; a fabric writes one into its state folder") from error


@asynccontextmanager
async def _anchoring(registry: Registry, how: Anchoring) -> AsyncIterator[None]:
    """Anchors checkpoints for as long as the block lasts."""
    if not how.binding:
        yield
        return

    def connect() -> Client:
        return Client(Endpoint.read(how.state).target, read_api_key(how.state))

    task = asyncio.create_task(Anchorer(registry, connect, how.binding).run(how.seconds))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def listen(address: tuple[str, int]) -> socket.socket:
    """Returns a socket that listens; raises ``ConfigError``."""
    try:
        listener = socket.create_server(address)
    except OSError as error:
        raise ConfigError(f"{address[0]}:{address[1]}: {error.strerror or error}; name another with --port") from error
    # asyncio leaves out what it does for TCP where a socket does not say that it is one, and each answer of two
    # packets waits 40 ms for the reader's acknowledgement; accepted connections inherit the option.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener
