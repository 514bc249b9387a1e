"""Several tenants: separate containers, separate fates; and what becomes of containers over time."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from fabric.enclave.containers.container import Container
from fabric.enclave.containers.host import ContainerHost
from fabric.enclave.containers.model import Bundle, Reply
from tests.support.wheels import call, until

pytestmark = [pytest.mark.sandbox, pytest.mark.asyncio(loop_scope="module")]


def warm(host: ContainerHost, bundle: Bundle, tenant: bytes) -> Container:
    found = host._places[bundle.measurement, tenant].container
    assert found is not None
    return found


def namespace(pid: int, kind: str) -> str:
    return str(Path(f"/proc/{pid}/ns/{kind}").readlink())


def state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


async def test_tenants_share_no_process_and_no_memory(host: ContainerHost, plain: Bundle) -> None:
    for tenant in (b"a", b"b"):
        (first, second) = await host.run(plain, tenant, [call("remember"), call("remember")])
        assert (first, second) == (Reply(b'{"n":1}'), Reply(b'{"n":2}'))
    assert await host.run(plain, b"a", [call("remember")]) == [Reply(b'{"n":3}')]  # kept warm
    pids = {warm(host, plain, tenant).pid for tenant in (b"a", b"b")}
    assert len(pids) == 2
    for kind in ("user", "mnt", "pid", "net", "ipc", "uts", "cgroup"):
        worlds = {namespace(pid, kind) for pid in (*pids, os.getpid())}
        assert len(worlds) == 3, kind


async def test_a_looping_tenant_does_not_delay_another(host: ContainerHost, plain: Bundle, hostile: Bundle) -> None:
    looping = asyncio.ensure_future(host.run(hostile, b"a", [call("loop", deadline_ms=60_000)]))
    for _ in range(20):
        assert await host.run(plain, b"b", [call("double")]) == [Reply(b'{"n":6}')]
    assert not looping.done()
    looping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await looping
    assert await host.run(hostile, b"a", [call("echo")]) == [Reply(b'{"n":3}')]


async def test_batches_of_one_tenant_may_come_at_once(host: ContainerHost, plain: Bundle) -> None:
    batches = [[call("double", b'{"n":%d}' % (10 * batch + place)) for place in range(10)] for batch in range(20)]
    answers = await asyncio.gather(*(host.run(plain, b"many", batch) for batch in batches))
    outputs = [reply.output for replies in answers for reply in replies]
    assert outputs == [b'{"n":%d}' % (2 * number) for number in range(200)]


async def test_a_container_is_replaced_after_so_many_calls(host: ContainerHost, plain: Bundle) -> None:
    await host.run(plain, b"old", [call("remember")] * host._limits.calls)
    assert (plain.measurement, b"old") not in host._places
    assert await host.run(plain, b"old", [call("remember")]) == [Reply(b'{"n":1}')]


async def test_the_longest_unused_makes_room(host: ContainerHost, plain: Bundle) -> None:
    most = host._limits.containers
    tenants = [b"room %d" % number for number in range(most + 2)]
    for tenant in tenants:
        await host.run(plain, tenant, [call("remember")])
    kept = [key[1] for key, place in host._places.items() if place.container is not None]
    assert kept == tenants[-most:]


async def test_between_batches_a_container_stands_still(host: ContainerHost, plain: Bundle) -> None:
    await host.run(plain, b"still", [call("double")])
    pid = warm(host, plain, b"still").pid
    await until(lambda: state(pid) == "T")  # a signal takes its time


async def test_a_container_that_died_unused_is_replaced(host: ContainerHost, plain: Bundle) -> None:
    await host.run(plain, b"dead", [call("remember")])
    container = warm(host, plain, b"dead")
    os.kill(container.pid, signal.SIGKILL)
    await until(lambda: not container.is_quiet())
    assert await host.run(plain, b"dead", [call("remember")]) == [Reply(b'{"n":1}')]


async def test_two_containers_give_the_same_answer(host: ContainerHost, plain: Bundle) -> None:
    looks = [await host.run(plain, tenant, [call("look", seed=seed)]) for tenant in (b"x", b"y") for seed in (1, 2)]
    outputs = [reply.output for (reply,) in looks]
    assert outputs[0] == outputs[2]
    assert outputs[1] == outputs[3]
    assert outputs[0] != outputs[1]
    assert outputs[0] is not None
    assert outputs[0].count(b"2023, 11, 14, 22, 13, 20") == 2  # the context's time, and the machine's
