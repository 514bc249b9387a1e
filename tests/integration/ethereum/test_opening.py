"""Which ledger answers is checked before anything is believed of it."""

from pathlib import Path
from typing import Final

import pytest
from web3 import AsyncHTTPProvider

from adapters.ethereum.plugin import open_ledger
from fabric.core.canonical import JsonValue
from fabric.core.clock import FrozenClock
from fabric.core.errors import ConfigError, ForeignLedger, LedgerError, LedgerUnavailable
from fabric.core.ids import sha256
from tests.support.evm import RELAYER, SALT, World, world

pytestmark = pytest.mark.ethereum

OTHER: Final = sha256(b"other").hex()


async def test_the_right_one_opens_with_the_destination_of_the_contract(chain: World) -> None:
    ledger = await open_ledger(chain.settings, FrozenClock(), RELAYER)
    destination = ledger.destination
    await ledger.aclose()
    await ledger.aclose()
    assert (destination.kind, destination.chain_number, destination.salt) == ("ethereum", 31337, SALT)
    assert destination.genesis == (await chain.block(0)).hash


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("chain_id", 1, "chain 31337"),
        ("genesis", OTHER, "genesis block"),
        ("salt", OTHER, "another salt"),
        ("settlement", "0x" + "0a" * 20, "no contract"),
    ],
    ids=["chain", "genesis", "salt", "address"],
)
async def test_another_one_is_refused_by_what_differs(chain: World, key: str, value: JsonValue, reason: str) -> None:
    with pytest.raises(ForeignLedger, match=reason):
        await open_ledger(chain.settings | {key: value}, FrozenClock(), RELAYER)


async def test_another_contract_at_the_address_is_refused(chain: World) -> None:
    for code in ("0x00", "0x60006000f3", "0xfe"):
        await chain.do("anvil_setCode", str(chain.settings["settlement"]), code)
        with pytest.raises(ForeignLedger):
            await open_ledger(chain.settings, FrozenClock(), RELAYER)


async def test_a_chain_that_was_reset_is_another_ledger(chain: World, tmp_path: Path) -> None:
    # Of the same chain id, with the same contract at the same address under the same salt.
    async with world(tmp_path / "other", (await chain.block(0)).time - 1) as other:
        assert other.settings["settlement"] == chain.settings["settlement"]
        assert other.destination.id != chain.destination.id
        settings = chain.settings | {"url": other.node.url}
        with pytest.raises(ForeignLedger, match="genesis"):
            await open_ledger(settings, FrozenClock(), RELAYER)


async def test_a_chain_that_is_swapped_for_a_reset_one_under_an_open_ledger_is_refused(
    chain: World, tmp_path: Path
) -> None:
    work = await chain.settle(1)
    async with world(tmp_path / "other", (await chain.block(0)).time - 1) as other:
        before, chain.ledger.rpc._provider = chain.ledger.rpc._provider, AsyncHTTPProvider(other.node.url)
        for attempt in (chain.ledger.prepare([work], []), chain.see(work), chain.ledger.requests(b"", 10)):
            with pytest.raises(ForeignLedger, match="another chain"):
                await attempt
        await before.disconnect()


async def test_a_node_that_does_not_answer_is_unavailable(chain: World) -> None:
    with pytest.raises(LedgerUnavailable):
        await open_ledger(chain.settings | {"url": "http://127.0.0.1:9"}, FrozenClock(), RELAYER)
    with pytest.raises(ConfigError):
        await open_ledger(chain.settings | {"uri": "http://127.0.0.1:9"}, FrozenClock(), RELAYER)


async def test_without_a_relayer_it_is_there_to_read(chain: World) -> None:
    work = await chain.settle(1)
    (submission,) = await chain.send(work)
    await chain.mine()
    ledger = await open_ledger(chain.settings, FrozenClock())
    try:
        assert await ledger.is_settled(work.header.batch_id)
        (seen,) = await ledger.observe([(work, None)])
        assert seen.receipt is not None
        assert submission.locator in seen.receipt.locator
        with pytest.raises(LedgerError, match="read only"):
            await ledger.prepare([work], [])
    finally:
        await ledger.aclose()
