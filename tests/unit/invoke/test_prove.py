"""From a call to a proof that a stranger accepts: pipeline, store, dispatcher and native ledger, all of them real."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from adapters.native.ledger import NativeLedger
from fabric.core import canonical
from fabric.core.errors import NotFound, PlatformError, ProofNotReady, VerificationError
from fabric.core.ids import DestinationId, InvocationId
from fabric.invoke.prove import prove
from fabric.ledger.dispatcher import Dispatcher
from fabric.store.values import RegisterBody, StoredAttestation
from fabric.trust.policy import Publisher
from fabric.trust.proof import Proof
from fabric.trust.standing import State
from fabric.trust.verifier import verify
from tests.support.native import open_native
from tests.support.pipeline import NOW, World, binding, call
from tests.support.projects import PUBLISHER
from tests.support.proofs import ETHEREUM, NATIVE, Recipe, kinds, policy, sample_standing
from tests.support.trust_samples import word

LEDGERS = {NATIVE.id: NATIVE}


@pytest.fixture
async def ledger(tmp_path: Path, world: World) -> AsyncIterator[NativeLedger]:
    opened = await open_native(tmp_path / "ledger", world.clock)
    yield opened
    await opened.aclose()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path) -> None:
    (tmp_path / "ledger").mkdir()


async def know(world: World) -> None:
    """Stores what a proof needs besides the result: binding, publication, attestation."""
    rules, attested = binding(), Recipe().make().attestation
    await world.store.bindings.put(rules, 1)
    document = canonical.encode(world.source.publication.to_json())
    await world.store.publications.put(rules.measurement, document)
    await world.store.standings.put([sample_standing(rules.measurement)])
    body = RegisterBody(attested.result, attested.destinations, attested.signatures)
    await world.store.attest(StoredAttestation(body, b"evidence"), [NATIVE.id])


async def anchor(world: World, ledger: NativeLedger) -> None:
    dispatcher = Dispatcher(ledger, world.store.outbox, world.clock)
    for _ in range(10):
        await dispatcher.round()


async def test_a_proof_that_stands_on_its_own(world: World, ledger: NativeLedger) -> None:
    await know(world)
    answers = await world.ask(*(call(number) for number in range(3)), call(3, "cryptlet-raised"))
    await anchor(world, ledger)
    trusted = policy(publishers=(Publisher(PUBLISHER.key.public_key().public_bytes_raw(), ("*",)),))
    for number, answer in enumerate(answers[:3]):
        file = await prove(world.store, LEDGERS, (InvocationId(answer.invocation), NATIVE.id))
        verified = verify(file, trusted, kinds)
        assert verified.proof.input == call(number).input
        assert canonical.encode(verified.proof.output) == answer.output
        assert verified.proof.index == number
    with pytest.raises(NotFound):
        await prove(world.store, LEDGERS, (InvocationId(answers[3].invocation), NATIVE.id))


async def test_a_proof_carries_the_standing_of_its_anchors_time(world: World, ledger: NativeLedger) -> None:
    """Not a later one, though the proof is asked for later."""
    await know(world)
    trusted = policy(publishers=(Publisher(PUBLISHER.key.public_key().public_bytes_raw(), ("*",)),))
    times = {"issued": NOW + 60, "expires": NOW + 660}
    revoked = sample_standing(binding().measurement, state=State.REVOKED, reason="stolen", position=9, **times)
    [answer] = await world.ask(call(1))
    await anchor(world, ledger)
    name = InvocationId(answer.invocation), NATIVE.id
    await world.store.standings.put([revoked])
    assert verify(await prove(world.store, LEDGERS, name), trusted, kinds).proof.standing == sample_standing(
        binding().measurement
    )

    world.clock.advance(120)
    [answer] = await world.ask(call(2))
    await anchor(world, ledger)
    late = await prove(world.store, LEDGERS, (InvocationId(answer.invocation), NATIVE.id))
    assert Proof.parse(late).standing == revoked
    with pytest.raises(VerificationError, match="is revoked since"):
        verify(late, trusted, kinds)


async def test_the_deepest_input_that_is_admitted_can_be_proven(world: World, ledger: NativeLedger) -> None:
    await know(world)
    depth = canonical.MAX_DEPTH - 2  # the call puts it into an object and a list
    deep = canonical.decode(b"[" * depth + b"]" * depth)
    asked = call(1)
    [answer] = await world.ask(type(asked)("document", canonical.encode({"document": [deep]}), "deep"))
    await anchor(world, ledger)
    assert await prove(world.store, LEDGERS, (InvocationId(answer.invocation), NATIVE.id))


async def test_not_before_the_ledger_has_it(world: World) -> None:
    await know(world)
    [answer] = await world.ask(call(1))
    name = InvocationId(answer.invocation)
    with pytest.raises(ProofNotReady, match="is new on its ledger; ask again later"):
        await prove(world.store, LEDGERS, (name, NATIVE.id))
    with pytest.raises(NotFound):
        await prove(world.store, LEDGERS, (name, ETHEREUM.id))
    with pytest.raises(NotFound):
        await prove(world.store, {}, (name, NATIVE.id))
    with pytest.raises(NotFound):
        await prove(world.store, LEDGERS, (InvocationId(word("nobody")), DestinationId(NATIVE.id)))


async def test_what_was_never_stored_is_an_error_of_the_platform(world: World, ledger: NativeLedger) -> None:
    """An attestation is there, or nothing would be anchored; the binding was never put."""
    attested = Recipe().make().attestation
    body = RegisterBody(attested.result, attested.destinations, attested.signatures)
    await world.store.attest(StoredAttestation(body, b"evidence"), [NATIVE.id])
    [answer] = await world.ask(call(1))
    await anchor(world, ledger)
    with pytest.raises(PlatformError, match="is not stored"):
        await prove(world.store, LEDGERS, (InvocationId(answer.invocation), NATIVE.id))
