"""A node's folder, and what makes it launch another enclave."""

import asyncio
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from fabric.core.errors import ConfigError, PlatformError, SandboxUnavailable
from fabric.enclave.config import EnclaveConfig
from fabric.enclave.facts import Facts
from fabric.node import service
from fabric.node.folder import open_folder
from fabric.node.service import NodeConfig
from fabric.runtime.cluster import Cluster
from fabric.runtime.member import Member
from tests.support.batches import FABRIC, destination

if TYPE_CHECKING:
    from fabric.enclave.launch import EnclaveProcess

FACTS = Facts(FABRIC, (destination("a"),), 1)
MEMBER = Member("worker", "10.0.0.3", (21000, 21063), (21000, 21063), "ab" * 32, head="10.0.0.2:21000")


@dataclass
class FakeEnclave:
    """A process that ends when a test says so."""

    told: EnclaveConfig
    pid: int = 1
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    closed: bool = False

    async def wait(self) -> int:
        await self.ended.wait()
        return 3

    async def aclose(self) -> None:
        self.closed = True


@dataclass
class FakeRay:
    """A part of Ray that ends when a test says so."""

    jailed: bool = True
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    stopped: bool = False

    async def wait_ended(self) -> None:
        await self.ended.wait()

    async def stop(self) -> None:
        self.stopped = True


@dataclass
class House:
    config: NodeConfig
    enclaves: list[FakeEnclave] = field(default_factory=list)
    rays: list[FakeRay] = field(default_factory=list)
    joined: list[object] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)

    async def launch(self, folder: Path, told: EnclaveConfig) -> "EnclaveProcess":
        folder.mkdir()  # noqa: ASYNC240 - a test's own; what an enclave before it left is gone
        self.enclaves.append(FakeEnclave(told))
        return cast("EnclaveProcess", self.enclaves[-1])

    async def start(self, _: object) -> "Cluster":
        if self.failures:
            raise self.failures.pop()
        self.rays.append(FakeRay())
        return cast("Cluster", self.rays[-1])

    async def until(self, enclaves: int, rays: int = 1) -> None:
        async with asyncio.timeout(20):
            while (len(self.enclaves), len(self.rays)) != (enclaves, rays):  # noqa: ASYNC110 - has no event
                await asyncio.sleep(0.005)


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    made = House(NodeConfig(open_folder(tmp_path / "node"), MEMBER, tmp_path / "facts.json"))
    monkeypatch.setattr(service, "launch", made.launch)
    monkeypatch.setattr(Cluster, "start", made.start)
    monkeypatch.setattr(service, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(service, "RETRY_SECONDS", 0.01)
    return made


async def cancelled(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_an_enclave_waits_for_the_facts_and_follows_the_fabrics_ledgers(house: House) -> None:
    running = asyncio.create_task(service.run(house.config, house.joined.append))
    await house.until(enclaves=0)
    assert house.config.folder.ready.exists()
    house.config.facts.write_bytes(b"{}")  # half a copy
    FACTS.write(house.config.facts)
    await house.until(enclaves=1)
    assert house.enclaves[0].told == FACTS.config(house.config.folder.attester)
    replace(FACTS, epoch=2).write(house.config.facts)  # a gateway that was started again: its enclaves live on
    await asyncio.sleep(0.05)
    await house.until(enclaves=1)
    replace(FACTS, destinations=(destination("b"),)).write(house.config.facts)
    await house.until(enclaves=2)
    assert house.enclaves[0].closed
    house.enclaves[1].ended.set()
    await house.until(enclaves=3)
    await cancelled(running)
    assert house.enclaves[2].closed
    assert house.rays[0].stopped
    assert not house.config.folder.ready.exists()


async def test_ray_is_joined_again_and_enclaves_live_on(house: House) -> None:
    FACTS.write(house.config.facts)
    house.failures = [PlatformError("the head is not there"), PlatformError("still not")]
    running = asyncio.create_task(service.run(house.config, house.joined.append))
    await house.until(enclaves=1)
    house.rays[0].ended.set()
    await house.until(enclaves=1, rays=2)
    assert house.rays[0].stopped
    assert len(house.joined) == 1  # said once
    await cancelled(running)


async def test_what_only_a_person_can_mend_ends_the_node(house: House) -> None:
    house.failures = [SandboxUnavailable("no user namespaces")]
    with pytest.raises(SandboxUnavailable, match="no user namespaces"):
        await service.run(house.config, house.joined.append)


async def test_one_node_at_a_time_uses_a_folder(house: House) -> None:
    with house.config.folder.lock(), pytest.raises(ConfigError, match="in use by a running node"):
        await service.run(house.config, house.joined.append)


async def test_the_attesters_key_stays(tmp_path: Path) -> None:
    folder = open_folder(tmp_path / "node")
    assert folder.path.stat().st_mode & 0o777 == 0o700
    key = await folder.attester_key()
    assert await open_folder(tmp_path / "node").attester_key() == key
    assert folder.attester.stat().st_mode & 0o777 == 0o600
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="choose another with --folder"):
        open_folder(tmp_path / "file" / "node")
