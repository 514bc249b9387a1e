"""The pool's enclaves: launched, appraised, registered on every ledger, brought into service, replaced when lost."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

import structlog

from fabric.attesters.appraiser.client import AppraiserProcess
from fabric.core.errors import AttestationFailed, FabricError
from fabric.core.ids import DestinationId, Digest
from fabric.enclave.config import EnclaveConfig
from fabric.enclave.launch import EnclaveProcess, launch
from fabric.ledger.port import Ledger
from fabric.runtime.pool import EnclaveHandle, Pool
from fabric.store.store import Store
from fabric.store.values import RegisterBody, StoredAttestation, WorkState
from fabric.trust.attestation import Assurance, KeySet

_LOG: Final = structlog.get_logger(__name__)
REGISTER_SECONDS: Final = 120
_POLL_SECONDS: Final = 0.1
_RELAUNCH_SECONDS: Final = 2.0
T = TypeVar("T")


@dataclass(frozen=True)
class Member:
    """A running enclave that its appraiser vouches for."""

    process: EnclaveProcess
    handle: EnclaveHandle


class Enclaves:
    """Starts enclaves and keeps their number. Call from the main thread: an enclave ends with its launcher's thread."""

    def __init__(
        self,
        folder: Path,
        config: EnclaveConfig,
        appraiser: AppraiserProcess,
        store: Store,
        ledgers: Mapping[DestinationId, Ledger],
        renew_seconds: float,
    ) -> None:
        """Takes where they live, what they are told, who vouches for them, where that is registered, and how often."""
        self._folder = folder
        self._config = config
        self._appraiser = appraiser
        self._store = store
        self._ledgers = ledgers
        self._renew_seconds = renew_seconds
        self._renewing: asyncio.Task[None] | None = None
        self._members: dict[str, Member] = {}
        self._started = 0
        self._on_added: Callable[[], None] = _nobody
        self._relaunches: set[asyncio.Task[None]] = set()
        self.key_ids: dict[bytes, Digest] = {}
        """Id of each registered key set by its Ed25519 key."""
        self.assurances: dict[bytes, Assurance] = {}
        """What the appraiser gave each key set, by its Ed25519 key."""

    async def start(self, count: int) -> None:
        """Launches enclaves and registers their keys; returns when every ledger has taken them for good.

        Raises:
            SandboxUnavailable: this machine cannot isolate containers.
            AttestationFailed: the appraiser refused, or a ledger did not take the keys in time.
        """
        await asyncio.gather(*(self._start_one() for _ in range(count)))
        self._renewing = asyncio.create_task(self._renew())

    async def serve(self, pool: Pool) -> None:
        """Brings every enclave into the pool."""
        for member in self._members.values():
            await pool.add(member.handle)

    def tell(self, on_added: Callable[[], None]) -> None:
        """Has ``on_added`` called when an enclave came into service in the place of a lost one."""
        self._on_added = on_added

    def replace(self, pool: Pool, lost: EnclaveHandle) -> None:
        """Launches, registers and serves a new enclave in the place of a lost one, in the background."""
        task = asyncio.create_task(self._replace(pool, lost))
        self._relaunches.add(task)
        task.add_done_callback(self._relaunches.discard)

    @property
    def members(self) -> Sequence[Member]:
        """The running enclaves."""
        return tuple(self._members.values())

    async def aclose(self) -> None:
        """Ends every enclave; their keys are gone with them."""
        tasks = [*self._relaunches, *([self._renewing] if self._renewing else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(member.process.aclose() for member in self._members.values()))

    async def _start_one(self) -> Member:
        self._started += 1
        name = str(self._started)
        process = await launch(self._folder / name, self._config)
        try:
            description = await process.describe()
            await self._attest(process, description.keys)
        except BaseException:
            await process.aclose()
            raise
        member = Member(process, EnclaveHandle(name, process.socket, description))
        self._members[name] = member
        return member

    async def _attest(self, process: EnclaveProcess, keys: KeySet) -> None:
        async with self._appraiser.client() as client:
            appraised = await client.appraise(process.evidence, list(self._ledgers))
        if appraised.result.keys != keys:
            raise AttestationFailed("the appraiser vouches for other keys than the enclave's")
        body = RegisterBody(appraised.result, appraised.destinations, appraised.signatures)
        await self._store.attest(StoredAttestation(body, appraised.evidence), list(self._ledgers))
        for destination in self._ledgers:
            await self._wait_registered(destination, appraised.result.digest)
        self.key_ids[keys.ed25519] = keys.id
        self.assurances[keys.ed25519] = appraised.result.assurance

    async def _wait_registered(self, destination: DestinationId, work: bytes) -> None:
        """A cold pool waits for registration to be final; nothing it signed before would settle."""
        try:
            async with asyncio.timeout(REGISTER_SECONDS):
                while True:
                    progress = await self._store.outbox.progress(destination, work)
                    if progress is not None and progress.state is WorkState.FINAL:
                        return
                    if progress is not None and progress.state is WorkState.REFUSED:
                        raise AttestationFailed(f"ledger {destination.hex()} refused the keys: {progress.reason}")
                    if await self._store.halts.of(destination):
                        # Others must not wait for a person; the keys are the first that it takes when it is resumed.
                        _LOG.warning("ledger is halted, keys wait for it", destination=destination.hex())
                        return
                    await asyncio.sleep(_POLL_SECONDS)
        except TimeoutError as error:
            raise AttestationFailed(
                f"ledger {destination.hex()} has not taken the enclave's keys in {REGISTER_SECONDS} s"
            ) from error

    async def _renew(self) -> None:
        """Has every enclave appraised again long before its attestation result ends; nothing settles after that."""
        while True:
            await asyncio.sleep(self._renew_seconds)
            for member in self.members:
                try:
                    await self._attest(member.process, member.handle.description.keys)
                except FabricError as error:
                    _LOG.exception("attestation not renewed", enclave=member.handle.name, error=str(error))

    async def _replace(self, pool: Pool, lost: EnclaveHandle) -> None:
        await pool.remove(lost.name)
        if member := self._members.pop(lost.name, None):
            await member.process.aclose()
        _LOG.warning("enclave lost, starting another", enclave=lost.name)
        fresh = await _insist(self._start_one)
        # Ray may be down too: the enclave that stands waits for it.
        await _insist(lambda: pool.add(fresh.handle))
        self._on_added()


async def _insist(attempt: Callable[[], Awaitable[T]]) -> T:
    """Tries until it succeeds: a pool without its enclave serves nobody."""
    while True:
        try:
            return await attempt()
        except FabricError as error:
            _LOG.exception("enclave not replaced, trying again", error=str(error))
            await asyncio.sleep(_RELAUNCH_SECONDS)


def _nobody() -> None:
    """Nobody waits for enclaves yet."""
