"""Fork bombs and containers that will not end at their deadline: they end all the same, and hurt nobody else."""

import asyncio
import os

import pytest

from fabric.enclave.containers.host import ContainerHost
from fabric.enclave.containers.model import Bundle, Reply
from tests.integration.sandbox.test_processes import children
from tests.support.wheels import call

pytestmark = [pytest.mark.sandbox, pytest.mark.fault, pytest.mark.asyncio(loop_scope="module")]

DEADLINE_MS = 1_500
STUBBORN = {
    "fork_bomb": b'{"n":0}',
    "thread_bomb": b'{"n":0}',
    "stay": b'{"n":0}',
    "stay, asleep": b'{"n":1}',
}


@pytest.mark.parametrize("name", STUBBORN)
async def test_it_ends_at_its_deadline_and_others_are_answered(
    host: ContainerHost, plain: Bundle, hostile: Bundle, name: str
) -> None:
    await host.run(plain, b"neighbour", [call("double")])
    before = set(children(os.getpid()))
    tenant, method = name.encode(), name.partition(",")[0]
    bad = asyncio.ensure_future(host.run(hostile, tenant, [call(method, STUBBORN[name], deadline_ms=DEADLINE_MS)]))
    most = answered = 0
    while not bad.done():
        assert await host.run(plain, b"neighbour", [call("double")]) == [Reply(b'{"n":6}')]
        answered += 1
        most = max(most, len(set(children(os.getpid())) - before))
        await asyncio.sleep(0.02)
    (reply,) = await bad
    assert reply.failure is not None
    assert (reply.failure.code, reply.failure.message) == ("limit-exceeded", f"deadline of {DEADLINE_MS} ms")
    assert answered >= 5, "its neighbour was answered all the time"
    assert most <= 3, "a container, a spare, and one that takes its place"
    assert await host.run(hostile, tenant, [call("echo")]) == [Reply(b'{"n":3}')]
