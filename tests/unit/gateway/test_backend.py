"""What the door opens to: a caller sees its own results, the operator puts bindings, statuses are honest."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from fabric.core import canonical
from fabric.core.errors import Malformed, NotFound, ProofNotReady, Refused, Unauthorized
from fabric.core.ids import DestinationId, Digest, InvocationId, sha256
from fabric.core.model import Invocation
from fabric.gateway.backend import Backend, OpenedLedger
from fabric.gateway.endpoint import LOCAL_CALLER
from fabric.invoke.acceptor import submit_events
from fabric.store.outbox import Change
from fabric.store.values import Progress, WorkState
from fabric.trust.binding import Binding
from fabric.trust.kind import Status
from fabric.trust.publication import Publication
from fabric.wire.service import Answer, InvokeRequest
from tests.support.pipeline import World, binding, call, open_world
from tests.support.proofs import CALLER, ETHEREUM, NATIVE, RECIPIENT
from tests.support.trust_samples import word


@dataclass
class Ears:
    """Keeps what it heard."""

    bindings: list[Binding] = field(default_factory=list)
    blobs: list[Digest] = field(default_factory=list)

    async def in_force(self, rules: Binding, publication: Publication) -> None:
        assert publication.measurement == rules.measurement
        self.bindings.append(rules)

    async def input_arrived(self, digest: Digest) -> None:
        self.blobs.append(digest)


@dataclass
class House:
    """A backend on a real store."""

    world: World
    ears: Ears
    backend: Backend

    async def ask(self, *numbers: int, name: str = "fingerprints") -> tuple[Answer, ...]:
        calls = tuple(call(number) for number in numbers)
        return (await self.backend.invoke(CALLER, InvokeRequest(name, calls))).answers


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    world, ears = await open_world(tmp_path), Ears()
    ledgers = {NATIVE.id: OpenedLedger("native", NATIVE, Status.OPERATOR_FINAL)}
    backend = Backend(world.pipeline, world.store, world.pipeline._catalogue, ledgers, world.clock, ears)
    yield House(world, ears, backend)
    await world.store.aclose()


async def test_a_binding_is_in_force_by_name_and_by_version(house: House) -> None:
    rules = binding()
    assert await house.backend.put_binding(LOCAL_CALLER, rules.document) == rules.version
    assert house.ears.bindings == [rules]
    by_name = await house.ask(1)
    assert await house.ask(1, name=rules.version.hex()) == by_name
    assert await house.world.store.publications.get(rules.measurement) is not None


async def test_a_newer_binding_takes_the_name(house: House) -> None:
    await house.backend.put_binding(LOCAL_CALLER, binding().document)
    await house.ask(1)
    newer = binding(valid_seconds=60)
    await house.backend.put_binding(LOCAL_CALLER, newer.document)
    [answer] = await house.ask(2)
    found = await house.world.store.invocations.get(InvocationId(answer.invocation))
    assert found is not None
    assert found.binding == newer.version


@pytest.mark.parametrize("name", ["unknown", "", "00" * 32, "x" * 100_000])
async def test_an_unknown_binding_says_what_to_do(house: House, name: str) -> None:
    with pytest.raises(NotFound, match="put one with `cryptlet bind FILE`") as caught:
        await house.ask(1, name=name)
    assert len(str(caught.value)) < 200


async def test_only_the_operator_puts_bindings(house: House) -> None:
    with pytest.raises(Unauthorized, match="no operator"):
        await house.backend.put_binding(CALLER, binding().document)
    assert house.ears.bindings == []


async def test_what_a_cryptlet_asks_for_must_be_granted(house: House) -> None:
    catalogue, measurement = house.world.pipeline._catalogue, binding().measurement
    listed = await catalogue.fetch(measurement)
    project = listed.manifest.project.model_copy(update={"capabilities": ("native",)})
    catalogue._listed[measurement] = replace(listed, manifest=replace(listed.manifest, project=project))
    with pytest.raises(Refused, match=r'does not grant what fingerprint@1\.0\.0 asks for; .* = \["native"\]'):
        await house.backend.put_binding(LOCAL_CALLER, binding().document)
    granted = binding(capabilities=["native"])
    assert await house.backend.put_binding(LOCAL_CALLER, granted.document) == granted.version
    assert house.ears.bindings == [granted]


async def test_a_binding_that_cannot_be_served_is_refused(house: House) -> None:
    route: canonical.JsonObject = {"codec": {"kind": "json"}, "consume": False, "recipient": RECIPIENT.hex()}
    foreign = binding(destinations=[route | {"id": ETHEREUM.id.hex()}])
    codec = binding(destinations=[route | {"id": NATIVE.id.hex(), "codec": {"kind": "abi"}}])
    for document, kind in (
        (foreign.document, Refused),
        (codec.document, Malformed),
        (binding(methods=["document", "nothing"]).document, NotFound),
        (binding(measurement="00" * 32).document, NotFound),
        (binding(cryptlet="fingerprint@2.0.0").document, Refused),
        (b"{}", Malformed),
        (b"\xff", Malformed),
    ):
        with pytest.raises(kind):
            await house.backend.put_binding(LOCAL_CALLER, document)
    assert house.ears.bindings == []
    assert await house.world.store.bindings.all() == ()


async def test_a_blob_is_stored_and_told(house: House) -> None:
    assert await house.backend.put_blob(CALLER, b"file") == sha256(b"file")
    assert house.ears.blobs == [sha256(b"file")]
    assert await house.world.store.blobs.get(sha256(b"file")) == b"file"


async def test_results_are_their_callers_own(house: House) -> None:
    """Who asks for another's result learns nothing, not even that there is one."""
    await house.backend.put_binding(LOCAL_CALLER, binding().document)
    [answer] = await house.ask(1)
    name = InvocationId(answer.invocation)
    result = await house.backend.result(CALLER, name)
    assert (result.answer, result.cryptlet) == (answer, "fingerprint@1.0.0")
    for caller, asked in (("bob", name), (CALLER, InvocationId(word("nothing")))):
        with pytest.raises(NotFound, match="no result"):
            await house.backend.result(caller, asked)
        with pytest.raises(NotFound, match="no result"):
            await house.backend.proof(caller, asked, NATIVE.id)
    with pytest.raises(ProofNotReady):
        await house.backend.proof(CALLER, name, NATIVE.id)
    with pytest.raises(NotFound):
        await house.backend.proof(CALLER, name, DestinationId(ETHEREUM.id))


async def test_a_failure_that_stands_is_a_result(house: House) -> None:
    await house.backend.put_binding(LOCAL_CALLER, binding().document)
    calls = (call(1, "cryptlet-raised"),)
    [answer] = (await house.backend.invoke(CALLER, InvokeRequest("fingerprints", calls))).answers
    result = await house.backend.result(CALLER, InvocationId(answer.invocation))
    assert (result.answer, result.anchors) == (answer, ())


async def test_results_of_events_belong_to_everybody(house: House) -> None:
    """What a contract asked for is on the ledger for all to see."""
    await house.backend.put_binding(LOCAL_CALLER, binding().document)
    event = Invocation(InvocationId(word("event")), RECIPIENT, binding().version, "document", call(1).input, 7)
    await submit_events(house.world.acceptor, binding(), [event])
    assert (await house.backend.result("bob", event.id)).answer.output is not None


@pytest.mark.parametrize(
    ("state", "settled", "consumed"),
    [
        (WorkState.NEW, "unanchored", "unanchored"),
        (WorkState.PREPARED, "unanchored", "unanchored"),
        (WorkState.SUBMITTED, "unanchored", "unanchored"),
        (WorkState.INCLUDED, "included", "included"),
        (WorkState.FINAL, "operator-final", "final"),
        (WorkState.REFUSED, "refused: because", "refused: because"),
    ],
)
async def test_an_anchor_is_never_better_than_it_is(
    house: House, state: WorkState, settled: str, consumed: str
) -> None:
    await house.backend.put_binding(LOCAL_CALLER, binding().document)
    [answer] = await house.ask(1)
    outbox = house.world.store.outbox
    receipt = canonical.encode({"locator": "entry 7", "cost": {"gas": 5}, "material": {}, "position": 7, "time": 1})
    done = receipt if state in (WorkState.INCLUDED, WorkState.FINAL) else None
    progress = Progress(state, 0, 0, b"sent", "call 1", done, "because")
    rows = await outbox.ready(NATIVE.id, 2**40, 10, settled=tuple(WorkState))
    assert len(rows) == 2
    await outbox.save([Change(row, progress) for row in rows])
    [anchor] = (await house.backend.result(CALLER, InvocationId(answer.invocation))).anchors
    assert (anchor.ledger, anchor.status, anchor.consumption) == ("native", settled, consumed)
    assert anchor.locator == ("entry 7" if done else "")
    assert dict(anchor.cost) == ({"gas": 5} if done else {})
