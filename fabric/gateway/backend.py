"""What the gRPC door opens to: pipeline, results, proofs, blobs, bindings, each under the caller's name."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from fabric.bindings.authorise import check_caller, check_hardware, check_routes
from fabric.core import canonical
from fabric.core.canonical import JsonObject
from fabric.core.capabilities import lacking, refusal
from fabric.core.clock import Clock
from fabric.core.errors import Malformed, NotFound, Refused, Unauthorized, VerificationError
from fabric.core.ids import BindingVersion, DestinationId, Digest, InvocationId, caller_account
from fabric.gateway.endpoint import LOCAL_CALLER
from fabric.gateway.kinds import load_kind
from fabric.invoke.acceptor import retry_of
from fabric.invoke.catalogue import Catalogue
from fabric.invoke.pipeline import Pipeline
from fabric.invoke.prove import prove
from fabric.relay.model import RELAY_CALLER
from fabric.store.store import Store
from fabric.store.values import Anchor as StoredAnchor
from fabric.store.values import Effect, RowTampered, StoredResult, WorkState
from fabric.trust.binding import Binding
from fabric.trust.destination import Destination
from fabric.trust.kind import Status
from fabric.trust.publication import Publication
from fabric.trust.verifier import check_consistent
from fabric.wire.service import Anchor, Answer, InvokeReply, InvokeRequest, Result

_HEX_VERSION: Final = 64
_RELAY: Final = caller_account(RELAY_CALLER)


@dataclass(frozen=True)
class OpenedLedger:
    """A ledger of this fabric.

    Attributes:
        name: configured name.
        destination: its deployment.
        final: the status of a batch that is final here.
        trust: what the operator's policy pins for it, as in ``fabric.trust.policy.Accepted``.
    """

    name: str
    destination: Destination
    final: Status
    trust: JsonObject = field(default_factory=dict)


class Listener(Protocol):
    """Who must hear of what callers put: ``fabric.gateway.effects.Effects``."""

    async def in_force(self, binding: Binding, publication: Publication) -> None:
        """A binding came into force, with the publication of its bundle."""
        ...

    async def input_arrived(self, digest: Digest) -> None:
        """Lets requests run that waited for a blob."""
        ...


class Backend:
    """The fabric as its callers see it."""

    def __init__(
        self,
        pipeline: Pipeline,
        store: Store,
        catalogue: Catalogue,
        ledgers: Mapping[DestinationId, OpenedLedger],
        clock: Clock,
        listener: Listener,
    ) -> None:
        """Takes the parts; ``ledgers`` by destination id, ``listener`` hears of new bindings and blobs."""
        self._pipeline = pipeline
        self._store = store
        self._catalogue = catalogue
        self._ledgers = ledgers
        self._clock = clock
        self._listener = listener
        self._bindings: dict[str, Binding] = {}

    async def invoke(self, caller: str, request: InvokeRequest) -> InvokeReply:
        """Runs calls; see ``Pipeline.invoke``.

        An older version of a binding may be called too, since contracts stay bound to it, but only by whom the newest
        one of that name still names.
        """
        binding = await self._binding(request.binding)
        check_caller(await self._binding(binding.name), caller)
        return await self._pipeline.invoke(caller, binding, request)

    async def result(self, caller: str, invocation: InvocationId) -> Result:
        """Returns a result and its anchors.

        Raises:
            NotFound: no such result, or it is another caller's; the two are not told apart.
        """
        stored = await self._own(caller, invocation)
        binding = await self._store.bindings.get(stored.binding)
        anchors = await self._store.invocations.anchors(invocation)
        outcome = stored.outcome
        return Result(
            Answer(invocation, outcome.output, outcome.failure, retry_of(outcome)),
            binding.cryptlet if binding else "",
            tuple(self._anchor(item) for item in anchors),
        )

    async def proof(self, caller: str, invocation: InvocationId, destination: DestinationId) -> bytes:
        """Returns the proof file, which holds together.

        Raises:
            NotFound: as ``prove``, and for another caller's result.
            ProofNotReady: as ``prove``.
            RowTampered: what is stored of the result, its batch, its receipt or its attestation was changed.
        """
        await self._own(caller, invocation)
        destinations = {name: item.destination for name, item in self._ledgers.items()}
        part = f"what is stored for the proof of invocation {invocation.hex()}"
        try:
            proof = await prove(self._store, destinations, (invocation, destination))
        except Malformed as error:
            raise RowTampered(part, str(error)) from error
        # Before anybody is given it; whether its roots are trusted is the receiver's question.
        try:
            check_consistent(proof, self._ledgers[destination].trust, load_kind)
        except VerificationError as error:
            raise RowTampered(part, str(error)) from error
        return proof

    async def put_blob(self, caller: str, data: bytes) -> Digest:  # noqa: ARG002 - every known caller may
        """Stores bytes and wakes requests that wait for them."""
        digest = await self._store.blobs.put(data)
        await self._listener.input_arrived(digest)
        return digest

    async def put_binding(self, caller: str, document: bytes) -> BindingVersion:
        """Puts a binding in force.

        Raises:
            Unauthorized: the caller is not the operator.
            Refused: a destination that is none of this fabric's ledgers, hardware that it does not have, a cryptlet
                that is not the one of the measurement, or that asks for a capability which is not granted.
            NotFound: the bundle is not in the registry, or lacks a method that the binding names.
            CodeRevoked, NotVouched: its registry does not let it be bound; as ``StandingWatch.check_bind``.
        """
        if caller != LOCAL_CALLER:
            raise Unauthorized(f"caller {caller!r} is no operator; bindings are put by {LOCAL_CALLER!r}")
        binding = Binding.parse(document)
        check_routes(binding, (item.destination for item in self._ledgers.values()), load_kind)
        listed = await self._catalogue.fetch(binding.measurement)
        if await self._store.bindings.get(binding.version) is None:
            await self._catalogue.watch.check_bind(binding.measurement)
        if binding.cryptlet != listed.manifest.title:
            raise Refused(
                f"binding {binding.name!r} says {binding.cryptlet!r} and its measurement is {listed.manifest.title}'s"
            )
        if missing := sorted(binding.methods - set(listed.manifest.methods)):
            raise NotFound(f"binding {binding.name!r}: {listed.manifest.title} has no method {missing[0]!r}")
        if lacks := lacking(listed.manifest.project.capabilities, binding.capabilities):
            raise Refused(refusal(binding.name, binding.cryptlet, lacks))
        check_hardware(listed.manifest)
        publication = canonical.encode(listed.publication.to_json())
        await self._store.publications.put(binding.measurement, publication)
        await self._store.bindings.put(binding, self._clock.unix_seconds())
        await self._listener.in_force(binding, listed.publication)
        self._bindings[binding.name] = binding
        return binding.version

    async def _binding(self, name: str) -> Binding:
        if binding := self._bindings.get(name):
            return binding
        if len(name) == _HEX_VERSION and all(letter in "0123456789abcdef" for letter in name):
            binding = await self._store.bindings.get(BindingVersion(bytes.fromhex(name)))
        binding = binding or await self._store.bindings.named(name)
        if binding is None:
            raise NotFound(f"no binding {name[:80]!r} is in force; put one with `cryptlet bind FILE`")
        # A newer one may have been put while this one was read.
        return self._bindings.setdefault(name, binding)

    async def _own(self, caller: str, invocation: InvocationId) -> StoredResult:
        stored = await self._store.invocations.get(invocation)
        # What a ledger asked for or told, and what was made of it, is on ledgers for all to see.
        is_public = stored is not None and (stored.idempotency_key is None or stored.caller == _RELAY)
        if stored is None or not (is_public or stored.caller == caller_account(caller)):
            raise NotFound(f"no result {invocation.hex()} for caller {caller!r}")
        return stored

    def _anchor(self, item: StoredAnchor) -> Anchor:
        ledger = self._ledgers.get(item.destination)
        final = ledger.final if ledger else Status.UNANCHORED
        consumption = item.consumption
        receipt = item.settlement.receipt or {}
        cost = receipt.get("cost", {})
        return Anchor(
            destination=item.destination,
            ledger=ledger.name if ledger else item.destination.hex(),
            status=_status(item.settlement, final),
            locator=str(receipt.get("locator", "")),
            batch=item.batch,
            consumption="" if consumption is None else _status(consumption, Status.FINAL),
            consumption_locator="" if consumption is None else str((consumption.receipt or {}).get("locator", "")),
            cost={str(name): int(value) for name, value in cost.items()} if isinstance(cost, dict) else {},  # type: ignore[arg-type]
        )


def _status(effect: Effect, final: Status) -> str:
    if effect.state is WorkState.REFUSED:
        return f"refused: {effect.reason}"
    if effect.state is WorkState.FINAL:
        return str(final)
    return str(Status.INCLUDED if effect.state is WorkState.INCLUDED else Status.UNANCHORED)
