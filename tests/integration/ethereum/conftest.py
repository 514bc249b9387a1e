"""A chain of its own for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.evm import World, world


@pytest.fixture
async def chain(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as started:
        yield started
