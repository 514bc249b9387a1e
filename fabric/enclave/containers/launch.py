"""From a bundle to a container that has loaded it."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from fabric.core.errors import ContainerLost, LimitExceeded
from fabric.enclave.containers.container import Container, Fault
from fabric.enclave.containers.model import Bundle, Limits
from fabric.enclave.containers.zygote import Zygote
from fabric.enclave.sandbox import frames
from fabric.enclave.sandbox.spawn import Request

_CRYPTLET: Final = "fabric.sdk.runner:load"
_PROBE: Final = "fabric.enclave.sandbox.attacks:load"


async def launch(zygote: Zygote, bundle: Bundle, limits: Limits) -> Container:
    """Returns a new container with the bundle's cryptlet loaded, stopped until its first batch.

    Raises:
        Fault: it did not load; every call of the bundle would hear the same.
        ContainerLost: the zygote is gone.
    """
    with _opened(bundle.wheel, limits.bundle_bytes) as (descriptor, size):
        sizes = bundle.sizes or (size,)
        if sum(sizes) != size:
            raise Fault(ContainerLost, f"the bundle's file has {size} bytes, expected {sum(sizes)}")
        return await _fork(zygote, _CRYPTLET, bundle.entry, limits, (descriptor, sizes))


async def launch_probe(zygote: Zygote, limits: Limits) -> Container:
    """Returns a new container that holds the attacks of the self-test in place of a cryptlet; raises as ``launch``."""
    with _opened(Path(os.devnull), 0) as (descriptor, _):
        return await _fork(zygote, _PROBE, "", limits, (descriptor, ()))


async def _fork(
    zygote: Zygote, loader: str, entry: str, limits: Limits, bundle: tuple[int, tuple[int, ...]]
) -> Container:
    nonce = secrets.token_bytes(frames.NONCE_BYTES)
    descriptor, sizes = bundle
    request = Request(
        loader=loader,
        entry=entry,
        nonce=nonce.hex(),
        wheels=list(sizes),
        memory_bytes=limits.memory_bytes,
        output_bytes=limits.output_bytes,
    )
    return await Container.adopt(zygote.spawn(request, descriptor), nonce, limits)


@contextmanager
def _opened(wheel: Path, limit: int) -> Iterator[tuple[int, int]]:
    """Opens a bundle for as long as the request takes; yields descriptor and length."""
    try:
        descriptor = os.open(wheel, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise Fault(ContainerLost, f"the bundle cannot be read: {error.strerror}") from error
    try:
        size = os.fstat(descriptor).st_size
        if size > limit:
            raise Fault(LimitExceeded, f"bundle of {size} bytes, at most {limit}")
        yield descriptor, size
    finally:
        os.close(descriptor)
