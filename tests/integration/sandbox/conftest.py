from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from fabric.core.clock import SystemClock
from fabric.enclave.containers.host import ContainerHost
from fabric.enclave.containers.model import Bundle, Limits
from tests.support.wheels import wheel

HERE = Path(__file__).parent / "cryptlets"
LIMITS = Limits(memory_bytes=192 << 20, load_ms=5_000, calls=500, containers=4)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def host(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ContainerHost]:
    """Yields a host that passed its self-test."""
    started = await ContainerHost.start(tmp_path_factory.mktemp("host"), LIMITS, SystemClock())
    yield started
    await started.aclose()


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    path = wheel(tmp_path_factory.mktemp("plain"), {"plain.py": (HERE / "plain.py").read_text()})
    return Bundle(b"p" * 32, path, "plain:Plain")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    path = wheel(tmp_path_factory.mktemp("hostile"), {"hostile.py": (HERE / "hostile.py").read_text()})
    return Bundle(b"h" * 32, path, "hostile:Hostile")
