"""Founding a native ledger in a folder, and the settings of its plug-in."""

from pathlib import Path

import pytest

from adapters.native.devnet import start
from adapters.native.plugin import open_ledger
from fabric.core.clock import FrozenClock
from fabric.core.errors import ConfigError, ForeignLedger
from fabric.ledger.devnet import Founding
from fabric.trust.kind import Status
from fabric.trust.policy import Appraiser
from tests.support import native
from tests.support.native import ALICE, APPRAISER, SEQUENCER, START, SeededSigner

CLOCK = FrozenClock(START)


def founding(threshold: int = 1) -> Founding:
    keys = (APPRAISER.public, ALICE.public)
    appraisers = tuple(Appraiser(one.ed25519, one.address) for one in keys)
    return Founding("native", appraisers, threshold, bytes(20), SEQUENCER.public.ed25519)


async def test_a_folder_keeps_its_ledger(tmp_path: Path) -> None:
    devnet = await start(tmp_path / "new", {}, CLOCK)
    founded = await devnet.found(founding())
    assert founded == await (await start(tmp_path / "new", {}, CLOCK)).found(founding())
    assert founded.minimum_status is Status.OPERATOR_FINAL
    ledger = await open_ledger(founded.settings, CLOCK, SeededSigner(SEQUENCER))
    assert ledger.destination == founded.destination
    assert founded.trust == {
        "log_key": SEQUENCER.public.ed25519.hex(),
        "origin": f"cryptlet-fabric/native/{founded.destination.id.hex()}",
    }
    await ledger.aclose()
    await devnet.aclose()


async def test_two_foundings_are_two_destinations(tmp_path: Path) -> None:
    first, second = [await (await start(tmp_path / name, {}, CLOCK)).found(founding()) for name in "ab"]
    assert first.destination.id != second.destination.id


async def test_other_founders_are_refused(tmp_path: Path) -> None:
    devnet = await start(tmp_path, {}, CLOCK)
    await devnet.found(founding())
    with pytest.raises(ForeignLedger, match="threshold"):
        await devnet.found(founding(threshold=2))
    (tmp_path / "native-genesis.json").write_bytes(b"{}")
    with pytest.raises(ForeignLedger, match="native-genesis"):
        await devnet.found(founding())


async def test_it_takes_no_options(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="port"):
        await start(tmp_path, {"port": 1}, CLOCK)


async def test_settings_are_checked(tmp_path: Path) -> None:
    good = native.settings(tmp_path, native.genesis())
    signer = SeededSigner(SEQUENCER)
    for changes, words in (
        ({"pth": 1}, "did you mean 'path'"),
        ({"path": 1}, "path"),
        ({"genesis": {}}, "genesis"),
    ):
        with pytest.raises(ConfigError, match=words):
            await open_ledger(good | changes, CLOCK, signer)
    with pytest.raises(ConfigError, match="no signer"):
        await open_ledger(good, CLOCK)


async def test_a_signer_with_another_key_founds_nothing(tmp_path: Path) -> None:
    config = native.settings(tmp_path, native.genesis())
    with pytest.raises(ForeignLedger, match="signer has key"):
        await open_ledger(config, CLOCK, SeededSigner(ALICE))
    ledger = await open_ledger(config, CLOCK, SeededSigner(SEQUENCER))
    await ledger.aclose()
