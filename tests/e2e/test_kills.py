"""Parts of a running fabric are killed under a stream: the fabric heals by itself, and no result is lost or doubled."""

from typing import TYPE_CHECKING, Final

import pytest

from fabric.wire.service import InvokeRequest
from tests.support.house import House
from tests.support.house_work import PLAIN, assert_settled_once, document, each, keyed, settle_calls

if TYPE_CHECKING:
    from fabric.client import Answer

pytestmark = [pytest.mark.e2e, pytest.mark.fault, pytest.mark.timeout(900)]

STREAMED: Final = 100
A_MESSAGE: Final = 5
VICTIMS: Final = {
    "the enclave": ("fabric.enclave.main", 1),
    "its signing child": ("fabric.enclave.main", 2),
    "the zygote of its containers": ("fabric.enclave.sandbox.zygote", 0),
    "the courier": ("ray::Courier", 0),
    "the driver in Ray": ("fabric.runtime.driver", -1),
    "the head of Ray": ("ray/gcs/gcs_server", 0),
    "the node of Ray": ("ray/raylet/raylet", 0),
}
"""Part of the command line, and which of the processes that have it."""


@pytest.mark.parametrize("name", VICTIMS)
async def test_killed_under_a_stream(running: House, name: str) -> None:
    word, index = VICTIMS[name]
    calls = [document(number, f"{name}-{number}") for number in range(STREAMED)]
    messages = [InvokeRequest(PLAIN, tuple(calls[at : at + A_MESSAGE])) for at in range(0, STREAMED, A_MESSAGE)]
    early: dict[str, Answer] = {}
    async with running.client() as client:
        async for reply in client.stream(each(messages)):
            early |= keyed(calls[len(early) :], reply.answers)
            if len(early) == A_MESSAGE:
                victims = running.processes(word)
                assert victims, f"nothing runs that is {name}"
                assert victims[index].kill()
        failed = [answer for answer in early.values() if answer.failure is not None]
        assert not [answer for answer in failed if answer.retry != "safe"], failed
        late = await settle_calls(client, PLAIN, calls)
    assert {key: answer for key, answer in early.items() if answer.failure is None}.items() <= late.items()
    assert running.is_running
    await assert_settled_once(running, late.values())
