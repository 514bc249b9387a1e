"""Fixtures: an empty database of each kind, and the server behind one kind, once for all tests of a run."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.postgres import Server

KINDS = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A server without databases."""
    server = Server()
    try:
        yield server.start()
    finally:
        server.close()


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where an empty database is."""
    if request.param == "sqlite":
        yield str(tmp_path / "fabric.db")
        return
    server: Server = request.getfixturevalue("server")
    name = secrets.token_hex(8)
    yield server.make(name)
    server.drop(name)
