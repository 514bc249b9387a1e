"""A bad call gets an error of its own, and nobody else notices."""

import asyncio
from pathlib import Path
from typing import Final

import pytest

from fabric.client import Answer, Call, Client
from tests.support.house import House
from tests.support.house_work import binding_of, invocation_of, wait_final, wait_until
from tests.support.projects import BAD, FINGERPRINT, built

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

NOTE: Final = b'{"text":"hello"}'
DEADLINE_MS: Final = 1_500
LIMITS: Final = 600_000

BAD_CALLS: Final[dict[str, tuple[Call, str, str, str]]] = {
    "malformed JSON": (Call("echo", b'{"text":', "1"), "malformed", "never", "json"),
    "no JSON": (Call("echo", b"\xff\xfe", "2"), "malformed", "never", "json"),
    "unknown method": (Call("ecoh", NOTE, "3"), "not-found", "never", "did you mean 'echo'"),
    "method not bound": (Call("remember", NOTE, "4"), "refused", "never", "does not allow method 'remember'"),
    "wrong type": (Call("echo", b'{"text":7}', "5"), "malformed", "never", "input.text"),
    "unknown field": (Call("echo", b'{"txt":"x"}', "6"), "malformed", "never", "did you mean 'text'"),
    "oversize": (Call("size", bytes((1 << 20) + 1), "7"), "oversize", "never", "at most 1048576 bytes"),
    "no key": (Call("echo", NOTE, ""), "malformed", "never", "idempotency_key"),
    "deadline beyond": (Call("echo", NOTE, "8", LIMITS + 1), "refused", "never", "deadline_ms"),
    "its own refusal": (Call("refuse", NOTE, "9"), "malformed", "never", "not to its taste"),
    "raises": (Call("fail", b"{}", "10"), "cryptlet-raised", "never", "ValueError: it failed"),
    "raises at length": (Call("fail_long", b"{}", "11"), "cryptlet-raised", "never", "ValueError: xxx"),
    "ends itself": (Call("leave", NOTE, "12"), "cryptlet-raised", "never", "SystemExit"),
    "vanishes": (Call("vanish", NOTE, "13"), "container-lost", "safe", "ended"),
    "kills itself": (Call("die", NOTE, "14"), "cryptlet-raised", "never", "PermissionError"),
    "segfaults": (Call("segfault", NOTE, "15"), "container-lost", "safe", "ended"),
    "loops": (Call("loop", NOTE, "16", DEADLINE_MS), "limit-exceeded", "never", f"{DEADLINE_MS} ms"),
    "allocates without end": (Call("allocate", NOTE, "17"), "limit-exceeded", "never", "memory"),
    "recurses": (Call("recurse", NOTE, "18"), "cryptlet-raised", "never", "RecursionError"),
    "prints garbage": (Call("print_garbage", NOTE, "19"), "cryptlet-raised", "never", "the container sent"),
    "returns another type": (Call("wrong_type", NOTE, "20"), "cryptlet-raised", "never", "promises Note"),
    "returns wrong fields": (Call("wrong_field", NOTE, "21"), "cryptlet-raised", "never", "fields do not allow"),
    "returns no number": (Call("not_a_number", NOTE, "22"), "cryptlet-raised", "never", "NaN"),
    "returns too large a number": (Call("too_large", NOTE, "23"), "cryptlet-raised", "never", "integers beyond"),
    "floods": (Call("flood", b"{}", "24"), "cryptlet-raised", "never", "output of"),
}
"""By name: the call, and code, retry and part of the message of its error."""


async def test_each_bad_call_of_a_batch_gets_its_error_and_each_good_one_its_result(
    house: House, client: Client
) -> None:
    methods = set(built(BAD).bundle.manifest.methods) - {"remember"}
    bad = binding_of(house, "bad", project=BAD, methods=methods)
    await client.put_binding(bad.document)
    calls: list[Call] = []
    for number, (call, *_) in enumerate(BAD_CALLS.values()):
        calls += [call, Call("echo", b'{"size":%d}' % number, f"good-{number}")]
    reply = await client.invoke("bad", calls)
    wrong = [
        f"{name}: {answer}"
        for (name, (_, *expected)), answer in zip(BAD_CALLS.items(), reply.answers[::2], strict=True)
        if not _is_failure(answer, *expected)
    ]
    assert not wrong, "\n".join(wrong)
    good = reply.answers[1::2]
    assert [answer.output for answer in good] == [b'{"size":%d,"text":""}' % at for at in range(len(good))]
    await _assert_still_serves(house, client)
    # What succeeded beside all that is anchored; what failed has no record.
    await wait_final(client, map(invocation_of, good))


@pytest.mark.parametrize("method", ["loop", "fork_bomb"])
async def test_nobody_waits_for_the_loops_of_another_caller(house: House, client: Client, method: str) -> None:
    """Of slots for batches there are two; alice fills them both, with more than the time of one batch."""
    both, methods = ["alice", "bob"], ["echo", "fork_bomb", "loop"]
    await client.put_binding(binding_of(house, "shared", project=BAD, methods=methods, callers=both).document)
    async with house.client("alice") as alice, house.client("bob") as bob:
        (warm,) = (await bob.invoke("shared", [Call("echo", NOTE, f"warm-{method}")])).answers
        assert warm.failure is None
        loops = [Call(method, NOTE, f"{method}-{number}", DEADLINE_MS) for number in range(5)]
        looping = [asyncio.create_task(alice.invoke("shared", calls)) for calls in (loops[:4], loops[4:])]
        await wait_until(lambda: _is_looping(house))
        (answer,) = (await bob.invoke("shared", [Call("echo", NOTE, f"beside-{method}")])).answers
        assert answer.output == warm.output
        assert not any(task.done() for task in looping)
        answers = [answer for reply in await asyncio.gather(*looping) for answer in reply.answers]
    assert {(item.failure.code, item.retry) for item in answers if item.failure} == {("limit-exceeded", "never")}


async def _is_looping(house: House) -> bool:
    """Says whether a container uses its processor."""
    used = sum(_ticks(process.pid) for process in house.processes("fabric.enclave.sandbox.zygote"))
    await asyncio.sleep(0.3)
    return sum(_ticks(process.pid) for process in house.processes("fabric.enclave.sandbox.zygote")) > used + 5


def _ticks(pid: int) -> int:
    """Returns the processor time of a process in user mode, 0 when it has ended (proc_pid_stat(5), field 14)."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11])
    except OSError:
        return 0


async def _assert_still_serves(house: House, client: Client) -> None:
    binding = binding_of(house, "after", project=FINGERPRINT)
    await client.put_binding(binding.document)
    reply = await client.invoke("after", [Call("document", b'{"document":[]}', "after-bad-calls")])
    assert reply.answers[0].failure is None, reply


def _is_failure(answer: Answer, code: str, retry: str, said: str) -> bool:
    found = answer.failure
    if found is None or answer.output is not None:
        return False
    printable = found.message.isprintable() and len(found.message) <= 600
    return printable and (found.code, answer.retry) == (code, retry) and said.lower() in found.message.lower()
