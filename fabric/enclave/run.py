"""Running a batch of invocations: admit, run in containers, record, sign. One failing invocation harms no other."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final, Protocol

from fabric.core.capabilities import lacking, refusal
from fabric.core.errors import FabricError, Malformed, NotFound, Oversize, Refused, SandboxUnavailable, Unauthorized
from fabric.core.ids import Account, DestinationId, InvocationId, Measurement
from fabric.core.model import Failure, Invocation, Outcome
from fabric.enclave.bundles import BundleShelf, LoadedBundle
from fabric.enclave.config import EnclaveConfig
from fabric.enclave.containers.model import Bundle, Call, Reply
from fabric.enclave.kinds import kind_of
from fabric.enclave.records import Recorder
from fabric.enclave.signing.client import SigningClient
from fabric.enclave.signing.protocol import BatchRequest
from fabric.trust.batch import MAX_RECORDS, Sealed, SignedBatch
from fabric.trust.binding import Binding
from fabric.trust.record import RECORD_BYTES
from fabric.trust.sources import Witnessed, check_sources, input_of, longest_input
from fabric.wire.codec import Run, RunResult

MAX_REPLY_BYTES: Final = 60 << 20
"""Outputs and sealed records of one run; more would not travel back in one frame, so it is not even made."""
TURN_BYTES: Final = 64 << 10
"""What is sealed in one turn of the loop; then others of this enclave have theirs."""
MAX_DEADLINE_MS: Final = 300_000
DEFAULT_DEADLINE_MS: Final = 10_000


class Containers(Protocol):
    """What a run needs of ``ContainerHost``."""

    @property
    def isolation(self) -> str:
        """Name of the isolation level."""
        ...

    async def run(self, bundle: Bundle, tenant: bytes, calls: Sequence[Call]) -> list[Reply]:
        """Runs calls of one tenant; one reply each, in order."""
        ...

    def end(self, measurement: bytes) -> None:
        """Ends the containers of a bundle; what runs in them is lost, and nothing of it begins any more."""
        ...


@dataclass(frozen=True)
class _Informed:
    """A call as the cryptlet gets it, facts in the place of proofs, and the ledger events that it rests on."""

    call: Invocation
    sources: tuple[Witnessed, ...]


@dataclass(frozen=True)
class Runner:
    """Runs batches for one enclave.

    Attributes:
        config: fabric id, destinations, epoch.
        containers: where code of cryptlets runs.
        signing: the signing child.
        shelf: the loaded bundles.
    """

    config: EnclaveConfig
    containers: Containers
    signing: SigningClient
    shelf: BundleShelf

    async def run(self, request: Run) -> RunResult:
        """Returns an outcome for each invocation and a signed batch for each destination with a success in it.

        Raises:
            Malformed: not a binding, an unusable codec, or not 1 to 1,024 different invocations.
            UnknownBundle: the binding's bundle is not loaded.
            Refused: the binding names another cryptlet or a destination that this enclave does not sign for.
            Oversize: the outputs are too long for one reply; fewer invocations at a time may fit.
            SandboxUnavailable: no container can be made any more.
            SigningFailed: the signing child refused or is gone.
        """
        binding = _parse_binding(request.binding)
        loaded = self.shelf.get(binding.measurement)
        self._check(binding, loaded, request.invocations)
        failures = {call.id: failure for call in request.invocations if (failure := _refusal(call, binding, loaded))}
        witnessed = await self._witness(binding, [call for call in request.invocations if call.id not in failures])
        failures |= {name: found for name, found in witnessed.items() if isinstance(found, Failure)}
        informed = {name: found for name, found in witnessed.items() if not isinstance(found, Failure)}
        admitted = [call for call in request.invocations if call.id not in failures]
        outcomes = await self._execute(loaded, [informed[call.id].call for call in admitted])
        sealed = await self._record(binding, loaded, [(call, informed[call.id].sources) for call in admitted], outcomes)
        outcomes |= {invocation: Outcome(invocation, None, failure) for invocation, failure in failures.items()}
        return RunResult(tuple(outcomes[call.id] for call in request.invocations), await self._sign(binding, sealed))

    def unload(self, measurement: Measurement) -> None:
        """Forgets a bundle and ends what runs of it; what was lost so is not begun again, and not signed."""
        self.shelf.drop(measurement)
        self.containers.end(measurement)

    def _check(self, binding: Binding, loaded: LoadedBundle, invocations: Sequence[Invocation]) -> None:
        if not 1 <= len(invocations) <= MAX_RECORDS:
            raise Malformed("run", f"expected 1 to {MAX_RECORDS} invocations, got {len(invocations)}")
        if len({call.id for call in invocations}) != len(invocations):
            raise Malformed("run", "an invocation twice")
        if binding.cryptlet != loaded.title:
            message = f"the binding names {binding.cryptlet}, its measurement is of {loaded.title}"
            raise Refused(message)
        if missing := lacking(loaded.capabilities, binding.capabilities):
            raise Refused(refusal(binding.name, loaded.title, missing))
        names = self._kind_names
        for route in binding.routes:
            if route.destination not in names:
                message = f"this enclave does not sign for destination {route.destination.hex()}"
                raise Refused(message)
            kind_of(names[route.destination]).check_codec(route.codec)

    @property
    def _kind_names(self) -> dict[DestinationId, str]:
        return {destination.id: destination.kind for destination in self.config.destinations}

    async def _witness(self, binding: Binding, calls: Sequence[Invocation]) -> dict[InvocationId, _Informed | Failure]:
        """Checks the ledger events that each call rests on, before any code of the cryptlet runs."""
        found: dict[InvocationId, _Informed | Failure] = {}
        for call in calls:
            try:
                found[call.id] = _informed(call, check_sources(binding, call.input, kind_of))
            except FabricError as error:
                found[call.id] = _failure(error)
            if binding.sources:
                await asyncio.sleep(0)  # a proof takes milliseconds, and others of this enclave have their turn
        return found

    async def _execute(self, loaded: LoadedBundle, calls: Sequence[Invocation]) -> dict[InvocationId, Outcome]:
        """Runs admitted invocations, those of each caller in a container of its own."""
        if not calls:
            return {}
        seeds = dict(
            zip((call.id for call in calls), await self.signing.entropy([call.id for call in calls]), strict=True)
        )
        tenants: dict[Account, list[Invocation]] = {}
        for call in calls:
            tenants.setdefault(call.caller, []).append(call)
        groups = await asyncio.gather(*(self._run_tenant(loaded.bundle, group, seeds) for group in tenants.values()))
        return {outcome.invocation: outcome for group in groups for outcome in group}

    async def _run_tenant(
        self, bundle: Bundle, calls: Sequence[Invocation], seeds: Mapping[InvocationId, bytes]
    ) -> list[Outcome]:
        try:
            replies = await self.containers.run(
                bundle, calls[0].caller, [_call(call, seeds[call.id]) for call in calls]
            )
        except SandboxUnavailable:
            raise  # not of these calls: this enclave can run nothing more
        except FabricError as error:
            replies = [Reply(None, _failure(error))] * len(calls)
        return [Outcome(call.id, reply.output, reply.failure) for call, reply in zip(calls, replies, strict=True)]

    async def _record(
        self,
        binding: Binding,
        loaded: LoadedBundle,
        calls: Sequence[tuple[Invocation, tuple[Witnessed, ...]]],
        outcomes: dict[InvocationId, Outcome],
    ) -> list[list[Sealed]]:
        """Returns the sealed records of each success; turns a success without records into a failure."""
        names = self._kind_names
        kinds = tuple(kind_of(names[route.destination]) for route in binding.routes)
        recorder = Recorder(
            self.config.fabric, binding, loaded.title, self.containers.isolation, kinds, len(loaded.bundle.unpacked)
        )
        size = turn = sum(len(outcome.output or b"") for outcome in outcomes.values())
        sealed = []
        for call, sources in calls:
            if size > MAX_REPLY_BYTES:
                message = f"the results of {len(calls)} invocations take more than {MAX_REPLY_BYTES} bytes"
                raise Oversize(message)
            if size - turn > TURN_BYTES:
                turn = size
                await asyncio.sleep(0)
            output = outcomes[call.id].output
            if output is None:
                continue
            try:
                entries = recorder.seal(call, output, sources)
            except FabricError as error:
                outcomes[call.id] = Outcome(call.id, None, _failure(error))
                continue
            size += sum(len(entry.statement) + len(entry.payload) + RECORD_BYTES for entry in entries)
            sealed.append(entries)
        return sealed

    async def _sign(self, binding: Binding, sealed: Sequence[Sequence[Sealed]]) -> tuple[SignedBatch, ...]:
        """Returns one signed batch a destination, all from one round trip to the signing child."""
        if not sealed:
            return ()
        columns = [tuple(column) for column in zip(*sealed, strict=True)]
        requests = [
            BatchRequest(route.destination, self.config.epoch, tuple(entry.record.encoded for entry in column))
            for route, column in zip(binding.routes, columns, strict=True)
        ]
        signed = await self.signing.sign(requests)
        return tuple(
            SignedBatch(item.header, item.signatures, column) for item, column in zip(signed, columns, strict=True)
        )


_parse_binding: Final = lru_cache(maxsize=256)(Binding.parse)


def _refusal(call: Invocation, binding: Binding, loaded: LoadedBundle) -> Failure | None:
    """Returns why an invocation is not run at all, None when it is."""
    if len(call.input) > (most := longest_input(binding)):
        return Failure(Oversize.code, f"input of {len(call.input)} bytes, at most {most}")
    if call.caller not in binding.accounts:
        return Failure(Unauthorized.code, f"the binding names no caller or requester {call.caller.hex()}")
    if call.method not in loaded.methods:
        known = ", ".join(sorted(loaded.methods))
        return Failure(NotFound.code, f"{loaded.title} has no method {call.method[:64]!r} - known: {known}")
    if call.method not in binding.methods:
        return Failure(Refused.code, f"the binding does not allow the method {call.method!r}")
    return None


def _informed(call: Invocation, sources: tuple[Witnessed, ...]) -> _Informed:
    return _Informed(replace(call, input=input_of(call.input, sources)) if sources else call, sources)


def _call(call: Invocation, seed: bytes) -> Call:
    deadline = min(call.deadline_ms or DEFAULT_DEADLINE_MS, MAX_DEADLINE_MS)
    return Call(call.id, call.method, call.input, call.as_of, call.state_version, seed, deadline)


def _failure(error: FabricError) -> Failure:
    return Failure(error.code, str(error))
