"""The test of a deployment: every finding is told with what to do, also of a node that is another or gone."""

from pathlib import Path

import pytest

from adapters.ethereum.checks import check
from adapters.ethereum.health import low_balance
from adapters.ethereum.settings import parse_settings
from fabric.core.canonical import JsonObject
from fabric.ledger.health import Check
from tests.support.evm import FINALITY, RELAYER, World, world

pytestmark = pytest.mark.ethereum

ALL = ("reachable", "chain id", "genesis", "contract", "destination id", "finality", "receipts", "fee", "balance")


async def failed(chain: World, settings: JsonObject | None = None) -> dict[str, Check]:
    found = await check(settings or chain.settings, chain.destination.id, RELAYER.address)
    assert all(bool(item.fix) is not item.ok for item in found), found
    return {item.name: item for item in found if not item.ok}


async def test_what_is_well_is_said_to_be(chain: World) -> None:
    await chain.mine(FINALITY)
    found = await check(chain.settings, chain.destination.id, RELAYER.address)
    assert [(item.name, item.ok) for item in found] == [(name, True) for name in ALL]
    assert len(await check(chain.settings, chain.destination.id, None)) == len(ALL) - 1, "nobody pays"


async def test_what_is_not_is_told_with_its_fix(chain: World) -> None:
    cap = int(str((await chain.ledger.health())["fee_cap_wei"]))
    await chain.do("anvil_setNextBlockBaseFeePerGas", hex(2 * cap))
    await chain.mine(FINALITY)
    enough = low_balance(parse_settings(chain.settings).fees)
    await chain.do("anvil_setBalance", "0x" + RELAYER.address.hex(), hex(enough - 1))
    found = await failed(chain, chain.settings | {"finality": 1_000})
    assert set(found) == {"finality", "fee", "balance"}
    assert "0x" + RELAYER.address.hex() in found["balance"].fix


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"chain_id": 5}, {"chain id"}),
        ({"genesis": "00" * 32}, {"genesis"}),
        ({"salt": "00" * 32}, {"destination id"}),
        ({"settlement": "0x" + "00" * 19 + "99"}, {"contract"}),
        ({"url": "http://127.0.0.1:9"}, {"reachable"}),
    ],
    ids=["chain", "genesis", "salt", "address", "gone"],
)
async def test_another_ledger_is_told_by_what_differs(chain: World, change: JsonObject, names: set[str]) -> None:
    await chain.mine(FINALITY)
    assert set(await failed(chain, chain.settings | change)) == names


async def test_a_wiped_chain_is_told(chain: World, tmp_path: Path) -> None:
    async with world(tmp_path / "other", (await chain.block(0)).time - 1) as other:
        await other.mine(FINALITY)
        found = await failed(chain, chain.settings | {"url": other.node.url})
    assert set(found) == {"genesis", "destination id"}
    assert "wiped" in found["genesis"].fix
