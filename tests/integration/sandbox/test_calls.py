"""One container, one tenant: what calls give, and what bad ones get."""

from pathlib import Path

import pytest

from fabric.core.model import Failure
from fabric.enclave.containers.host import ContainerHost
from fabric.enclave.containers.model import Bundle, Call, Reply
from tests.support.wheels import call, wheel

pytestmark = [pytest.mark.sandbox, pytest.mark.asyncio(loop_scope="module")]

TENANT = b"tenant"
FINE = Reply(b'{"n":3}')

# method: code and part of the message
BAD = {
    "loop": ("limit-exceeded", "deadline of 300 ms"),
    "loop_in_c": ("limit-exceeded", "deadline of 300 ms"),
    "sleep": ("limit-exceeded", "deadline of 300 ms"),
    "allocate": ("limit-exceeded", "memory"),
    "raise_error": ("cryptlet-raised", "RuntimeError: as I like (hostile.py"),
    "raise_exit": ("cryptlet-raised", "SystemExit"),
    "raise_interrupt": ("cryptlet-raised", "KeyboardInterrupt"),
    "recurse": ("cryptlet-raised", "RecursionError"),
    "leave": ("container-lost", "ended"),
    "crash": ("container-lost", "ended"),
    "huge": ("cryptlet-raised", "at most 1048576"),
    "flood": ("cryptlet-raised", "at most"),
    "announce_much": ("cryptlet-raised", "at most"),
    "guess": ("cryptlet-raised", "nothing asked for"),
    "answer_garbage": ("cryptlet-raised", "duplicate name"),
    "close_channel": ("container-lost", "ended"),
}


async def test_outputs_are_canonical_and_in_order(host: ContainerHost, plain: Bundle) -> None:
    calls = [call("double", b'{"n": %d}' % number) for number in range(200)]
    assert await host.run(plain, TENANT, calls) == [Reply(b'{"n":%d}' % (2 * number)) for number in range(200)]


async def test_nothing_to_do_is_nothing(host: ContainerHost, plain: Bundle) -> None:
    assert await host.run(plain, TENANT, []) == []


async def test_raw_files_and_lazy_imports(host: ContainerHost, plain: Bundle) -> None:
    replies = await host.run(plain, TENANT, [call("count", bytes(1 << 20)), call("average", b"\1\3")])
    assert replies == [Reply(b'{"n":1048576}'), Reply(b'{"text":"2"}')]


async def test_inputs_larger_than_a_frame_are_split(host: ContainerHost, plain: Bundle) -> None:
    replies = await host.run(plain, TENANT, [call("count", bytes(1 << 20))] * 12)
    assert replies == [Reply(b'{"n":1048576}')] * 12


async def test_an_oversize_input_never_reaches_a_container(host: ContainerHost, plain: Bundle) -> None:
    calls = [call("count", bytes((1 << 20) + 1)), call("count", b"12")]
    refused, fine = await host.run(plain, TENANT, calls)
    assert refused == Reply(None, Failure("oversize", "input of 1048577 bytes, at most 1048576"))
    assert fine == Reply(b'{"n":2}')


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (call("nothing"), "not-found"),
        (call("x" * 70_000), "not-found"),
        (call("\ud800"), "not-found"),
        (call("double", b"nonsense"), "malformed"),
        (call("double", b'{"n":"3"}'), "malformed"),
        (call("double", b'{"n":3,"m":4}'), "malformed"),
    ],
)
async def test_the_callers_mistakes_keep_the_container(
    host: ContainerHost, plain: Bundle, given: Call, code: str
) -> None:
    await host.run(plain, b"mistakes", [call("remember")])
    before = host._places[plain.measurement, b"mistakes"].container
    (reply,) = await host.run(plain, b"mistakes", [given])
    assert reply.failure is not None
    assert reply.failure.code == code
    assert host._places[plain.measurement, b"mistakes"].container is before


@pytest.mark.parametrize("method", BAD)
async def test_a_bad_call_costs_only_itself(host: ContainerHost, hostile: Bundle, method: str) -> None:
    code, message = BAD[method]
    first, *rest = [call(method, deadline_ms=300 if "deadline" in message else 10_000), *[call("echo")] * 3]
    guilty, *others = await host.run(hostile, TENANT, [first, *rest])
    assert others == [FINE] * 3
    assert guilty.output is None
    assert guilty.failure is not None
    assert guilty.failure.code == code
    assert message in guilty.failure.message


async def test_a_batch_with_bad_calls_in_it(host: ContainerHost, hostile: Bundle) -> None:
    methods = ["echo", "leave", "echo", "raise_error", "echo", "flood", "crash", "echo"]
    replies = await host.run(hostile, TENANT, [call(name) for name in methods])
    codes = [reply.failure and reply.failure.code for reply in replies]
    lost, raised = "container-lost", "cryptlet-raised"
    assert codes == [None, lost, None, raised, None, raised, lost, None]


async def test_each_call_runs_once(host: ContainerHost, plain: Bundle, hostile: Bundle) -> None:
    # After a fault a new container counts from one; within one container no call is repeated.
    replies = await host.run(plain, b"once", [call("remember")] * 5)
    assert [reply.output for reply in replies] == [b'{"n":%d}' % number for number in range(1, 6)]
    replies = await host.run(hostile, b"once", [call("echo", b'{"n":1}'), call("leave"), call("echo", b'{"n":2}')])
    assert [reply.output for reply in replies] == [b'{"n":1}', None, b'{"n":2}']


async def test_prints_go_nowhere(host: ContainerHost, hostile: Bundle, capfd: pytest.CaptureFixture[str]) -> None:
    assert await host.run(hostile, TENANT, [call("print_garbage")]) == [FINE]
    assert capfd.readouterr() == ("", "")
    assert (host._folder / "zygote.log").read_bytes() == b""


async def test_forged_answers_reach_only_the_forgers_own_batch(
    host: ContainerHost, plain: Bundle, hostile: Bundle
) -> None:
    """A cryptlet can lie about its own outputs, and about nothing else; then its container is gone."""
    replies = await host.run(hostile, TENANT, [call("answer_for_others", b'{"n":2}'), call("echo"), call("echo")])
    assert [reply.output for reply in replies[:2]] == [b'{"n":666}'] * 2
    assert replies[2].failure is not None
    assert await host.run(hostile, TENANT, [call("echo")]) == [FINE]
    assert await host.run(plain, TENANT, [call("double")]) == [Reply(b'{"n":6}')]


async def test_a_cryptlet_that_breaks_its_own_process(host: ContainerHost, hostile: Bundle) -> None:
    replies = await host.run(hostile, b"breaker", [call("replace_platform"), call("echo")])
    assert replies[0].failure is not None
    assert replies[0].failure.code == "cryptlet-raised"
    assert replies[1] == FINE


LOADING = {
    "import os; os._exit(0)": ("container-lost", "ended"),
    "while True: pass": ("limit-exceeded", "not loaded within 5000 ms"),
    "raise RuntimeError('no')": ("author", "RuntimeError: no"),
    "x = [bytearray(1 << 20) for _ in range(10_000)]": ("limit-exceeded", "memory"),
    "import ray": ("author", "No module named 'ray'"),
    "import fabric.trust.record": ("author", "No module named 'fabric.trust'"),
    "import os; os.write(3, b'x' * 100)": ("cryptlet-raised", "at most"),
    "C = 1": ("author", "holds no such cryptlet"),
}


@pytest.mark.parametrize("source", LOADING)
async def test_a_bundle_that_does_not_load_fails_every_call(host: ContainerHost, tmp_path: Path, source: str) -> None:
    code, message = LOADING[source]
    bundle = Bundle(source.encode()[:32], wheel(tmp_path, {"bad.py": source}), "bad:C")
    replies = await host.run(bundle, TENANT, [call("m")] * 3)
    assert len(set(replies)) == 1
    assert replies[0].failure is not None
    assert replies[0].failure.code == code
    assert message in replies[0].failure.message


async def test_a_missing_or_oversize_bundle(host: ContainerHost, tmp_path: Path) -> None:
    missing = Bundle(b"m" * 32, tmp_path / "none.whl", "a:B")
    (reply,) = await host.run(missing, TENANT, [call("m")])
    assert reply == Reply(None, Failure("container-lost", "the bundle cannot be read: No such file or directory"))
    big = tmp_path / "big.whl"
    with big.open("wb") as file:
        file.truncate(host._limits.bundle_bytes + 1)
    (reply,) = await host.run(Bundle(b"b" * 32, big, "a:B"), TENANT, [call("m")])
    assert reply.failure is not None
    assert reply.failure.code == "limit-exceeded"
