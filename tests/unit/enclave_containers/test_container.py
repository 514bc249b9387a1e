"""The enclave's side of a channel, against a peer that the test plays."""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

from fabric.enclave.containers.container import Container, Progress
from fabric.enclave.containers.model import Call, Limits, Reply
from fabric.enclave.sandbox import frames

Peer = tuple[Container, socket.socket]
CALL = Call(bytes(32), "m", b"{}", 0, 0, bytes(32), 5_000)
GOOD = Reply(b'{"n":1}')


@pytest_asyncio.fixture
async def peer() -> AsyncIterator[Peer]:
    """Yields a container and the other end of its channel; its process only waits to be killed."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", "input()", stdin=asyncio.subprocess.PIPE)
    ours, theirs = socket.socketpair()
    ours.settimeout(0)
    theirs.settimeout(0)
    container = Container(ours, os.pidfd_open(process.pid), Limits(output_bytes=1000))
    yield container, theirs
    container.kill()
    theirs.close()
    await process.communicate()


async def played(peer: Peer, calls: list[Call], play: Callable[[bytes], bytes | None]) -> Progress:
    """Runs calls while the peer answers the request with what ``play`` makes of its nonce; None ends the channel."""
    container, theirs = peer
    loop = asyncio.get_running_loop()
    running = asyncio.ensure_future(container.run(calls))
    request = await loop.sock_recv(theirs, 65536)
    answer = play(frames.decode_request(request[4:])[0])
    if answer is None:
        theirs.close()
    else:
        await loop.sock_sendall(theirs, answer)
    return await running


def reply(nonce: bytes, index: int = 0, payload: bytes = b'{"n": 1}', status: int = frames.DONE) -> bytes:
    return frames.encode_reply(nonce, index, status, payload)


async def test_replies_are_taken_in_order_and_made_canonical(peer: Peer) -> None:
    progress = await played(peer, [CALL, CALL], lambda nonce: reply(nonce) + reply(nonce, 1))
    assert progress == Progress([GOOD, GOOD], is_sound=True)


async def test_the_cryptlets_own_failures_leave_the_container_sound(peer: Peer) -> None:
    answers = {1: "cryptlet-raised", 2: "malformed", 3: "not-found", 5: "author"}

    def play(nonce: bytes) -> bytes:
        return b"".join(reply(nonce, index, b"why\n\x1b[2J", status) for index, status in enumerate(answers))

    progress = await played(peer, [CALL] * 4, play)
    assert progress.is_sound
    seen = [(answer.failure.code, answer.failure.message) for answer in progress.replies if answer.failure]
    assert seen == [(code, "why  [2J") for code in answers.values()]


BROKEN: dict[str, tuple[Callable[[bytes], bytes | None], str, str]] = {
    "another nonce": (lambda _: reply(bytes(16)), "cryptlet-raised", "nothing asked for"),
    "another index": (lambda nonce: reply(nonce, 1), "cryptlet-raised", "nothing asked for"),
    "no frame": (lambda _: b"\xff" * 100, "cryptlet-raised", "at most"),
    "short frame": (lambda _: frames.framed(b"x"), "cryptlet-raised", "expected at least"),
    "unknown status": (lambda nonce: reply(nonce, status=99), "cryptlet-raised", "unknown status 99"),
    "platform's status": (lambda nonce: reply(nonce, status=6), "cryptlet-raised", "spoke for the platform"),
    "no JSON": (lambda nonce: reply(nonce, payload=b"nonsense"), "cryptlet-raised", "not canonical JSON"),
    "duplicate names": (lambda nonce: reply(nonce, payload=b'{"a":1,"a":2}'), "cryptlet-raised", "duplicate name"),
    "NaN": (lambda nonce: reply(nonce, payload=b"NaN"), "cryptlet-raised", "NaN is not JSON"),
    "no UTF-8": (lambda nonce: reply(nonce, payload=b'"\xff"'), "cryptlet-raised", "not canonical JSON"),
    "deep nesting": (lambda nonce: reply(nonce, payload=b"[" * 400 + b"]" * 400), "cryptlet-raised", "nested deeper"),
    "long output": (lambda nonce: reply(nonce, payload=b'"' + b"x" * 1000 + b'"'), "cryptlet-raised", "at most 1000"),
    "long frame": (lambda nonce: reply(nonce, payload=b"x" * 10_000), "cryptlet-raised", "at most"),
    "end": (lambda _: None, "container-lost", "ended"),
    "half a frame": (lambda nonce: reply(nonce)[:-1], "limit-exceeded", "deadline of 200 ms"),
    "silence": (lambda _: b"", "limit-exceeded", "deadline of 200 ms"),
    "out of memory": (lambda nonce: reply(nonce, payload=b"memory", status=4), "limit-exceeded", "memory"),
}


@pytest.mark.parametrize("name", BROKEN)
async def test_a_broken_reply_costs_the_guilty_call_and_the_container(peer: Peer, name: str) -> None:
    play, code, message = BROKEN[name]
    call = Call(bytes(32), "m", b"{}", 0, 0, bytes(32), 200)
    progress = await played(peer, [call, call], play)
    assert not progress.is_sound
    (answer,) = progress.replies
    assert answer.output is None
    assert answer.failure is not None
    assert answer.failure.code == code
    assert message in answer.failure.message


async def test_a_fault_spares_the_replies_before_it(peer: Peer) -> None:
    progress = await played(peer, [CALL] * 3, lambda nonce: reply(nonce) + reply(bytes(16), 1))
    assert not progress.is_sound
    assert progress.replies[0] == GOOD
    assert len(progress.replies) == 2


async def test_a_flood_behind_a_reply_is_not_that_replys_fault(peer: Peer) -> None:
    progress = await played(peer, [CALL] * 3, lambda nonce: reply(nonce) + reply(nonce, 1) + b"\xff" * 1000)
    assert not progress.is_sound
    assert progress.replies[:2] == [GOOD, GOOD]
    assert progress.replies[2].failure is not None


async def test_more_than_was_asked_for_costs_the_container_but_no_call(peer: Peer) -> None:
    progress = await played(peer, [CALL], lambda nonce: reply(nonce) + b"x")
    assert progress == Progress([GOOD], is_sound=False)


async def test_what_comes_unasked_between_batches_is_noticed(peer: Peer) -> None:
    container, theirs = peer
    assert container.is_quiet()
    theirs.send(b"x")
    assert not container.is_quiet()


async def test_an_end_between_batches_is_noticed(peer: Peer) -> None:
    container, theirs = peer
    theirs.close()
    assert not container.is_quiet()


async def test_a_peer_that_never_reads_is_met_by_the_deadline(peer: Peer) -> None:
    container, _ = peer
    call = Call(bytes(32), "m", bytes(1 << 22), 0, 0, bytes(32), 200)
    progress = await container.run([call])
    assert progress.replies[0].failure is not None
    assert progress.replies[0].failure.code == "limit-exceeded"
