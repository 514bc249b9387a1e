"""Run: a registry's server as a process, until it is told to stop."""

import asyncio
import socket
from pathlib import Path

import typer
import uvicorn

from fabric.core.clock import SystemClock
from fabric.core.errors import ConfigError
from registry.house.admission import NameGuard
from registry.house.founding import open_house
from registry.server.app import make_app

_MAX_CONNECTIONS = 256
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


def run(folder: Path, address: tuple[str, int], database: str, lifetime: int) -> None:
    """Serves a registry's folder.

    Raises:
        ConfigError, Refused, StoreError: as ``open_house``; an address that is taken is a ``ConfigError``.
    """
    asyncio.run(_serve(folder, address, database, lifetime))


async def _serve(folder: Path, address: tuple[str, int], database: str, lifetime: int) -> None:
    listener = listen(address)
    with listener, open_house(folder, SystemClock(), NameGuard(), database, lifetime) as registry:
        try:
            await registry.load()
            config = uvicorn.Config(
                make_app(registry, max(1, lifetime // 12), is_local=address[0] in _LOOPBACK),
                log_level="warning",
                access_log=False,
                server_header=False,
                limit_concurrency=_MAX_CONNECTIONS,
                timeout_graceful_shutdown=5,
            )
            host, port = listener.getsockname()[:2]
            book = registry.book
            typer.echo(f"{book.origin}: {book.size} entries, {len(book.listings)} bundles, at http://{host}:{port}")
            await uvicorn.Server(config).serve([listener])
        finally:
            await registry.aclose()


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
