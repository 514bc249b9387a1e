"""Frames between the enclave and a container (docs/spec/container.md): length-prefixed, bounded, never pickled.

A frame is a length (u32) and a body. All integers are big-endian. Any bytes decode to a value or ``Malformed``.

* request: nonce (16) || count (u32) || count tasks
* task: invocation (32) || seed (32) || as-of (u64) || state version (u64) || method length (u16) || input length (u32)
  || method || input
* reply: nonce (16) || index (u32) || status (u8) || payload
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from fabric.core.errors import (
    AuthorError,
    CryptletRaised,
    FabricError,
    LimitExceeded,
    Malformed,
    NotFound,
    SandboxUnavailable,
)

NONCE_BYTES: Final = 16
MAX_TASKS: Final = 1024
MAX_METHOD_BYTES: Final = 256
MAX_MESSAGE_BYTES: Final = 4096
"""Longest text of a failure; a container cuts it, the enclave refuses a longer one."""

DONE: Final = 0
FAILURES: Final[dict[int, type[FabricError]]] = {
    1: CryptletRaised,
    2: Malformed,
    3: NotFound,
    4: LimitExceeded,
    5: AuthorError,
    6: SandboxUnavailable,
}
"""What a container may say about a task that gave no output; the payload is the message."""
STATUSES: Final = {kind: status for status, kind in FAILURES.items()}

_LENGTH: Final = struct.Struct(">I")
_REQUEST: Final = struct.Struct(f">{NONCE_BYTES}sI")
_TASK: Final = struct.Struct(">32s32sQQHI")
_REPLY: Final = struct.Struct(f">{NONCE_BYTES}sIB")
LENGTH_BYTES: Final = _LENGTH.size
REPLY_BYTES: Final = _REPLY.size


@dataclass(frozen=True, slots=True)
class Task:
    """One call as the container sees it.

    Attributes:
        invocation: id of the invocation, 32 bytes.
        seed: decides all entropy of the call, 32 bytes.
        as_of: time of the invocation, Unix seconds.
        state_version: version of the contract's state, 0 where there is none.
        method: name of the method.
        input: the input bytes.
    """

    invocation: bytes
    seed: bytes
    as_of: int
    state_version: int
    method: str
    input: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """One reply of a container, not yet believed.

    Attributes:
        nonce: of the request that it claims to answer.
        index: place of the task in the request.
        status: ``DONE`` or a number of ``FAILURES``.
        payload: the output, or the failure's message.
    """

    nonce: bytes
    index: int
    status: int
    payload: bytes


def framed(body: bytes) -> bytes:
    """Returns a body with its length in front."""
    return _LENGTH.pack(len(body)) + body


def body_length(prefix: bytes, limit: int) -> int:
    """Reads the length in front of a frame; raises ``Malformed`` when the body would be longer than the limit."""
    if len(prefix) != LENGTH_BYTES:
        raise Malformed("frame", f"expected a length of {LENGTH_BYTES} bytes, got {len(prefix)}")
    (length,) = _LENGTH.unpack(prefix)
    if length > limit:
        raise Malformed("frame", f"at most {limit} bytes, got {length}")
    return int(length)


def encode_request(nonce: bytes, tasks: Sequence[Task]) -> bytes:
    """Returns the body of a request.

    Raises:
        ValueError: a field out of its range; a programming mistake of the enclave.
    """
    parts = [_REQUEST.pack(nonce, len(tasks))]
    for task in tasks:
        method = task.method.encode()
        try:
            head = _TASK.pack(
                task.invocation,
                task.seed,
                task.as_of,
                task.state_version,
                len(method),
                len(task.input),
            )
        except struct.error as error:
            message = f"a task's field is out of range: {error}"
            raise ValueError(message) from error
        parts += (head, method, task.input)
    return b"".join(parts)


def decode_request(body: bytes) -> tuple[bytes, list[Task]]:
    """Reads the body of a request: nonce and tasks; raises ``Malformed``."""
    if len(body) < _REQUEST.size:
        raise Malformed("request", f"expected at least {_REQUEST.size} bytes, got {len(body)}")
    nonce, count = _REQUEST.unpack_from(body)
    if count > MAX_TASKS:
        raise Malformed("request", f"at most {MAX_TASKS} tasks, got {count}")
    tasks, place = [], _REQUEST.size
    for _ in range(count):
        task, place = _decode_task(body, place)
        tasks.append(task)
    if place != len(body):
        raise Malformed("request", f"{len(body) - place} bytes after the last task")
    return nonce, tasks


def encode_reply(nonce: bytes, index: int, status: int, payload: bytes) -> bytes:
    """Returns a whole frame with one reply."""
    length = _LENGTH.pack(_REPLY.size + len(payload))
    return length + _REPLY.pack(nonce, index, status) + payload


def decode_reply(body: bytes) -> Answer:
    """Reads the body of a reply; raises ``Malformed``."""
    if len(body) < _REPLY.size:
        raise Malformed("reply", f"expected at least {_REPLY.size} bytes, got {len(body)}")
    nonce, index, status = _REPLY.unpack_from(body)
    if status != DONE and status not in FAILURES:
        raise Malformed("reply", f"unknown status {status}")
    payload = body[_REPLY.size :]
    if status != DONE and len(payload) > MAX_MESSAGE_BYTES:
        raise Malformed("reply", f"message of {len(payload)} bytes, at most {MAX_MESSAGE_BYTES}")
    return Answer(nonce, index, status, payload)


class FrameBuffer:
    """Collects bytes from a container and gives out whole frames; holds one frame and what was received with it."""

    def __init__(self, limit: int) -> None:
        """Takes the longest body in bytes."""
        self._limit = limit
        self._bytes = bytearray()
        self._end = 0

    def feed(self, data: bytes) -> None:
        """Takes what was received."""
        self._bytes += data

    @property
    def is_empty(self) -> bool:
        """Whether nothing is left over, not even part of a frame."""
        return not self._bytes

    def has_frame(self) -> bool:
        """Says whether a whole frame is there; raises ``Malformed`` when it would be too long.

        What stands behind a frame is not looked at before the frame is taken: it is no fault of that frame.
        """
        if not self._end and len(self._bytes) >= LENGTH_BYTES:
            self._end = LENGTH_BYTES + body_length(bytes(self._bytes[:LENGTH_BYTES]), self._limit)
        return 0 < self._end <= len(self._bytes)

    def take(self) -> bytes:
        """Returns the body of the next frame.

        Raises:
            RuntimeError: none is there; a programming mistake.
        """
        if not self.has_frame():
            raise RuntimeError
        body = bytes(self._bytes[LENGTH_BYTES : self._end])
        del self._bytes[: self._end]
        self._end = 0
        return body


def _decode_task(body: bytes, place: int) -> tuple[Task, int]:
    if len(body) - place < _TASK.size:
        raise Malformed("task", "cut off in its head")
    invocation, seed, as_of, version, method_bytes, input_bytes = _TASK.unpack_from(body, place)
    middle = place + _TASK.size + method_bytes
    end = middle + input_bytes
    if method_bytes > MAX_METHOD_BYTES or end > len(body):
        raise Malformed("task", "method or input beyond the end")
    try:
        method = body[middle - method_bytes : middle].decode()
    except UnicodeDecodeError as error:
        raise Malformed("task", f"method name: {error}") from error
    return Task(invocation, seed, as_of, version, method, body[middle:end]), end
