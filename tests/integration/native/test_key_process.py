"""The native ledger with the key process that signs for it in the fabric."""

from pathlib import Path

import pytest

from adapters.native.devnet import start
from adapters.native.plugin import open_ledger
from fabric.core.clock import FrozenClock
from fabric.core.errors import SubmitError
from fabric.core.ids import NOBODY
from fabric.ledger.devnet import Founding
from fabric.ledger.port import Phase
from fabric.signers.create import ED25519, KeyFile, public_keys
from fabric.signers.process import KeyProcess
from fabric.signers.protocol import CheckpointKey
from fabric.trust.policy import Appraiser
from tests.support import native
from tests.support.native import APPRAISER, START


async def test_its_key_process_signs_every_checkpoint(tmp_path: Path) -> None:
    file, clock = tmp_path / "sequencer", FrozenClock(START)
    (key,) = await public_keys([KeyFile(ED25519, file)])
    appraiser = Appraiser(APPRAISER.public.ed25519, APPRAISER.public.address)
    founded = await (await start(tmp_path, {}, clock)).found(Founding("native", (appraiser,), 1, bytes(20), key))
    signing = CheckpointKey(file, str(founded.trust["origin"]))

    process = await KeyProcess.start(checkpoint=signing)
    ledger = await open_ledger(founded.settings, clock, process)
    register = native.register(ledger.destination.id)
    await ledger.submit(await ledger.prepare([register], []))
    assert (await ledger.observe([(register, None)]))[0].phase is Phase.FINAL
    await process.aclose()
    settle = native.settle(ledger, native.records(ledger, ["a"], NOBODY))
    submissions = await ledger.prepare([settle], [])
    with pytest.raises(SubmitError, match="not signed"):
        await ledger.submit(submissions)
    await ledger.aclose()

    process = await KeyProcess.start(checkpoint=signing)
    ledger = await open_ledger(founded.settings, clock, process)
    await ledger.submit(submissions)
    assert (await ledger.observe([(settle, submissions[0])]))[0].phase is Phase.FINAL
    await ledger.aclose()
    await process.aclose()
