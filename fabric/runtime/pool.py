"""Pool: the warm, registered enclaves of one hardware profile, and the choice among them.

A run goes to the enclave with the least work, in one courier call. What fails by the platform's own fault had no effect
and runs again elsewhere: nothing that an enclave signed counts before the gateway stored it.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Protocol

from fabric.core.clock import Clock
from fabric.core.errors import FabricError, Malformed, NoCapacity, Oversize, Retry, SandboxUnavailable
from fabric.core.ids import Digest, Measurement, sha256
from fabric.core.model import Failure
from fabric.enclave.run import DEFAULT_DEADLINE_MS
from fabric.runtime.courier import MAX_FRAME
from fabric.runtime.failures import UNKNOWN_BUNDLE, CourierLost, DeadlinePassed, EnclaveLost, error_of, is_safe
from fabric.runtime.inspection import Destinations, ForgedReply, inspect
from fabric.runtime.profile import Profile, on_node
from fabric.wire.codec import (
    Description,
    EnclaveReply,
    EnclaveRequest,
    Load,
    Loaded,
    Run,
    RunResult,
    Unload,
    decode_reply,
    encode_request,
)

ATTEMPTS: Final = 3
RUNS_PER_ENCLAVE: Final = 2
"""Runs in flight on one enclave: it computes one while the next travels."""
LOAD_SECONDS: Final = 30.0
RUN_SECONDS: Final = 30.0


class Carrier(Protocol):
    """What carries frames to enclaves: ``fabric.runtime.cluster.Cluster``."""

    async def hire(self, name: str, path: Path, profile: Profile) -> int:
        """Makes a courier for the enclave at a socket and returns its number."""
        ...

    async def dismiss(self, courier: int) -> None:
        """Ends a courier."""
        ...

    async def exchange(self, courier: int, frame: bytes, seconds: float) -> bytes:
        """Carries a frame and returns the answer."""
        ...


@dataclass(frozen=True)
class EnclaveHandle:
    """An enclave that was launched and whose keys are registered.

    Attributes:
        name: unlike that of any other enclave, also of the one it replaces.
        socket: path of its Unix socket.
        description: what it said of itself to its launcher, not to a courier; or what its appraiser vouched for.
        node: machine on which its courier must run; empty where there is one alone.
        is_remote: whether only a courier reaches it: it is lost to us as soon as its courier is.
    """

    name: str
    socket: Path
    description: Description
    node: str = ""
    is_remote: bool = False


@dataclass
class _Member:
    """An enclave with its courier and its present work; ``loads`` are under way, by digest of the wheel."""

    handle: EnclaveHandle
    courier: int
    load: int = 0
    lost: bool = False
    loads: dict[Digest, asyncio.Task[Measurement]] = field(default_factory=dict)


Bundles = Callable[[bytes], Awaitable[Load]]
"""Gives the bundle that a binding document names."""
OnLost = Callable[[EnclaveHandle], None]
"""Is told once of each enclave that does not answer any more; it may call ``add`` later."""


@dataclass(frozen=True)
class PoolConfig:
    """What a pool is made for.

    Attributes:
        profile: the hardware of its enclaves.
        destinations: the ledgers whose EIP-712 signatures are checked on arrival.
        run_seconds: what a run may take beyond the deadlines of its invocations, where the caller gives no time.
    """

    profile: Profile
    destinations: Destinations
    run_seconds: float = RUN_SECONDS


class Pool:
    """Runs batches on the enclaves of one profile."""

    def __init__(self, config: PoolConfig, carrier: Carrier, bundles: Bundles, on_lost: OnLost, clock: Clock) -> None:
        """Starts empty; ``add`` brings the enclaves."""
        self._config = config
        self._carrier = carrier
        self._bundles = bundles
        self._on_lost = on_lost
        self._clock = clock
        self._members: dict[str, _Member] = {}
        self._listeners: list[Callable[[], None]] = []

    def listen(self, on_served: Callable[[], None]) -> None:
        """Has it called whenever enclaves came into service: new ones, or those that have a courier again."""
        self._listeners.append(on_served)

    @property
    def enclaves(self) -> tuple[EnclaveHandle, ...]:
        """The enclaves that answer."""
        return tuple(member.handle for member in self._live())

    @property
    def slots(self) -> int:
        """How many runs the pool takes at a time without queueing."""
        return RUNS_PER_ENCLAVE * len(self._live())

    async def add(self, handle: EnclaveHandle, courier: int | None = None) -> None:
        """Brings an enclave into service; hires its courier unless that has been done.

        Raises:
            NoCapacity: the cluster has no room for its profile.
            CourierLost: Ray is not running.
        """
        if courier is None:
            courier = await self._hire(handle)
        self._members[handle.name] = _Member(handle, courier)
        self._tell()

    async def remove(self, name: str) -> None:
        """Takes an enclave out of service; what runs on it may end. One that is not there is no error."""
        member = self._members.pop(name, None)
        if member is not None:
            with contextlib.suppress(CourierLost):  # no Ray, no courier
                await self._carrier.dismiss(member.courier)

    async def move(self, carrier: Carrier) -> None:
        """Hires couriers anew from another carrier, after the one before has ended; remote enclaves are lost with it.

        Raises:
            NoCapacity: the new one has no room for them all.
            CourierLost: it is not running.
        """
        self._carrier = carrier
        for member in self._live():
            if member.handle.is_remote:
                self._lose(member)
            else:
                member.courier = await self._hire(member.handle)
        self._tell()

    async def load(self, load: Load) -> Measurement:
        """Gives a bundle to every enclave that lacks it and returns its measurement.

        Raises:
            NoCapacity: there is no enclave.
            FabricError: an enclave refused the bundle.
        """
        members = self._live()
        if not members:
            raise self._no_capacity()
        return (await asyncio.gather(*(self._load(member, load) for member in members)))[0]

    async def unload(self, measurement: Measurement) -> None:
        """Has every enclave forget a bundle and end what runs of it. One that does not answer is taken for lost.

        Raises:
            FabricError: an enclave refused.
        """
        await asyncio.gather(*(self._unload(member, measurement) for member in self._live()))

    async def _unload(self, member: _Member, measurement: Measurement) -> None:
        try:
            reply = await self._exchange(member, Unload(measurement), LOAD_SECONDS)
        except (CourierLost, DeadlinePassed, EnclaveLost):
            self._lose(member)
            return
        if isinstance(reply, Failure):
            raise error_of(reply)

    async def run(self, run: Run, seconds: float | None = None) -> RunResult:
        """Runs invocations under one binding; outcomes in their order.

        Batches come per attempt: invocations that were lost with their container, or that an enclave did not begin in
        the time it gives to a run, stand in a batch of their own, and so do the halves of a run whose reply would have
        been too long.

        Raises:
            NoCapacity: no enclave is left that could take it.
            DeadlinePassed: no answer in ``seconds``, all attempts together.
            Oversize: one invocation alone is longer than a frame, or its result is.
            FabricError: the enclave refused the whole run.
        """
        if seconds is None:
            # The enclave itself holds each invocation to its deadline, at worst one after the other.
            deadlines = (call.deadline_ms or DEFAULT_DEADLINE_MS for call in run.invocations)
            seconds = self._config.run_seconds + sum(deadlines) / 1000
        deadline = self._clock.monotonic_seconds() + seconds
        try:
            return await self._run_whole(run, deadline)
        except Oversize:
            if len(run.invocations) == 1:
                raise
        half = len(run.invocations) // 2
        parts = [replace(run, invocations=part) for part in (run.invocations[:half], run.invocations[half:])]
        first, second = [await self.run(part, self._remaining(deadline)) for part in parts]
        return RunResult(first.outcomes + second.outcomes, first.batches + second.batches)

    async def _run_whole(self, run: Run, deadline: float) -> RunResult:
        tried: list[str] = []
        result = await self._attempts(run, deadline, tried)
        before, lost = len(run.invocations) + 1, _lost(result)
        # As long as it gets nearer; what is lost twice is its own fault.
        while 0 < len(lost) < before:
            again = replace(run, invocations=tuple(run.invocations[at] for at in lost))
            try:
                result = _merged(result, lost, await self._attempts(again, deadline, tried))
            except FabricError as error:
                if error.retry is not Retry.SAFE:
                    raise
                return result  # it says itself that these may be run again
            before, lost = len(lost), _lost(result)
        return result

    async def _attempts(self, run: Run, deadline: float, tried: list[str]) -> RunResult:
        """Runs on one enclave after the other until one answers; ``tried`` grows by their names."""
        last: FabricError | None = None
        for _ in range(ATTEMPTS):
            member = self._choose(tried)
            tried.append(member.handle.name)
            try:
                return await self._run_on(member, run, deadline)
            except DeadlinePassed:
                raise
            except FabricError as error:
                if error.retry is not Retry.SAFE:
                    raise
                last = error
        raise NoCapacity(f"pool {self._config.profile.name!r}: {ATTEMPTS} attempts failed, last: {last}") from last

    async def _run_on(self, member: _Member, run: Run, deadline: float) -> RunResult:
        size = len(run.invocations)
        member.load += size
        try:
            reply = await self._exchange(member, run, self._patience(run, deadline))
            if isinstance(reply, Failure) and reply.code == UNKNOWN_BUNDLE:
                await self._load(member, await self._bundles(run.binding))
                reply = await self._exchange(member, run, self._patience(run, deadline))
        finally:
            member.load -= size
        if isinstance(reply, Failure):
            raise self._error(member, reply)
        if not isinstance(reply, RunResult):
            raise ForgedReply(f"expected the result of a run, got {type(reply).__name__}")
        try:
            inspect(run, reply, member.handle.description.keys, self._config.destinations)
        except ForgedReply:
            if member.handle.is_remote:
                self._lose(member)  # perhaps another enclave answers there now, with keys of its own
            raise
        return reply

    async def _load(self, member: _Member, load: Load) -> Measurement:
        """Loads once, however many runs ask for it at a time."""
        digest = sha256(load.wheel)
        task = member.loads.get(digest)
        if task is None:
            task = member.loads[digest] = asyncio.create_task(self._send_bundle(member, load))
            task.add_done_callback(lambda _: member.loads.pop(digest, None))
        return await asyncio.shield(task)

    async def _send_bundle(self, member: _Member, load: Load) -> Measurement:
        reply = await self._exchange(member, load, LOAD_SECONDS)
        if isinstance(reply, Failure):
            raise error_of(reply)
        if not isinstance(reply, Loaded):
            raise ForgedReply(f"expected the measurement of a bundle, got {type(reply).__name__}")
        return reply.measurement

    async def _exchange(self, member: _Member, request: EnclaveRequest, seconds: float) -> EnclaveReply:
        frame = encode_request(request)
        if len(frame) > MAX_FRAME:
            raise Oversize(f"a request to an enclave has at most {MAX_FRAME} bytes, got {len(frame)}")
        try:
            return decode_reply(await self._carrier.exchange(member.courier, frame, seconds))
        except EnclaveLost:
            self._lose(member)
            raise
        except (CourierLost, DeadlinePassed):
            if member.handle.is_remote:
                # Its machine may be gone, which Ray takes its time to find out.
                self._lose(member)
            raise
        except Malformed as error:
            raise ForgedReply(f"no reply of an enclave: {error}") from error

    async def _hire(self, handle: EnclaveHandle) -> int:
        return await self._carrier.hire(handle.name, handle.socket, on_node(self._config.profile, handle.node))

    def _tell(self) -> None:
        for listener in self._listeners:
            listener()

    def _error(self, member: _Member, failure: Failure) -> FabricError:
        """Returns the error of a whole run; an enclave that can make no container any more is as good as gone."""
        if failure.code == SandboxUnavailable.code:
            self._lose(member)
            return EnclaveLost(failure.message)
        return error_of(failure)

    def _lose(self, member: _Member) -> None:
        if not member.lost:
            member.lost = True
            self._on_lost(member.handle)

    def _choose(self, tried: Sequence[str]) -> _Member:
        """Returns the enclave with the least work among those tried least often."""
        members = self._live()
        if not members:
            raise self._no_capacity()
        return min(members, key=lambda member: (tried.count(member.handle.name), member.load))

    def _live(self) -> list[_Member]:
        return [member for member in self._members.values() if not member.lost]

    def _patience(self, run: Run, deadline: float) -> float:
        """Returns how long an enclave may take over a run; one that takes longer hangs.

        It begins no call when those before it took the run's time, so beyond that it needs the time of one call, and
        before it that of one other run.
        """
        longest = max(call.deadline_ms or DEFAULT_DEADLINE_MS for call in run.invocations) / 1000
        return min(self._remaining(deadline), self._config.run_seconds + 2 * longest)

    def _remaining(self, deadline: float) -> float:
        seconds = deadline - self._clock.monotonic_seconds()
        if seconds <= 0:
            raise DeadlinePassed(f"pool {self._config.profile.name!r}: the time for this run is over")
        return seconds

    def _no_capacity(self) -> NoCapacity:
        lost = len(self._members)
        return NoCapacity(f"pool {self._config.profile.name!r}: no enclave answers ({lost} lost and not yet replaced)")


def _lost(result: RunResult) -> list[int]:
    """Returns the places of invocations that may be run again, because it was the platform's fault."""
    return [at for at, item in enumerate(result.outcomes) if item.failure is not None and is_safe(item.failure)]


def _merged(result: RunResult, places: Sequence[int], again: RunResult) -> RunResult:
    outcomes = list(result.outcomes)
    for place, outcome in zip(places, again.outcomes, strict=True):
        outcomes[place] = outcome
    return RunResult(tuple(outcomes), result.batches + again.batches)
