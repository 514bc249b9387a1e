"""The report to the operator, on a real store and ledgers in memory: what works, is halted, does not answer."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from typing_extensions import override

from fabric.core.clock import FrozenClock
from fabric.core.ids import FabricId
from fabric.gateway import reporting
from fabric.gateway.ledgers import Ledgers, Working
from fabric.gateway.reporting import Reporter
from fabric.invoke.watch import Concern
from fabric.ledger.fakes.faulty import Fault, FaultyLedger
from fabric.ledger.fakes.memory import MemoryLedger
from fabric.ledger.port import Ledger, Register
from fabric.ledger.rules.state import Genesis
from fabric.runtime.pool import EnclaveHandle
from fabric.store.store import open_store
from fabric.trust.attestation import Assurance, KeySet, KeyState
from fabric.trust.schemes import ED25519
from fabric.trust.standing import State
from fabric.wire.codec import Description
from fabric.wire.status import HALTED, UNREACHABLE, WORKING, EnclaveStatus, OutboxCount, StandingStatus
from tests.support.batches import (
    APPRAISER,
    ENCLAVE,
    FABRIC,
    MEASUREMENT,
    NOW,
    accept,
    acceptance,
    attest,
    destination,
    fail,
    sign,
)
from tests.support.pipeline import binding
from tests.support.proofs import NATIVE, sample_standing

KEYS = ENCLAVE.public
DESCRIPTION = Description(KEYS, MEASUREMENT, "zygote-ns+lock", 3, 77)


class SilentLedger(MemoryLedger):
    """Never answers."""

    @override
    async def key_state(self, keys: KeySet) -> KeyState | None:
        await asyncio.Event().wait()
        raise AssertionError(keys)


def ledger(name: str, kind: type[MemoryLedger] = MemoryLedger) -> MemoryLedger:
    return kind(Genesis(destination(name), (APPRAISER.public,), 1, ED25519), FrozenClock(NOW))


async def test_the_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporting, "ASK_SECONDS", 0.05)
    store = await open_store(tmp_path / "fabric.db", tmp_path / "blobs", FrozenClock(NOW))
    works, fails, silent, halted = ledger("a"), ledger("b"), ledger("c", SilentLedger), ledger("d")
    gone = FaultyLedger(fails, lambda: Fault.UNAVAILABLE, lambda: None)
    all_of_them: dict[str, Ledger] = {"works": works, "gone": gone, "silent": silent, "halted": halted}
    working = [
        Working(name, each, cast("Any", None), cast("Any", None), asserted=True) for name, each in all_of_them.items()
    ]
    body = attest([works.destination.id]).body
    register = Register(body.result, body.destinations, body.signatures)
    await works.submit(await works.prepare([register], []))
    await store.halts.put(halted.destination.id, "a reorg beyond finality", NOW)
    batch = sign([accept(1), accept(2)], works.destination)
    await store.enqueue(acceptance([accept(1), accept(2), fail(3)], [batch]))
    rules = binding()
    await store.bindings.put(rules, NOW)
    pool = SimpleNamespace(enclaves=(EnclaveHandle("1", tmp_path, DESCRIPTION),))
    registrar = SimpleNamespace(assurances={KEYS.ed25519: Assurance.SOFTWARE})
    ledgers = Ledgers(working, store, FrozenClock(NOW))

    said = sample_standing(rules.measurement, state=State.DEPRECATED, reason="2.0.0 is better")
    well = Concern(said.measurement, said, trouble="")
    watch = SimpleNamespace(concerns=lambda: (well, Concern(MEASUREMENT, None, trouble="?")))

    parts = cast("Any", pool), cast("Any", registrar)
    reporter = Reporter(FabricId(FABRIC), store, ledgers, *parts, ray_jailed=True, watch=cast("Any", watch))
    found = await reporter.status()

    assert [(item.name, item.state, item.key_state) for item in found.ledgers] == [
        ("works", WORKING, "active"),
        ("gone", UNREACHABLE, "unknown"),
        ("silent", UNREACHABLE, "unknown"),
        ("halted", HALTED, "unknown"),
    ]
    assert [item.reason != "" for item in found.ledgers] == [False, True, True, True]
    assert found.enclaves == (EnclaveStatus("1", KEYS.ed25519, KEYS.address, "zygote-ns+lock", 3, 77, "software"),)
    assert (found.succeeded, found.failed) == (2, 1)
    assert found.outbox == (OutboxCount("works", "settle", "new", 1),)
    assert found.standings == (
        StandingStatus(said.measurement, "deprecated", "2.0.0 is better", said.expires),
        StandingStatus(MEASUREMENT, "", "", 0, "?"),
    )
    (bound,) = found.bindings
    assert (bound.name, bound.version, bound.methods) == (rules.name, rules.version, ("document", "file"))
    assert bound.ledgers == (NATIVE.id.hex(),)  # of no ledger that runs here, so its id has to do
    await store.aclose()
