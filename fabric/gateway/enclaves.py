"""The enclaves of this machine: launched, registered on every ledger, brought into service, replaced when lost."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

import structlog

from fabric.core.errors import AttestationFailed, FabricError
from fabric.enclave.config import EnclaveConfig
from fabric.enclave.launch import EnclaveProcess, launch
from fabric.gateway.loops import keep
from fabric.gateway.registrar import Registrar
from fabric.runtime.pool import EnclaveHandle, Pool
from fabric.trust.attestation import KeySet

_LOG: Final = structlog.get_logger(__name__)
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
        self, folder: Path, config: EnclaveConfig, registrar: Registrar, renew_seconds: float, node: str = ""
    ) -> None:
        """Takes where they live, what they are told, who registers them, and how often.

        Args:
            folder: of their folders.
            config: the same for all.
            registrar: has them vouched for.
            renew_seconds: time between two appraisals.
            node: this machine's name in a Ray of several; empty where there is one alone.
        """
        self._folder = folder
        self._config = config
        self._registrar = registrar
        self._renew_seconds = renew_seconds
        self._node = node
        self._renewing: asyncio.Task[None] | None = None
        self._members: dict[str, Member] = {}
        self._started = 0
        self._relaunches: set[asyncio.Task[None]] = set()

    async def start(self, count: int) -> None:
        """Launches enclaves and registers their keys; returns when every ledger has taken them for good.

        Raises:
            SandboxUnavailable: this machine cannot isolate containers.
            AttestationFailed: the appraiser refused, or a ledger did not take the keys in time.
        """
        await asyncio.gather(*(self._start_one() for _ in range(count)))
        self._renewing = keep("renewal of attestations", self._renew())

    async def serve(self, pool: Pool) -> None:
        """Brings every enclave into the pool."""
        for member in self._members.values():
            await pool.add(member.handle)

    def replace(self, pool: Pool, lost: EnclaveHandle) -> None:
        """Launches, registers and serves a new enclave in the place of a lost one, in the background."""
        task = keep(f"replacement of enclave {lost.name}", self._replace(pool, lost))
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
        member = Member(process, EnclaveHandle(name, process.socket, description, self._node))
        self._members[name] = member
        return member

    async def _attest(self, process: EnclaveProcess, keys: KeySet) -> None:
        if (await self._registrar.register(process.evidence)).keys != keys:
            raise AttestationFailed("the appraiser vouches for other keys than the enclave's")

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


async def _insist(attempt: Callable[[], Awaitable[T]]) -> T:
    """Tries until it succeeds: a pool without its enclave serves nobody."""
    while True:
        try:
            return await attempt()
        except FabricError as error:
            _LOG.exception("enclave not replaced, trying again", error=str(error))
            await asyncio.sleep(_RELAUNCH_SECONDS)
