"""One container, as the enclave sees it: a channel that may lie, and a handle to stop, continue and kill it."""

import asyncio
import contextlib
import os
import secrets
import signal
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from fabric.core import canonical
from fabric.core.errors import (
    ContainerLost,
    CryptletRaised,
    FabricError,
    LimitExceeded,
    Malformed,
    SandboxUnavailable,
)
from fabric.core.model import Failure
from fabric.enclave.containers.model import Call, Limits, Reply
from fabric.enclave.sandbox import frames

_CHUNK: Final = 1 << 18
_TURN_BYTES: Final = 1 << 16
_MAX_TEXT: Final = 500


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a container came with a batch.

    Attributes:
        replies: of the first calls of the batch, in order; the last of them may be the fault's.
        is_sound: whether the container may be used again.
    """

    replies: list[Reply]
    is_sound: bool


class Fault(Exception):
    """A container broke the protocol or a limit, or ended; it cannot be used again.

    Attributes:
        kind: the error's class.
        failure: what the guilty call gets to hear.
    """

    def __init__(self, kind: type[FabricError], text: str) -> None:
        """Takes class and text of the error for the guilty call."""
        super().__init__(text)
        self.kind = kind
        self.failure = Failure(kind.code, text)


class Container:
    """A container that serves one cryptlet for one tenant."""

    def __init__(self, channel: socket.socket, handle: int, limits: Limits) -> None:
        """Takes the channel and the process handle (pidfd); ``adopt`` gets both from the zygote."""
        self._channel = channel
        self._handle = handle
        self._limits = limits
        self._buffer = frames.FrameBuffer(frames.REPLY_BYTES + limits.output_bytes + frames.MAX_MESSAGE_BYTES)
        self.calls = 0

    @classmethod
    async def adopt(cls, channel: socket.socket, nonce: bytes, limits: Limits) -> "Container":
        """Waits until a forked container has loaded its cryptlet.

        Args:
            channel: the enclave's end; closed when this raises.
            nonce: of the request to the zygote.
            limits: how long loading may take, and what later calls may give.

        Raises:
            Fault: it did not load; the error says why. It has been killed, whatever it was doing.
        """
        handle = -1
        try:
            async with asyncio.timeout(limits.load_ms / 1000):
                handle = await _receive_handle(channel)
                container = cls(channel, handle, limits)
                await container._wait_for_frame()
                answer = container._answer(nonce, 0)
        except TimeoutError as error:
            _abandon(channel, handle)
            raise Fault(LimitExceeded, f"not loaded within {limits.load_ms} ms") from error
        except BaseException:
            _abandon(channel, handle)
            raise
        if answer.status != frames.DONE:
            container.kill()
            raise _fault(answer)
        container.pause()
        return container

    @property
    def pid(self) -> int:
        """Its process id as the enclave sees it; 0 when it has ended."""
        with open(f"/proc/self/fdinfo/{self._handle}") as lines:  # noqa: PTH123 - no file system path
            fields = dict(line.split(":", 1) for line in lines)
        return max(0, int(fields["Pid"]))

    def is_quiet(self) -> bool:
        """Says whether it still runs and has sent nothing that was not asked for."""
        if not self._buffer.is_empty:
            return False
        try:
            self._channel.recv(1)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False  # an end or unsolicited bytes

    def pause(self) -> None:
        """Stops it: between batches no code of a cryptlet runs."""
        self._signal(signal.SIGSTOP)

    def end(self) -> None:
        """Kills it under whoever runs a batch in it, who sees its channel end."""
        self._signal(signal.SIGKILL)

    def kill(self) -> None:
        """Kills it and lets it go; nobody may use it any more."""
        self.end()
        _discard(self._channel, self._handle)

    async def run(self, calls: Sequence[Call], is_over: Callable[[], bool] = lambda: False) -> Progress:
        """Runs calls in order until one of them breaks the container, all have answered, or their time is over.

        Never raises for what the container does: a fault is the last reply, and the container is not sound.
        """
        nonce = secrets.token_bytes(frames.NONCE_BYTES)
        body = frames.encode_request(nonce, [_task(call) for call in calls])
        self.calls += len(calls)
        self._signal(signal.SIGCONT)
        loop = asyncio.get_running_loop()
        sending = asyncio.ensure_future(loop.sock_sendall(self._channel, frames.framed(body)))
        replies: list[Reply] = []
        try:
            for index, call in enumerate(calls):
                replies.append(await self._reply(nonce, index, call.deadline_ms))
                # Where the container is the faster one there is nothing to wait for, and nobody else had a turn.
                if len(replies[-1].output or b"") > _TURN_BYTES:
                    await asyncio.sleep(0)
                if index + 1 < len(calls) and is_over():
                    return Progress(replies, is_sound=False)  # the next call has begun already
            self._check_silence()
        except Fault as fault:
            replies = [*replies, Reply(None, fault.failure)][: len(calls)]
            return Progress(replies, is_sound=False)
        finally:
            await _finish(sending)
        self.pause()
        return Progress(replies, is_sound=True)

    async def _reply(self, nonce: bytes, index: int, deadline_ms: int) -> Reply:
        """Returns the checked reply to one call; raises ``Fault``."""
        try:
            async with asyncio.timeout(deadline_ms / 1000):
                await self._wait_for_frame()
        except TimeoutError as error:
            # The enclave may be the late one: a reply that has arrived meanwhile counts.
            if not self._pull() or not self._has_frame():
                raise Fault(LimitExceeded, f"deadline of {deadline_ms} ms") from error
        answer = self._answer(nonce, index)
        if answer.status == frames.DONE:
            return self._output(answer.payload)
        fault = _fault(answer)
        if fault.kind is SandboxUnavailable:
            raise Fault(CryptletRaised, "the container spoke for the platform")
        if fault.kind is LimitExceeded:
            raise fault  # what it holds in memory would be the next call's trouble
        return Reply(None, fault.failure)

    def _output(self, payload: bytes) -> Reply:
        limit = self._limits.output_bytes
        try:
            return Reply(canonical.encode(canonical.parse(payload, max_bytes=limit)))
        except Malformed as error:
            raise Fault(CryptletRaised, f"output is not canonical JSON: {_printable(error.reason)}") from error

    async def _wait_for_frame(self) -> None:
        """Returns when a whole frame is there; loses no byte when it is cancelled. Raises ``Fault``."""
        while not self._has_frame():
            if not self._pull():
                await _readable(self._channel)

    def _has_frame(self) -> bool:
        """Says whether a whole frame is there; raises ``Fault`` when it would be too long."""
        try:
            return self._buffer.has_frame()
        except Malformed as error:
            raise Fault(CryptletRaised, f"the container sent a {error}") from error

    def _pull(self) -> bool:
        """Takes what has arrived; returns whether that was anything. Raises ``Fault`` at the end."""
        try:
            data = self._channel.recv(_CHUNK)
        except BlockingIOError:
            return False
        except OSError as error:
            raise Fault(ContainerLost, f"the container ended: {error.strerror}") from error
        if not data:
            raise Fault(ContainerLost, "the container ended")
        self._buffer.feed(data)
        return True

    def _answer(self, nonce: bytes, index: int) -> frames.Answer:
        """Returns the frame that is there if it answers the given task; raises ``Fault``."""
        try:
            answer = frames.decode_reply(self._buffer.take())
        except Malformed as error:
            raise Fault(CryptletRaised, f"the container sent a {error}") from error
        if answer.nonce != nonce or answer.index != index:
            raise Fault(CryptletRaised, "the container sent a reply that nothing asked for")
        return answer

    def _check_silence(self) -> None:
        if not self._buffer.is_empty:
            raise Fault(CryptletRaised, "the container sent more than was asked for")

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._handle, number)


async def _receive_handle(channel: socket.socket) -> int:
    """Returns the pidfd that the zygote's child sends before any code of the cryptlet runs."""
    await _readable(channel)
    data, handles, _, _ = socket.recv_fds(channel, 1, 1)
    if not data or not handles:
        raise Fault(ContainerLost, "the zygote could not fork a container")
    return handles[0]


async def _readable(channel: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_reader(channel, _wake, ready)
    try:
        await ready
    finally:
        loop.remove_reader(channel)


def _wake(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


async def _finish(sending: asyncio.Future[None]) -> None:
    # Its own error is no news: a container that stopped reading also stopped replying.
    sending.cancel()
    with contextlib.suppress(asyncio.CancelledError, OSError):
        await sending


def _abandon(channel: socket.socket, handle: int) -> None:
    """Kills what did not become a container: a closed channel alone would not end code that never looks at it."""
    channel.shutdown(socket.SHUT_RDWR)  # from here on the zygote can hand over no handle, and makes no container of it
    if handle < 0:
        handle = _handle_on_the_way(channel)
    if handle >= 0:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(handle, signal.SIGKILL)
    _discard(channel, handle)


def _handle_on_the_way(channel: socket.socket) -> int:
    """Returns a process handle that was sent and not read, or -1."""
    try:
        _, handles, _, _ = socket.recv_fds(channel, 1, 1)
    except OSError:
        return -1  # the other end is gone, and reset what it had left unread
    return handles[0] if handles else -1


def _discard(channel: socket.socket, handle: int) -> None:
    channel.close()
    if handle >= 0:
        os.close(handle)


def _task(call: Call) -> frames.Task:
    return frames.Task(call.invocation, call.seed, call.as_of, call.state_version, call.method, call.input)


def _fault(answer: frames.Answer) -> Fault:
    return Fault(frames.FAILURES[answer.status], _printable(answer.payload.decode(errors="replace")))


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text[:_MAX_TEXT])
