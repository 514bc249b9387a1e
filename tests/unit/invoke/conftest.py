"""A pipeline in a folder of its own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.pipeline import World, open_world


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    opened = await open_world(tmp_path)
    yield opened
    await opened.store.aclose()
