"""Killed at any durable step, or at any other moment: whatever was accepted is on each ledger once, and nothing twice.

The fabric is really killed, by SIGKILL; the chain lives on.
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Final

import pytest

from fabric.client import Answer, Call, Client, RemoteError
from fabric.core.crashpoint import RELAY_POINTS, CrashPoint
from fabric.gateway.door import MAX_IN_FLIGHT
from fabric.wire.service import InvokeRequest
from tests.support.depth import seeds
from tests.support.house import House
from tests.support.house_work import (
    PLAIN,
    assert_settled_once,
    binding_of,
    deploy_shipment,
    document,
    each,
    integrator_of,
    invocation_of,
    keyed,
    settle_calls,
)
from tests.support.projects import SAMPLES

pytestmark = [pytest.mark.e2e, pytest.mark.fault, pytest.mark.timeout(900)]

SAMPLE: Final = (SAMPLES / "good.csv").read_bytes()
STREAMED: Final = 200
A_MESSAGE: Final = 5
"""Calls in one message of a stream."""
ENDS: Final[dict[str, Callable[[House], None]]] = {
    "told to stop": House.stop,
    "killed with its chain": partial(House.kill, chain=True),
}


def messages(calls: Sequence[Call]) -> list[InvokeRequest]:
    """Returns a stream's messages."""
    return [InvokeRequest(PLAIN, tuple(calls[at : at + A_MESSAGE])) for at in range(0, len(calls), A_MESSAGE)]


async def attempt(client: Client, binding: str, calls: Sequence[Call]) -> dict[str, Answer]:
    """Asks a fabric that may die on the way; returns the answers that came."""
    try:
        reply = await client.invoke(binding, calls)
    except RemoteError as error:
        if error.status != "UNAVAILABLE":
            raise
        return {}
    return keyed(calls, reply.answers)


@pytest.mark.parametrize("point", [point for point in CrashPoint if point not in RELAY_POINTS], ids=str)
async def test_killed_at_a_durable_step(running: House, point: CrashPoint) -> None:
    house, delivered = running, f"delivered-{point}"
    calls = [document(number, f"{point}-{number}") for number in range(16)]
    judged = [Call("judge", SAMPLE, f"{point}-judged")]
    async with house.client() as client, integrator_of(house) as integrator:
        await deploy_shipment(house, integrator, client, delivered)
        house.crash_file.write_text(point)
        early = await asyncio.gather(attempt(client, delivered, judged), attempt(client, PLAIN, calls))
    house.wait_killed()
    house.start()
    async with house.client() as client:
        late = [await settle_calls(client, delivered, judged), await settle_calls(client, PLAIN, calls)]
        again = [await settle_calls(client, delivered, judged), await settle_calls(client, PLAIN, calls)]
    assert late == again
    for before, after in zip(early, late, strict=True):
        assert before.items() <= after.items()
    consumed = await assert_settled_once(house, [answer for group in late for answer in group.values()])
    assert consumed[invocation_of(late[0][f"{point}-judged"])] == 1


@pytest.mark.parametrize("point", [CrashPoint.AFTER_ENQUEUE, CrashPoint.AFTER_SUBMIT], ids=str)
async def test_killed_while_a_contract_waits_for_its_answer(running: House, point: CrashPoint) -> None:
    house = running
    async with house.client() as client, integrator_of(house) as integrator:
        contract = await deploy_shipment(house, integrator, client, f"asking-{point}")
        digest = await client.put_blob(SAMPLE)
        house.crash_file.write_text(point)
        invocation = await contract.request(digest)
        house.wait_killed()
        house.start()
        consumed = await assert_settled_once(house, [], invocation)
        assert consumed[invocation] == 1
        state = await contract.read()
    assert state["stateVersion"] == 1
    judgement = state["judgement"]
    assert isinstance(judgement, dict)
    assert judgement["judged"] is True


@pytest.mark.parametrize("seed", seeds(3))
async def test_killed_at_any_moment_of_a_stream(running: House, seed: int) -> None:
    house = running
    calls = [document(number, f"stream-{seed}-{number}") for number in range(STREAMED)]
    wanted = A_MESSAGE * random.Random(seed).randrange(1, STREAMED // A_MESSAGE - MAX_IN_FLIGHT)  # noqa: S311
    early: dict[str, Answer] = {}
    async with house.client() as client:
        with pytest.raises(RemoteError):  # noqa: PT012 - the stream breaks at a moment of its own
            async for reply in client.stream(each(messages(calls))):
                early |= keyed(calls[len(early) :], reply.answers)
                if len(early) == wanted:
                    house.kill()
    house.start()
    async with house.client() as client:
        late = await settle_calls(client, PLAIN, calls)
    assert early.items() <= late.items()
    await assert_settled_once(house, late.values())


@pytest.mark.parametrize("name", ENDS)
async def test_ended_under_a_stream(running: House, name: str) -> None:
    house = running
    calls = [document(number, f"{name}-{number}") for number in range(STREAMED)]
    early: dict[str, Answer] = {}
    async with house.client() as client:
        with suppress(RemoteError):  # what is told to stop may still answer all
            async for reply in client.stream(each(messages(calls))):
                if not early:
                    ENDS[name](house)
                early |= keyed(calls[len(early) :], reply.answers)
    house.start()
    async with house.client() as client:
        late = await settle_calls(client, PLAIN, calls)
    assert early.items() <= late.items()
    await assert_settled_once(house, late.values())


@pytest.mark.parametrize("point", [CrashPoint.AFTER_SUBMIT], ids=str)
async def test_killed_while_it_registers_its_enclave(fragile: House, point: CrashPoint) -> None:
    if fragile.is_running:
        fragile.kill()
    fragile.spawn(point)
    fragile.wait_killed()
    fragile.start()
    async with fragile.client() as client:
        await client.put_binding(binding_of(fragile, PLAIN).document)
        answers = await settle_calls(client, PLAIN, [document(0, f"registered-{point}")])
    await assert_settled_once(fragile, answers.values())
