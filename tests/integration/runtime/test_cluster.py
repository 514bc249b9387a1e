"""One jailed Ray, one or two real enclaves; everything that the pool rests on."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from fabric.core.clock import SystemClock
from fabric.core.errors import NoCapacity
from fabric.runtime import processes
from fabric.runtime.cluster import Cluster
from fabric.runtime.failures import CourierLost, DeadlinePassed, EnclaveLost
from fabric.runtime.pool import EnclaveHandle, Pool, PoolConfig
from fabric.runtime.profile import Profile
from fabric.wire.codec import Describe, Load, Run, decode_reply, encode_request
from tests.integration.runtime.parts import LEDGER, State, binding, bundle, enclave, expected, invocation

pytestmark = [pytest.mark.ray, pytest.mark.sandbox, pytest.mark.asyncio(loop_scope="module")]
SMALL = Profile(cpus=0.1, memory=1 << 20)
DESCRIBE = encode_request(Describe())


@dataclass
class House:
    state: State
    cluster: Cluster
    before: set[processes.Process]

    def named(self, prefix: str) -> list[processes.Process]:
        """Returns this cluster's processes whose name starts so; another test's fabric may run beside it."""
        return [process for process in self.processes() if _name(process.pid).startswith(prefix)]

    def processes(self) -> list[processes.Process]:
        return [process for process in processes.descendants(os.getpid()) if process not in self.before]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    state = State(tmp_path_factory.mktemp("s")).make()
    before = set(processes.descendants(os.getpid()))
    cluster = await Cluster.start(state.cluster())
    made = House(state, cluster, before)
    try:
        yield made
    finally:
        left = made.processes()
        await cluster.stop()
        assert [process for process in left if process.is_running()] == []
        assert list((state.folder / "ray/root").iterdir()) == []


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def network(pid: int) -> str:
    return str(Path(f"/proc/{pid}/ns/net").readlink())


async def test_ray_runs_in_the_jail_and_listens_nowhere_outside(house: House) -> None:
    assert house.cluster.jailed
    parts = [*house.named("gcs_server"), *house.named("raylet")]
    assert len(parts) == 2
    assert network(os.getpid()) not in {network(process.pid) for process in parts}


async def test_a_courier_carries_frames_of_a_real_enclave(house: House) -> None:
    async with enclave(house.state, "carry") as (process, handle):
        courier = await house.cluster.hire("carry", handle.socket, SMALL)
        answers = await asyncio.gather(*(house.cluster.exchange(courier, DESCRIBE, 10) for _ in range(8)))
        assert {decode_reply(answer) for answer in answers} == {await process.describe()}
        await house.cluster.dismiss(courier)
        with pytest.raises(CourierLost):
            await house.cluster.exchange(courier, DESCRIBE, 10)


async def test_a_courier_that_was_killed_is_made_again(house: House) -> None:
    async with enclave(house.state, "killed") as (process, handle):
        courier = await house.cluster.hire("killed", handle.socket, SMALL)
        before = house.named("ray::Courier")
        for victim in before:
            victim.kill()
        with pytest.raises(CourierLost):
            await house.cluster.exchange(courier, DESCRIBE, 30)
        assert decode_reply(await house.cluster.exchange(courier, DESCRIBE, 30)) == await process.describe()
        assert set(house.named("ray::Courier")).isdisjoint(before)
        await house.cluster.dismiss(courier)


async def test_an_enclave_that_is_gone_is_told_from_a_lost_courier(house: House) -> None:
    async with enclave(house.state, "gone") as (process, handle):
        courier = await house.cluster.hire("gone", handle.socket, SMALL)
        await house.cluster.exchange(courier, DESCRIBE, 10)
        os.kill(process.pid, signal.SIGKILL)
        await process.wait()
        with pytest.raises(EnclaveLost):
            await house.cluster.exchange(courier, DESCRIBE, 10)
        await house.cluster.dismiss(courier)


async def test_no_answer_in_time_is_an_error_and_the_courier_goes_on(house: House) -> None:
    path = house.state.enclaves / "silent"
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(path))
        silent.listen()
        courier = await house.cluster.hire("silent", path, SMALL)
        with pytest.raises(DeadlinePassed):
            await house.cluster.exchange(courier, DESCRIBE, 0.2)
    with pytest.raises(EnclaveLost):
        await house.cluster.exchange(courier, DESCRIBE, 10)
    await house.cluster.dismiss(courier)


async def test_a_profile_that_no_machine_has_is_no_capacity(house: House) -> None:
    with pytest.raises(NoCapacity, match="asks for 1000"):
        await house.cluster.hire("huge", Path("/nowhere"), Profile(cpus=1000))


async def test_the_yardstick_measures_plain_actor_calls(house: House) -> None:
    assert await house.cluster.measure(500) > 0


async def test_a_pool_runs_loads_on_demand_and_survives_an_enclave(house: House) -> None:
    lost: list[EnclaveHandle] = []
    asked: list[bytes] = []

    async def bundles(document: bytes) -> Load:
        asked.append(document)
        return bundle()

    config = PoolConfig(SMALL, {LEDGER.id: LEDGER})
    pool = Pool(config, house.cluster, bundles, lost.append, SystemClock())
    calls = tuple(map(invocation, range(200)))
    run = Run(binding().document, calls)
    async with enclave(house.state, "one") as (first, one), enclave(house.state, "two") as (_, two):
        await pool.add(one)
        await pool.add(two)
        result = await pool.run(run)
        assert [item.output for item in result.outcomes] == [expected(number) for number in range(200)]
        assert asked == [binding().document]
        os.kill(first.pid, signal.SIGKILL)
        await first.wait()
        results = await asyncio.gather(*(pool.run(run) for _ in range(4)))
        assert all(item.failure is None for result in results for item in result.outcomes)
        assert lost == [one]
        assert pool.enclaves == (two,)
        for handle in (one, two):
            await pool.remove(handle.name)
