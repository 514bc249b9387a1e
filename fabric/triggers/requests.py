"""The trigger of one ledger: its requests are stored with the watcher's cursor, then run in batches.

A stored request is an accepted one: it is answered, refused with a reason, or waits and says what for. What one request
waits for holds up no other.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import structlog

from fabric.core.backoff import delay_seconds
from fabric.core.clock import Clock
from fabric.core.errors import CodeRevoked, FabricError, Malformed, NotFound, Oversize, Refused, VerificationError
from fabric.core.ids import BindingVersion, Digest, InvocationId
from fabric.core.model import Invocation
from fabric.ledger.alarm import Alarm, Pause
from fabric.ledger.port import Request, RequestPage
from fabric.ledger.watcher import Watched
from fabric.store.store import Store
from fabric.store.values import CursorMove, RequestRow, RequestState
from fabric.triggers.document import read_request, write_request
from fabric.triggers.judging import invocation_of, judge
from fabric.trust.binding import Binding
from fabric.trust.sources import MAX_INPUT_BYTES

_log = structlog.get_logger(__name__)

MAX_RUN: Final = 1_024
"""Requests that are taken up at a time."""
Run = Callable[[Binding, Sequence[Invocation]], Awaitable[None]]
"""Runs invocations of one binding and stores what came of them; raises a ``FabricError`` where some may be repeated."""


@dataclass(frozen=True)
class _Delay:
    """A binding whose requests could not be run."""

    failures: int
    until: float


class RequestTrigger:
    """Turns the requests of one ledger into invocations."""

    def __init__(
        self, watched: Watched[RequestPage], store: Store, run: Run, clock: Clock, *, pause: Pause = asyncio.sleep
    ) -> None:
        """Takes its parts; ``accept`` is for the ledger's watcher, ``run`` and ``input_arrived`` for the gateway."""
        self._watched = watched
        self._store = store
        self._run = run
        self._clock = clock
        self._alarm = Alarm(pause)
        self._delays: dict[BindingVersion, _Delay] = {}
        self._passed_over: list[float] = []

    async def accept(self, page: RequestPage) -> None:
        """Stores a page: each request as ready, waiting for its input, or refused; and the cursor behind it.

        Raises:
            StoreError: it did not commit.
        """
        rows = [await self._row(request) for request in page.requests]
        await self._store.take(rows, CursorMove(self._watched.cursor, page.cursor))
        # A blob that was put between the look and the commit found nobody waiting for it.
        for row in rows:
            if row.state is RequestState.WAITING_FOR_INPUT and self._store.blobs.has(row.input):
                await self._store.requests.arrived(self._watched.destination, row.input)
        if rows:
            self._alarm.ring()

    async def input_arrived(self, digest: Digest) -> None:
        """Lets the requests run that waited for a blob; call it after a blob was stored."""
        if await self._store.requests.arrived(self._watched.destination, digest):
            self._alarm.ring()

    def hasten(self) -> None:
        """Has what was put off taken up at once: what it waited for may be there. Call it on the event loop."""
        self._delays.clear()
        self._alarm.ring()

    async def run(self) -> None:
        """Runs requests until it is cancelled; what was ready before the start is taken up first."""
        looked = False
        while True:
            self._alarm.reset()
            try:
                if not looked:
                    await self._look_for_inputs()
                    looked = True
                moved = await self.step()
            except FabricError as error:
                _log.warning("requests not run", destination=self._watched.destination.hex(), error=str(error))
                await self._alarm.pause(delay_seconds(1, self._watched.destination))
                continue
            if not moved:
                await self._alarm.rest(self._soonest())

    async def step(self) -> bool:
        """Runs what is ready, a batch a binding, unless the ledger is halted; says whether anything was to run.

        Raises:
            StoreError: the database did not commit.
        """
        if await self._store.halts.of(self._watched.destination):
            return False  # what is stored may be of blocks that are gone; resuming starts this loop again
        now = self._clock.monotonic_seconds()
        waiting = {version: delay.until for version, delay in self._delays.items() if delay.until > now}
        self._passed_over = list(waiting.values())
        rows = await self._store.requests.ready(self._watched.destination, MAX_RUN, waiting)
        groups: dict[BindingVersion, list[RequestRow]] = {}
        for row in rows:
            groups.setdefault(row.binding, []).append(row)
        for version, group in groups.items():
            await self._run_group(version, group)
        return bool(groups)

    async def _row(self, request: Request) -> RequestRow:
        row = RequestRow(
            self._watched.destination,
            request.index,
            request.invocation,
            request.binding,
            request.input,
            write_request(request),
            RequestState.READY,
        )
        try:
            judge(request, self._watched.destination, await self._store.bindings.get(request.binding))
        except Refused as refusal:
            return replace(row, state=RequestState.REFUSED, reason=str(refusal))
        if not self._store.blobs.has(request.input):
            return _waiting(row, f"no blob {request.input.hex()}")
        return row

    async def _run_group(self, version: BindingVersion, rows: Sequence[RequestRow]) -> None:
        binding = await self._store.bindings.get(version)
        found = [await self._invocation(row, binding) for row in rows]
        invocations = [one for one in found if one]
        answered = await self._store.results([one.id for one in invocations])
        await self._store.requests.mark(list(answered), RequestState.ANSWERED)
        fresh = [one for one in invocations if one.id not in answered]
        if not fresh or binding is None:
            return
        try:
            await self._run(binding, fresh)
        except CodeRevoked as error:
            await self._store.requests.mark([one.id for one in fresh], RequestState.REFUSED, str(error))
        except FabricError as error:
            await self._put_off(binding, [one.id for one in fresh], error)
        else:
            self._delays.pop(version, None)

    async def _invocation(self, row: RequestRow, binding: Binding | None) -> Invocation | None:
        """Returns what a request asks for, None where it cannot run now; then it is stored why."""
        try:
            request = _stored(row)
            method = judge(request, row.destination, binding)
            data = await self._input(row.input)
        except Refused as refusal:
            await self._store.requests.mark([row.invocation], RequestState.REFUSED, str(refusal))
        except (NotFound, VerificationError) as error:
            # Putting the right bytes heals both.
            state = RequestState.WAITING_FOR_INPUT
            await self._store.requests.mark([row.invocation], state, str(error))
            await self._look_again(row.input)
        else:
            return invocation_of(request, method, data)
        return None

    async def _look_again(self, digest: Digest) -> None:
        """Wakes requests whose input was put before they were marked: who put it found nobody waiting."""
        try:
            await self._store.blobs.get(digest)
        except (NotFound, VerificationError):
            return
        await self.input_arrived(digest)

    async def _input(self, digest: Digest) -> bytes:
        data = await self._store.blobs.get(digest)
        if len(data) > MAX_INPUT_BYTES:
            raise Oversize(f"input: at most {MAX_INPUT_BYTES} bytes, got {len(data)}")
        return data

    async def _put_off(self, binding: Binding, ids: Sequence[InvocationId], error: FabricError) -> None:
        before = self._delays.get(binding.version)
        failures = before.failures + 1 if before else 1
        until = self._clock.monotonic_seconds() + delay_seconds(failures, binding.version)
        self._delays[binding.version] = _Delay(failures, until)
        await self._store.requests.mark(ids, RequestState.READY, str(error))
        _log.warning("requests put off", binding=binding.name, count=len(ids), error=str(error))

    def _soonest(self) -> float | None:
        """Returns the seconds until a binding that was passed over may be tried again."""
        if not self._passed_over:
            return None
        return max(0.0, min(self._passed_over) - self._clock.monotonic_seconds())

    async def _look_for_inputs(self) -> None:
        """Wakes requests whose input came while nobody was here to say so."""
        for digest in await self._store.requests.awaited(self._watched.destination):
            if self._store.blobs.has(digest):
                await self._store.requests.arrived(self._watched.destination, digest)


def _stored(row: RequestRow) -> Request:
    """Reads a stored request and compares it with its row; raises ``Refused``."""
    try:
        request = read_request(row.document)
    except Malformed as error:
        raise Refused(f"the stored document of request {row.position} was changed in the database: {error}") from error
    said = (request.index, request.invocation, request.binding, request.input)
    if said != (row.position, row.invocation, row.binding, row.input):
        raise Refused(f"the stored document of request {row.position} was changed in the database: it is another one's")
    return request


def _waiting(row: RequestRow, reason: str) -> RequestRow:
    return replace(row, state=RequestState.WAITING_FOR_INPUT, reason=reason)
