"""A node at work: Ray in its jail, joined again whenever it ends; enclaves beside it, launched again whenever one ends.

Ray and enclaves know nothing of one another: an enclave lives on when Ray ends, with its keys and their registration.
"""

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

import structlog

from fabric.core.errors import ConfigError, FabricError, SandboxUnavailable
from fabric.enclave.config import EnclaveConfig
from fabric.enclave.facts import Facts
from fabric.enclave.launch import EnclaveProcess, launch
from fabric.node.folder import NodeFolder
from fabric.runtime.cluster import Cluster, ClusterConfig
from fabric.runtime.member import Member

_LOG: Final = structlog.get_logger(__name__)
RETRY_SECONDS: Final = 2.0
POLL_SECONDS: Final = 0.5
T = TypeVar("T")


@dataclass(frozen=True)
class NodeConfig:
    """What a node is told.

    Attributes:
        folder: its folder.
        member: how its Ray takes part.
        facts: the file from which it learns what its enclaves sign for.
        enclaves: how many.
        cpus: processor cores that Ray may give away.
        allow_unjailed_ray: run Ray without a jail where none can be built; code in Ray then reads this machine's keys.
    """

    folder: NodeFolder
    member: Member
    facts: Path
    enclaves: int = 1
    cpus: int = 2
    allow_unjailed_ray: bool = False


async def run(config: NodeConfig, on_joined: Callable[[Cluster], None]) -> None:
    """Runs a node until it is cancelled.

    Call it in the main thread: what it starts ends with the thread that started it.

    Args:
        config: what it is told.
        on_joined: is called when its Ray has joined for the first time.

    Raises:
        ConfigError: a node runs on the folder, or a key file cannot be used.
        SandboxUnavailable: this machine can build no jail, or cannot isolate containers.
    """
    folder = config.folder
    with folder.lock():
        # Ray's jail shows this very folder, so it stays; what an earlier run left in it is of dead enclaves.
        for left in folder.enclaves.iterdir():
            shutil.rmtree(left)
        try:
            async with asyncio.TaskGroup() as parts:
                parts.create_task(_keep_ray(config, on_joined))
                for number in range(1, config.enclaves + 1):
                    parts.create_task(_keep_enclave(config, number))
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from errors


async def _keep_ray(config: NodeConfig, on_joined: Callable[[Cluster], None]) -> None:
    """Joins, however long the head takes to be there, and again whenever Ray has ended."""
    folder = config.folder
    settings = ClusterConfig(
        folder=folder.ray,
        hidden=(folder.path,),
        reachable=(),
        cpus=config.cpus,
        allow_unjailed_ray=config.allow_unjailed_ray,
        member=config.member,
        sockets=folder.enclaves,
    )
    has_joined = False
    while True:
        folder.ready.unlink(missing_ok=True)
        cluster = await _insist("Ray did not start", lambda: Cluster.start(settings))
        try:
            folder.ready.touch()
            if not has_joined:
                on_joined(cluster)
                has_joined = True
            await cluster.wait_ended()
            _LOG.warning("Ray ended, joining again")
        finally:
            folder.ready.unlink(missing_ok=True)
            await cluster.stop()


async def _keep_enclave(config: NodeConfig, number: int) -> None:
    """Launches an enclave when there are facts, and another when it ends or the fabric has other ledgers."""
    folder = config.folder.enclaves / str(number)
    while True:
        facts = await _wait_facts(config.facts)
        told = facts.config(config.folder.attester)
        process = await _insist("enclave did not start", lambda: _launch(folder, told))  # noqa: B023 - awaited here
        _LOG.info("enclave serves", number=number, pid=process.pid, epoch=facts.epoch)
        try:
            reason = await _until_ended_or_stale(process, config.facts, facts)
            _LOG.warning("launching another enclave", number=number, reason=reason)
        finally:
            await process.aclose()


async def _launch(folder: Path, told: EnclaveConfig) -> EnclaveProcess:
    # Of the one before it, whose bundles it must load itself.
    await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
    return await launch(folder, told)


async def _wait_facts(path: Path) -> Facts:
    told = ""
    while True:
        try:
            return Facts.read(path)
        except FabricError as error:
            if str(error) != told:
                told = str(error)
                _LOG.info("waiting for the facts", reason=told)
            await asyncio.sleep(POLL_SECONDS)


async def _until_ended_or_stale(process: EnclaveProcess, path: Path, told: Facts) -> str:
    """Returns why an enclave must be replaced."""
    ended = asyncio.create_task(process.wait())
    try:
        while not ended.done():
            await asyncio.wait({ended}, timeout=POLL_SECONDS)
            facts = _read(path) or told
            if (facts.fabric, facts.destinations) != (told.fabric, told.destinations):
                return "the facts changed"
    finally:
        ended.cancel()
    return "it ended"


def _read(path: Path) -> Facts | None:
    try:
        return Facts.read(path)
    except FabricError:
        return None  # it is being replaced, or was spoiled: what was told stands


async def _insist(what: str, attempt: Callable[[], Awaitable[T]]) -> T:
    """Tries until it succeeds, but for what only a person can mend."""
    while True:
        try:
            return await attempt()
        except (ConfigError, SandboxUnavailable):
            raise
        except FabricError as error:
            _LOG.warning(f"{what}, trying again", error=str(error))
            await asyncio.sleep(RETRY_SECONDS)
