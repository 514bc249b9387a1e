"""A running enclave for the tests of this folder; one for all that do not break it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from fabric.enclave.launch import EnclaveProcess, launch
from tests.support.enclaves import config


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def enclave(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EnclaveProcess]:
    folder = tmp_path_factory.mktemp("enclave")
    process = await launch(folder / "e", config(folder))
    yield process
    await process.aclose()


@pytest.fixture
async def doomed(tmp_path: Path) -> AsyncIterator[EnclaveProcess]:
    """An enclave that a test may break."""
    process = await launch(tmp_path / "e", config(tmp_path))
    yield process
    await process.aclose()
