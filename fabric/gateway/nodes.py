"""Enclaves on other machines: found through couriers, appraised, registered, served, and looked for again when lost.

Nobody launched them here, and a courier may lie: who such an enclave is, is what the appraiser says of evidence that
its node's enrolled attester signed over a fresh nonce.
"""

import asyncio
import contextlib
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import structlog

from fabric.core.errors import FabricError
from fabric.core.model import Failure
from fabric.enclave.config import SOCKET
from fabric.gateway.loops import keep
from fabric.gateway.registrar import Registrar
from fabric.runtime.cluster import Cluster
from fabric.runtime.failures import CourierLost, error_of
from fabric.runtime.inspection import ForgedReply
from fabric.runtime.pool import EnclaveHandle, Pool
from fabric.runtime.profile import Profile, on_node
from fabric.trust.attestation import AttestationResult
from fabric.wire.codec import (
    Describe,
    Description,
    EnclaveReply,
    EnclaveRequest,
    Evidence,
    MakeEvidence,
    decode_reply,
    encode_request,
)

_LOG: Final = structlog.get_logger(__name__)
SEEK_SECONDS: Final = 2.0
HEARTBEAT_SECONDS: Final = 5.0
"""Between two questions to an enclave whether it is still there; one without work would not be missed otherwise."""
ANSWER_SECONDS: Final = 30.0


@dataclass(frozen=True)
class Place:
    """Where an enclave of another machine is to be found.

    Attributes:
        node: the machine.
        number: the enclave's, from 1.
    """

    node: str
    number: int

    @property
    def socket(self) -> Path:
        """Its socket, below the folder of enclaves of its machine."""
        return Path(str(self.number)) / SOCKET


class NodeEnclaves:
    """Keeps every place in the pool for as long as an enclave answers there."""

    def __init__(
        self,
        places: Sequence[Place],
        profile: Profile,
        registrar: Registrar,
        cluster: Callable[[], Cluster],
        renew_seconds: float,
    ) -> None:
        """Takes where to look, as what they are hired, who registers them, the Ray that runs, and how often."""
        self._places = places
        self._profile = profile
        self._registrar = registrar
        self._cluster = cluster
        self._renew_seconds = renew_seconds
        self._visits = itertools.count(1)
        self._lost: dict[str, asyncio.Event] = {}
        self._served = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, pool: Pool) -> None:
        """Begins to look."""
        self._tasks += [keep(f"enclave {at.number} of node {at.node}", self._keep(at, pool)) for at in self._places]

    async def wait_served(self) -> None:
        """Returns when an enclave of some node serves."""
        await self._served.wait()

    def lose(self, handle: EnclaveHandle) -> None:
        """Takes an enclave out of service that does not answer any more, and has it looked for again."""
        if (lost := self._lost.get(handle.name)) is not None:
            lost.set()

    async def aclose(self) -> None:
        """Stops looking; the enclaves belong to their nodes and live on."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _keep(self, place: Place, pool: Pool) -> None:
        told = ""
        while True:
            try:
                handle, courier = await self._visit(place)
            except FabricError as error:
                if str(error) != told:
                    told = str(error)
                    _LOG.warning("no enclave of a node", node=place.node, number=place.number, error=told)
                await asyncio.sleep(SEEK_SECONDS)
                continue
            told = ""
            lost = self._lost[handle.name] = asyncio.Event()
            await pool.add(handle, courier)
            _LOG.info("enclave of a node in service", node=place.node, number=place.number, enclave=handle.name)
            self._served.set()
            found_by = await self._hold(handle, courier, lost)
            del self._lost[handle.name]
            await pool.remove(handle.name)
            _LOG.warning("enclave of a node lost", node=place.node, enclave=handle.name, found_by=found_by)

    async def _visit(self, place: Place) -> tuple[EnclaveHandle, int]:
        """Finds the enclave of a place and registers its keys; returns it with its courier.

        Raises:
            NoCapacity: the node is not there.
            EnclaveLost: it is, and no enclave answers.
            AttestationFailed: one does, and is none that the appraiser or the ledgers take.
        """
        name = f"{place.node}-{place.number}"
        cluster = self._cluster()
        courier = await cluster.hire(name, place.socket, on_node(self._profile, place.node))
        try:
            evidence = partial(_evidence, cluster, courier)
            result = await self._registrar.recognise(evidence, 2 * self._renew_seconds)
        except BaseException:
            with contextlib.suppress(CourierLost):  # no Ray, no courier
                await cluster.dismiss(courier)
            raise
        own_name = f"{name}-{next(self._visits)}"
        return EnclaveHandle(own_name, place.socket, _description(result), place.node, is_remote=True), courier

    async def _hold(self, handle: EnclaveHandle, courier: int, lost: asyncio.Event) -> str:
        """Has the enclave appraised again from time to time; returns how it was found lost."""
        loop = asyncio.get_running_loop()
        due = loop.time() + self._renew_seconds
        while True:
            try:
                async with asyncio.timeout(HEARTBEAT_SECONDS):
                    await lost.wait()
            except TimeoutError:
                if not await self._is_there(handle, courier):
                    return "heartbeat"
            else:
                return "run"
            if loop.time() >= due:
                await self._renew(handle, courier)
                due = loop.time() + self._renew_seconds

    async def _is_there(self, handle: EnclaveHandle, courier: int) -> bool:
        """Says whether the very enclave answers: another one may have been launched in its place."""
        try:
            reply = await _ask(self._cluster(), courier, Describe())
        except FabricError:
            return False
        return isinstance(reply, Description) and reply.keys == handle.description.keys

    async def _renew(self, handle: EnclaveHandle, courier: int) -> None:
        try:
            await self._registrar.register(partial(_evidence, self._cluster(), courier))
        except FabricError as error:
            _LOG.exception("attestation not renewed", enclave=handle.name, error=str(error))


async def _ask(cluster: Cluster, courier: int, request: EnclaveRequest) -> EnclaveReply:
    return decode_reply(await cluster.exchange(courier, encode_request(request), ANSWER_SECONDS))


async def _evidence(cluster: Cluster, courier: int, nonce: bytes) -> bytes:
    reply = await _ask(cluster, courier, MakeEvidence(nonce))
    if isinstance(reply, Failure):
        raise error_of(reply)
    if not isinstance(reply, Evidence):
        raise ForgedReply(f"expected evidence, got {type(reply).__name__}")
    return reply.document


def _description(result: AttestationResult) -> Description:
    """Returns what is known of an enclave that nobody launched here; its process has no number for us."""
    return Description(result.keys, result.fabric, result.isolation, result.epoch, 0)
