"""A relay between two ledgers in memory."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.relays import World, open_world


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    opened = await open_world(tmp_path)
    await opened.register()
    yield opened
    await opened.store.aclose()
