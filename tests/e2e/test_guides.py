"""The guides, read by somebody who types every command: each does what the page shows."""

from pathlib import Path
from typing import Final

import pytest

from tests.support.guide import Reader

pytestmark = [pytest.mark.e2e, pytest.mark.ray, pytest.mark.ethereum, pytest.mark.timeout(900)]

GUIDES: Final = Path(__file__).resolve().parents[2] / "docs/guide"


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a reader works. Not tmp_path: with a test's name in it, the sockets of a project have too long a path."""
    return tmp_path_factory.mktemp("g")


def test_the_first_hour_and_the_client(folder: Path) -> None:
    """One fabric serves both, as for a reader who goes on."""
    with Reader(folder, {"CRYPTLET_GATEWAY__LISTEN": "127.0.0.1:0"}) as reader:
        reader.follow(GUIDES / "first-hour.md")
        reader.follow(GUIDES / "client.md")
    assert _left(folder) == []


def test_a_relay_of_ones_own(folder: Path) -> None:
    with Reader(folder, {"CRYPTLET_GATEWAY__LISTEN": "127.0.0.1:0"}) as reader:
        reader.follow(GUIDES / "relay.md")
    assert _left(folder) == []


def test_the_marketplace(folder: Path) -> None:
    """One publishes to a served registry; another fabric runs it, pinned and verified, until it is revoked."""
    own = {"CRYPTLET_GATEWAY__LISTEN": "127.0.0.1:0", "CRYPTLET_MARKET_PORT": "0"}
    with Reader(folder, own | {"CRYPTLET_MARKET_HOME": str(folder / "home")}) as reader:
        reader.follow(GUIDES / "marketplace.md")
    assert _left(folder) == []


def _left(folder: Path) -> list[Path]:
    """Returns the processes that still run for a folder."""
    return [path for path in Path("/proc").glob("[0-9]*/cmdline") if str(folder).encode() in _read(path)]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # it ended
        return b""
