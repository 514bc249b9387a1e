"""A store in a folder of its own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fabric.core.clock import FrozenClock
from fabric.store.store import Store, open_store


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await open_store(tmp_path / "fabric.db", tmp_path / "blobs", FrozenClock())
    yield opened
    await opened.aclose()
