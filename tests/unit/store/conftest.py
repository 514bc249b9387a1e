"""A store of its own for each test, in each kind of database."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fabric.core.clock import FrozenClock
from fabric.store.store import Store, open_store
from tests.support.databases import database, server

__all__ = ["database", "server"]


@pytest.fixture
async def store(database: str, tmp_path: Path) -> AsyncIterator[Store]:
    opened = await open_store(database, tmp_path / "blobs", FrozenClock())
    yield opened
    await opened.aclose()
