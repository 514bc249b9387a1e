"""The pipeline on a real store, with an enclave's part in memory: real records, real signatures, no process."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from fabric.core import canonical
from fabric.core.clock import FrozenClock
from fabric.core.crashpoint import CrashPoint
from fabric.core.errors import FabricError, NotFound
from fabric.core.ids import Digest, Measurement
from fabric.core.model import Failure, Invocation, Outcome
from fabric.enclave.records import Recorder
from fabric.invoke.acceptor import Acceptor, Keyed
from fabric.invoke.admission import Desk
from fabric.invoke.catalogue import Catalogue
from fabric.invoke.pipeline import Pipeline
from fabric.store.store import Store, open_store
from fabric.trust import eip712
from fabric.trust.batch import SignedBatch, header_of
from fabric.trust.binding import Binding, write_binding
from fabric.trust.publication import Publication
from fabric.wire.codec import RunResult
from fabric.wire.service import Answer, Call, InvokeRequest
from tests.support.projects import FINGERPRINT, built, signed
from tests.support.proofs import CALLER, ENCLAVE, EPOCH, FABRIC, ISOLATION, NATIVE, RECIPIENT, kinds
from tests.support.seeded_keys import SeededKeys

NOW: Final = 1_800_000_000
PLACES: Final = (NATIVE,)


class OneBundle:
    """A bundle source with one bundle; counts how often it is asked."""

    def __init__(self) -> None:
        self.bundle = built(FINGERPRINT).bundle
        self.publication = signed(built(FINGERPRINT))
        self.asked = 0

    def get(self, measurement: Measurement) -> tuple[bytes, Publication]:
        self.asked += 1
        if measurement != self.bundle.measurement:
            raise NotFound(f"no bundle {measurement.hex()}")
        return built(FINGERPRINT).wheel, self.publication

    def resolve(self, name: str, version: str | None = None) -> Measurement:
        raise NotFound(f"{name}@{version}")


def binding(**changes: canonical.JsonValue) -> Binding:
    """Returns a binding of the bundle, consumed on the native ledger."""
    routes: list[canonical.JsonValue] = [
        {"id": one.id.hex(), "recipient": RECIPIENT.hex(), "consume": True, "codec": {"kind": "json"}} for one in PLACES
    ]
    fields: canonical.JsonObject = {
        "name": "fingerprints",
        "cryptlet": "fingerprint@1.0.0",
        "measurement": built(FINGERPRINT).bundle.measurement.hex(),
        "methods": ["document", "file"],
        "callers": [CALLER, "bob"],
        "requesters": [RECIPIENT.hex()],
        "valid_seconds": 3600,
        "destinations": routes,
    }
    return write_binding(fields | changes)


@dataclass
class StandInPool:
    """Answers each invocation with the length of its input; an input that names a failure fails with it.

    Attributes:
        batches: the ids of every batch that was run.
        before: called before a batch is answered; what a race needs.
        fails: raised instead of running.
        signer: whose keys sign.
    """

    batches: list[list[bytes]] = field(default_factory=list)
    before: Callable[[], Awaitable[object]] | None = None
    fails: FabricError | None = None
    signer: SeededKeys = ENCLAVE

    async def run(self, rules: Binding, invocations: Sequence[Invocation]) -> RunResult:
        self.batches.append([one.id for one in invocations])
        if self.fails:
            raise self.fails
        if self.before:
            before, self.before = self.before, None
            await before()
        outcomes = tuple(_outcome(one) for one in invocations)
        return RunResult(outcomes, self._sign(rules, invocations, outcomes))

    def _sign(
        self, rules: Binding, invocations: Sequence[Invocation], outcomes: Sequence[Outcome]
    ) -> tuple[SignedBatch, ...]:
        recorder = Recorder(FABRIC, rules, "fingerprint@1.0.0", ISOLATION, tuple(kinds("native") for _ in rules.routes))
        done = [(one, out.output) for one, out in zip(invocations, outcomes, strict=True) if out.output is not None]
        if not done:
            return ()
        columns = zip(*[recorder.seal(one, output) for one, output in done], strict=True)
        batches = []
        for place, entries in zip(PLACES, columns, strict=True):
            header = header_of([entry.record for entry in entries], EPOCH)
            signatures = self.signer.signatures(header.encoded, eip712.header_digest(header, place))
            batches.append(SignedBatch(header, signatures, entries))
        return tuple(batches)


def _outcome(one: Invocation) -> Outcome:
    text = one.input.decode(errors="replace")
    for code in ("cryptlet-raised", "container-lost", "unauthorized"):
        if code in text:
            return Outcome(one.id, None, Failure(code, "it was asked to"))
    return Outcome(one.id, canonical.encode({"size": len(one.input), "time": one.as_of}))


@dataclass
class World:
    """A pipeline and its parts.

    Attributes:
        reached: the crash points that were passed.
    """

    store: Store
    pool: StandInPool
    source: OneBundle
    clock: FrozenClock
    acceptor: Acceptor
    pipeline: Pipeline
    reached: list[CrashPoint]

    async def ask(self, *calls: Call, caller: str = CALLER, rules: Binding | None = None) -> tuple[Answer, ...]:
        """Returns the answers to calls."""
        request = InvokeRequest("fingerprints", calls)
        return (await self.pipeline.invoke(caller, rules or binding(), request)).answers


async def open_world(folder: Path) -> World:
    """Opens a world in a folder; close its store at the end."""
    clock, pool, source = FrozenClock(NOW), StandInPool(), OneBundle()
    store = await open_store(folder / "fabric.db", folder / "blobs", clock)
    reached: list[CrashPoint] = []
    key_ids = {ENCLAVE.key: Digest(ENCLAVE.public.id)}
    acceptor = Acceptor(store, pool.run, key_ids, clock, reached.append)

    async def gather(rules: Binding, items: Sequence[Keyed]) -> Sequence[Outcome | FabricError]:
        return await acceptor.accept(rules, items)

    pipeline = Pipeline(Desk(FABRIC, 5_000), Catalogue(source), gather, clock)
    return World(store, pool, source, clock, acceptor, pipeline, reached)


def call(number: int, text: str = "", *, method: str = "document", deadline_ms: int = 0) -> Call:
    """Returns the call of a number under its own key."""
    return Call(method, canonical.encode({"document": [number, text]}), f"key-{number}", deadline_ms)
