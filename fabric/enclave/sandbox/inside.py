"""Inside a container: read a request, run its tasks one after the other, reply to each as it finishes.

Everything here shares the process with the cryptlet's code, which may change it at will. So nothing here protects
anyone; it only serves cryptlets that behave. The enclave's side checks every byte.
"""

import importlib
import os
import sys
from typing import Final, NoReturn, Protocol

from fabric.core.errors import CryptletRaised, FabricError, LimitExceeded
from fabric.enclave.sandbox import determinism, frames
from fabric.enclave.sandbox.lockdown import CHANNEL
from fabric.sdk import Context

_CHUNK: Final = 1 << 20


class Service(Protocol):
    """What answers tasks: a loaded cryptlet, or the probe of the self-test."""

    def invoke(self, method: str, data: bytes, context: Context) -> bytes:
        """Runs one task; raises only ``FabricError`` unless it is hostile."""
        ...


def load(loader: str, entry: str) -> Service:
    """Imports the loader, ``module:function``, and lets it make a service from the entry.

    Raises:
        FabricError: the cryptlet cannot be loaded.
    """
    module, _, name = loader.partition(":")
    service: Service = getattr(importlib.import_module(module), name)(entry)
    return service


def run(loader: str, entry: str, nonce: bytes, limit: int) -> NoReturn:
    """Loads the service, tells the enclave whether that went well, and serves until the enclave closes the channel.

    Args:
        loader: what makes the service.
        entry: what it is made from, such as ``module:Class``.
        nonce: of the reply about the loading.
        limit: longest output in bytes.
    """
    service = None
    try:
        service = load(loader, entry)
        status, payload = frames.DONE, b""
    except BaseException as error:  # noqa: BLE001 - the author's module may raise anything
        status, payload = described(error)
    _write(frames.encode_reply(nonce, 0, status, payload))
    if service is None:
        os._exit(0)
    while True:
        _serve(service, limit)


def reject(channel: int, nonce: bytes, error: BaseException) -> NoReturn:
    """Tells the enclave that the container could not be built, and ends this process."""
    status, payload = described(error)
    os.write(channel, frames.encode_reply(nonce, 0, status, payload))
    os._exit(1)


def described(error: BaseException) -> tuple[int, bytes]:
    """Returns status and message of a failure."""
    if isinstance(error, MemoryError) or isinstance(error.__cause__, MemoryError):
        error = LimitExceeded("the cryptlet ran out of memory")
    if isinstance(error, FabricError) and type(error) in frames.STATUSES:
        return frames.STATUSES[type(error)], _message(str(error))
    return frames.STATUSES[CryptletRaised], _message(f"{type(error).__name__}: {error}")


def _serve(service: Service, limit: int) -> None:
    nonce, tasks = frames.decode_request(_read_body())
    for index, task in enumerate(tasks):
        status, payload = _answer(service, task)
        if len(payload) > limit:
            text = f"output of {len(payload)} bytes, at most {limit} are taken"
            status, payload = described(CryptletRaised(text))
        _write(frames.encode_reply(nonce, index, status, payload))


def _answer(service: Service, task: frames.Task) -> tuple[int, bytes]:
    try:
        determinism.begin(task.as_of, task.seed)
        context = Context.of(task.invocation, task.as_of, task.seed, task.state_version)
        return frames.DONE, service.invoke(task.method, task.input, context)
    except BaseException as error:  # noqa: BLE001 - also what is no Exception must become a reply
        return described(error)


def _message(text: str) -> bytes:
    return text.encode(errors="replace")[: frames.MAX_MESSAGE_BYTES]


def _read_body() -> bytes:
    return _read(frames.body_length(_read(frames.LENGTH_BYTES), sys.maxsize))


def _read(size: int) -> bytes:
    data = os.read(CHANNEL, min(size, _CHUNK))
    parts, missing = [data], size - len(data)
    while missing:
        if not data:
            os._exit(0)  # the enclave has closed the channel
        data = os.read(CHANNEL, min(missing, _CHUNK))
        parts.append(data)
        missing -= len(data)
    return b"".join(parts)


def _write(frame: bytes) -> None:
    rest = memoryview(frame)
    while rest:
        rest = rest[os.write(CHANNEL, rest) :]
