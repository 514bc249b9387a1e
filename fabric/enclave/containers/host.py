"""ContainerHost: runs batches of calls in containers, one container per cryptlet and tenant, kept warm.

One call that loops, ends or floods its container costs only itself: the container is killed, the calls after it run in
a new one. Calls run in order, so no call has run before the one that is to blame.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from fabric.core.clock import Clock
from fabric.core.errors import ContainerLost, NoCapacity, NotFound, Oversize, SandboxUnavailable
from fabric.core.model import Failure
from fabric.enclave.containers import selftest
from fabric.enclave.containers.container import Container, Fault
from fabric.enclave.containers.launch import DESCRIPTION, launch
from fabric.enclave.containers.model import Bundle, Call, Limits, Reply
from fabric.enclave.containers.zygote import Zygote
from fabric.enclave.sandbox import frames
from fabric.sdk.checks import MAX_NAME_LENGTH

ISOLATION: Final = "zygote-ns+lock"
"""Level of isolation as evidence and statements name it: namespaces, read-only root, no rights, Landlock, seccomp."""
MAX_BATCH_BYTES: Final = 4 << 20
"""Inputs that travel in one frame, unless a single one is longer."""
NATIVE_RETRY_SECONDS: Final = 60.0
"""After containers for native code failed the self-test: until then calls of such bundles fail without another one."""
_NOT_BEGUN: Final = Failure(NoCapacity.code, "not begun: the calls before it took the time of their batch")

_DESCRIBE: Final = Call(bytes(32), "describe", b"null", 0, 0, bytes(32), 10_000)
_ENDED: Final = Failure(ContainerLost.code, "ended: the fabric unloaded the bundle")


@dataclass
class _Place:
    """Where the calls of one cryptlet and tenant meet."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    users: int = 0
    container: Container | None = None

    def drop(self) -> None:
        if self.container is not None:
            self.container.kill()
            self.container = None

    def end(self) -> None:
        if self.users and self.container is not None:
            self.container.end()  # its user lets it go
        else:
            self.drop()


class ContainerHost:
    """The containers of an enclave."""

    isolation: Final = ISOLATION

    def __init__(self, folder: Path, limits: Limits, clock: Clock) -> None:
        """Takes what ``start`` was given; ``start`` makes a host that can run."""
        self._folder = folder
        self._limits = limits
        self._clock = clock
        self._zygote: Zygote | None = None
        self._native_zygote: Zygote | None = None
        self._native_refusal: tuple[Zygote, float, str] | None = None
        self._is_closed = False
        self._ended: set[bytes] = set()
        self._starting = asyncio.Lock()
        self._places: OrderedDict[tuple[bytes, bytes], _Place] = OrderedDict()
        self._turns = asyncio.Semaphore(limits.containers)

    @classmethod
    async def start(cls, folder: Path, limits: Limits, clock: Clock) -> "ContainerHost":
        """Starts the zygote and attacks a container from inside; serves only when nothing got through.

        Call it from a thread that lives as long as the enclave: the zygote dies with the thread that started it.

        Args:
            folder: a folder of its own, for the zygote's log and mount point.
            limits: what each container may use.
            clock: measures cold starts.

        Raises:
            SandboxUnavailable: names the missing feature of the kernel, or the attack that got through.
        """
        host = cls(folder, limits, clock)
        await host._running_zygote()
        return host

    async def run(self, bundle: Bundle, tenant: bytes, calls: Sequence[Call]) -> list[Reply]:
        """Runs calls of one tenant; returns their replies in order. Safe to call concurrently.

        A call never fails another one. Failure codes: those of the cryptlet's own errors (``malformed``,
        ``not-found``, ``cryptlet-raised``, ``author``), ``limit-exceeded``, ``oversize``, ``container-lost``, and
        ``no-capacity`` of calls that were not begun because those before them took the batch's time; ``sandbox`` of a
        bundle with native code where only containers for that fail the self-test.

        Raises:
            SandboxUnavailable: the zygote had died, and a new one does not pass the self-test.
            ContainerLost: the zygote died under this batch, or the host is closed; no call had an effect.
            ValueError: an id or seed is not 32 bytes, a number is not of 64 bits; a mistake of the enclave.
        """
        refusals = [_refusal(call, self._limits.input_bytes) for call in calls]
        fitting = [call for call, refusal in zip(calls, refusals, strict=True) if refusal is None]
        place = self._place(bundle, tenant)
        try:
            async with place.lock, self._turns:
                end = self._clock.monotonic_seconds() + self._limits.batch_ms / 1000
                is_over = partial(self._is_over, end)
                answers = iter(await self._run(place, bundle, fitting, is_over) if fitting else [])
        finally:
            self._leave(bundle, tenant, place)
        return [next(answers) if refusal is None else Reply(None, refusal) for refusal in refusals]

    async def describe(self, bundle: Bundle) -> Reply:
        """Loads a bundle's class in a container of its own; returns its kind and methods as JSON, or why not.

        Raises:
            SandboxUnavailable, ContainerLost: as ``run``.
        """
        try:
            zygote = await self._running_zygote(native=bool(bundle.unpacked))
            container = await launch(zygote, bundle, self._limits, DESCRIPTION)
        except Fault as fault:
            return Reply(None, fault.failure)
        try:
            return (await container.run([_DESCRIBE])).replies[0]
        finally:
            container.kill()

    async def cold_start_seconds(self, bundle: Bundle, call: Call) -> float:
        """Returns the time from asking for a new container to its first reply; for benchmarks.

        Raises:
            Fault: the bundle does not load.
        """
        zygote = await self._running_zygote(native=bool(bundle.unpacked))
        begin = self._clock.monotonic_seconds()
        container = await launch(zygote, bundle, self._limits)
        try:
            await container.run([call])
            return self._clock.monotonic_seconds() - begin
        finally:
            container.kill()

    def end(self, measurement: bytes) -> None:
        """Ends the containers of a bundle; what runs in them is lost, and nothing of it begins any more."""
        self._ended.add(measurement)
        for (name, _), place in self._places.items():
            if name == measurement:
                place.end()

    async def aclose(self) -> None:
        """Kills all containers and ends the zygote; what still runs gets ``container-lost``."""
        self._is_closed = True
        for place in self._places.values():
            place.end()
        self._places.clear()
        if self._zygote is not None:
            await self._zygote.aclose()
            self._zygote = None

    async def _running_zygote(self, *, native: bool = False) -> Zygote:
        """Returns the zygote; starts and tests a new one where there is none or it was killed.

        Containers for native code are tested before the first of them is made, so that who has none does not wait.

        Raises:
            Fault: the zygote is sound, and its containers for native code are not.
        """
        async with self._starting:
            if self._is_closed:
                message = "the containers are closed"
                raise ContainerLost(message)
            if self._zygote is None or not self._zygote.is_running:
                if self._zygote is not None:
                    await self._zygote.aclose()
                zygote = await Zygote.start(self._folder)
                try:
                    await selftest.check(zygote, self._folder, self._limits)
                except BaseException:
                    await zygote.aclose()
                    raise
                self._zygote = zygote
            if native and self._native_zygote is not self._zygote:
                await self._check_native(self._zygote)
            return self._zygote

    async def _check_native(self, zygote: Zygote) -> None:
        """Attacks the containers for native code; raises ``Fault`` where they fail, or failed a short while ago."""
        refused, end, text = self._native_refusal or (None, 0.0, "")
        # Pure bundles, whose containers have passed, wait while this runs: not for each call of one that cannot.
        if refused is not zygote or self._is_over(end):
            try:
                await selftest.check(zygote, self._folder, self._limits, native=True)
            except SandboxUnavailable as error:
                text = f"native code is not run here: {error}"
                self._native_refusal = (zygote, self._clock.monotonic_seconds() + NATIVE_RETRY_SECONDS, text)
            else:
                self._native_zygote = zygote
                return
        raise Fault(SandboxUnavailable, text)

    def _place(self, bundle: Bundle, tenant: bytes) -> _Place:
        key = (bundle.measurement, tenant)
        place = self._places.setdefault(key, _Place())
        self._places.move_to_end(key)
        place.users += 1
        return place

    def _leave(self, bundle: Bundle, tenant: bytes, place: _Place) -> None:
        place.users -= 1
        if not place.users and place.container is None:
            self._places.pop((bundle.measurement, tenant), None)

    def _is_over(self, end: float) -> bool:
        return self._clock.monotonic_seconds() >= end

    async def _run(
        self, place: _Place, bundle: Bundle, calls: Sequence[Call], is_over: Callable[[], bool]
    ) -> list[Reply]:
        replies: list[Reply] = []
        while len(replies) < len(calls):
            if bundle.measurement in self._ended:
                return replies + [Reply(None, _ENDED)] * (len(calls) - len(replies))
            if replies and is_over():
                return replies + [Reply(None, _NOT_BEGUN)] * (len(calls) - len(replies))
            batch = _batch(calls[len(replies) :])
            try:
                container = await self._container(place, bundle)
            except Fault as fault:
                missing = len(calls) - len(replies)
                return replies + [Reply(None, fault.failure)] * missing
            if bundle.measurement in self._ended:  # while it was launched
                place.drop()
                continue
            try:
                progress = await container.run(batch, is_over)
            except BaseException:
                place.drop()  # a cancelled batch leaves it in the middle of a call
                raise
            replies += progress.replies
            if not progress.is_sound or container.calls >= self._limits.calls:
                place.drop()
        return replies

    async def _container(self, place: _Place, bundle: Bundle) -> Container:
        if place.container is not None and not place.container.is_quiet():
            place.drop()
        if place.container is None:
            self._make_room()
            zygote = await self._running_zygote(native=bool(bundle.unpacked))
            place.container = await launch(zygote, bundle, self._limits)
        return place.container

    def _make_room(self) -> None:
        """Ends idle containers, the longest unused first, until one more fits."""
        warm = sum(place.container is not None for place in self._places.values())
        for key, place in list(self._places.items()):
            if warm < self._limits.containers:
                return
            if not place.users:
                warm -= place.container is not None
                place.drop()
                del self._places[key]


def _batch(calls: Sequence[Call]) -> Sequence[Call]:
    """Returns the first calls, at least one, that travel in one frame."""
    total = 0
    for count, call in enumerate(calls[: frames.MAX_TASKS]):
        total += len(call.input)
        if count and total > MAX_BATCH_BYTES:
            return calls[:count]
    return calls[: frames.MAX_TASKS]


def _refusal(call: Call, limit: int) -> Failure | None:
    """Returns why a call is not worth sending, or None."""
    if len(call.input) > limit:
        return Failure(Oversize.code, f"input of {len(call.input)} bytes, at most {limit}")
    if len(call.method) > MAX_NAME_LENGTH or not call.method.isascii():
        return Failure(NotFound.code, f"no method has a name that is not ASCII or beyond {MAX_NAME_LENGTH} letters")
    return None
