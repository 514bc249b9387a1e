"""A node that the fabric did not start: founding on it, opening what is there, and who pays."""

import os
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from adapters.ethereum.anvil import Anvil, Options, fund
from adapters.ethereum.creation import FILE, Creation
from adapters.ethereum.external import ExternalLedger, connect
from adapters.ethereum.plugin import open_ledger
from adapters.ethereum.rpc import Rpc
from fabric.core.canonical import JsonValue
from fabric.core.clock import FrozenClock
from fabric.core.errors import ConfigError, ForeignLedger, LedgerUnavailable, SubmitError
from fabric.core.ids import sha256
from fabric.ledger.devnet import ChannelClient, EvmAccount, Founded, Founding
from fabric.trust.policy import Appraiser
from tests.support.evm import RELAYER, MemorySigner
from tests.support.seeded_keys import SeededKeys

pytestmark = pytest.mark.ethereum
APPRAISER: Final = SeededKeys("appraiser").public
FOUNDING: Final = Founding(
    name="ethereum",
    appraisers=(Appraiser(APPRAISER.ed25519, APPRAISER.address),),
    threshold=1,
    relayer=RELAYER.address,
    sequencer=bytes(32),
)


class Signer(MemorySigner):
    """A signer that can be ended."""

    async def aclose(self) -> None:
        """Holds nothing."""


async def open_signer(account: EvmAccount | ChannelClient) -> Signer:
    assert account == EvmAccount(31337, b"")  # it may create contracts and nothing else
    return Signer(RELAYER.keys)


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Anvil]:
    async with await Anvil.start(tmp_path / "node", Options(block_seconds=0, dies_with_parent=True)) as started:
        yield started


async def external(node: Anvil, tmp_path: Path, **options: JsonValue) -> ExternalLedger:
    return await connect(tmp_path / "ledger", {"url": node.url, **options}, FrozenClock(), open_signer)


async def found(node: Anvil, tmp_path: Path, **options: JsonValue) -> Founded:
    return await (await external(node, tmp_path, **options)).found(FOUNDING)


async def ask(node: Anvil, method: str, *parameters: JsonValue) -> JsonValue:
    rpc = Rpc(node.url)
    try:
        (answer,) = await rpc.ask([(method, list(parameters))])
    finally:
        await rpc.aclose()
    return answer


async def give(node: Anvil, wei: int = 10**18) -> None:
    rpc = Rpc(node.url)
    await fund(rpc, RELAYER.address, wei)
    await rpc.aclose()


async def created(node: Anvil) -> JsonValue:
    """How many transactions the relayer sent: it sends none but creations here."""
    return await ask(node, "eth_getTransactionCount", "0x" + RELAYER.address.hex(), "latest")


async def test_a_relayer_without_money_is_refused_by_address_and_amount(node: Anvil, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=rf"relayer 0x{RELAYER.address.hex()} has 0 wei .* send it \d{{16,}} wei"):
        await found(node, tmp_path)
    assert not (tmp_path / "ledger" / FILE).exists()
    await give(node)
    founded = await found(node, tmp_path)
    await give(node, 10**9)
    with pytest.raises(ConfigError, match="has 1000000000 wei"):  # every start registers enclaves
        await found(node, tmp_path)
    assert founded.destination.kind == "ethereum"


async def test_founded_once_and_found_again(node: Anvil, tmp_path: Path) -> None:
    first = await found(node, tmp_path, development=True, finality=2)
    again = await found(node, tmp_path, development=True, finality=3)
    assert again.destination == first.destination
    assert (first.settings["finality"], again.settings["finality"]) == (2, 3)
    assert await created(node) == "0x1"
    ledger = await open_ledger(again.settings, FrozenClock(), RELAYER)
    assert ledger.destination == first.destination
    await ledger.aclose()


@pytest.mark.parametrize("step", ["_send", "_mined"])
async def test_a_crash_before_it_is_known_founds_no_second_one(
    node: Anvil, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    await give(node)
    real = getattr(Creation, step)

    async def crash(self: Creation, *arguments: object) -> None:
        if step == "_mined":
            await real(self, *arguments)  # it was sent, and mined
        raise KeyboardInterrupt

    monkeypatch.setattr(Creation, step, crash)
    with pytest.raises(KeyboardInterrupt):
        await found(node, tmp_path)
    monkeypatch.undo()
    stored = (tmp_path / "ledger" / FILE).read_bytes()
    founded = await found(node, tmp_path)
    assert await created(node) == "0x1"
    assert founded.destination.salt.hex().encode() in stored


async def test_a_nonce_that_another_one_used_is_given_up(
    node: Anvil, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await give(node)

    async def crash(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Creation, "_send", crash)
    with pytest.raises(KeyboardInterrupt):
        await found(node, tmp_path)
    monkeypatch.undo()
    await ask(node, "anvil_setNonce", "0x" + RELAYER.address.hex(), "0x5")
    with pytest.raises(SubmitError, match="start again"):
        await found(node, tmp_path)
    await found(node, tmp_path)
    assert await created(node) == "0x6"


async def test_a_deployment_is_opened_by_address_and_salt(node: Anvil, tmp_path: Path) -> None:
    await give(node)
    founded = await found(node, tmp_path)
    where = {name: founded.settings[name] for name in ("settlement", "salt")}
    opened = await connect(tmp_path / "other", {"url": node.url, **where}, FrozenClock(), open_signer)
    assert (await opened.found(FOUNDING)).destination == founded.destination
    stranger = SeededKeys("stranger").public
    for other in (
        replace(FOUNDING, appraisers=(Appraiser(stranger.ed25519, stranger.address),)),
        replace(FOUNDING, threshold=2),
    ):
        with pytest.raises(ForeignLedger, match="other appraisers or another threshold"):
            await opened.found(other)
    wrong = await connect(tmp_path / "other", {"url": node.url, **where, "salt": "00" * 32}, FrozenClock(), open_signer)
    with pytest.raises(ForeignLedger, match="another salt"):
        await wrong.found(FOUNDING)


async def test_a_chain_that_is_gone_is_refused(node: Anvil, tmp_path: Path) -> None:
    await found(node, tmp_path, development=True)
    async with await Anvil.start(tmp_path / "second", Options(block_seconds=0, dies_with_parent=True)) as other:
        with pytest.raises(ForeignLedger, match="no contract"):
            await found(other, tmp_path, development=True)
    with pytest.raises(LedgerUnavailable):
        await found(other, tmp_path)


async def test_a_spoiled_file_founds_no_other_deployment(node: Anvil, tmp_path: Path) -> None:
    await found(node, tmp_path, development=True)
    place = tmp_path / "ledger" / FILE
    place.write_bytes(place.read_bytes()[:-2])
    with pytest.raises(ConfigError, match="is spoiled"):
        await found(node, tmp_path)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({}, "'url': Field required"),
        ({"url": "http://127.0.0.1:1", "finalty": 2}, "did you mean 'finality'"),
        ({"url": "ws://127.0.0.1:1"}, "'url'"),
    ],
)
async def test_a_wrong_option_is_named(tmp_path: Path, options: dict[str, JsonValue], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        await connect(tmp_path, options, FrozenClock(), open_signer)


async def test_a_deployment_without_its_salt_is_refused(node: Anvil, tmp_path: Path) -> None:
    await give(node)
    with pytest.raises(ConfigError, match="salt is missing"):
        await found(node, tmp_path, settlement="0x" + sha256(b"any")[:20].hex())


async def test_a_creation_survives_a_loss_of_power_before_it_is_sent(
    node: Anvil, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda handle: synced.append(Path(f"/proc/self/fd/{handle}").readlink().name))
    rpc = Rpc(node.url)
    await fund(rpc, RELAYER.address)
    await Creation(rpc, tmp_path / "ledger").draft(Signer(RELAYER.keys), 31337, (1, 10**10), 10**6, lambda salt: salt)
    await rpc.aclose()
    assert synced == ["creation.draft", "ledger"]  # the bytes, then the name
