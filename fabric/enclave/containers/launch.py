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

CRYPTLET: Final = "fabric.sdk.runner:load"
DESCRIPTION: Final = "fabric.sdk.describing:load"
_PROBE: Final = "fabric.enclave.sandbox.attacks:load"


async def launch(zygote: Zygote, bundle: Bundle, limits: Limits, loader: str = CRYPTLET) -> Container:
    """Returns a new container with the bundle's cryptlet loaded, stopped until its first batch.

    Args:
        zygote: forks it.
        bundle: what it loads.
        limits: what it may use.
        loader: makes of the bundle's class what answers calls.

    Raises:
        Fault: it did not load; every call of the bundle would hear the same.
        ContainerLost: the zygote is gone.
    """
    with _opened(bundle.wheel, limits.bundle_bytes) as (descriptor, size):
        sizes = bundle.sizes or (size,)
        if sum(sizes) != size:
            raise Fault(ContainerLost, f"the bundle's file has {size} bytes, expected {sum(sizes)}")
        request = _request(loader, bundle.entry, limits)
        request["wheels"], request["unpacked"], request["native"] = [*sizes], [*bundle.unpacked], bool(bundle.unpacked)
        return await _fork(zygote, request, limits, descriptor)


async def launch_probe(zygote: Zygote, limits: Limits, *, native: bool = False) -> Container:
    """Returns a new container that holds the attacks of the self-test in place of a cryptlet; raises as ``launch``."""
    request = _request(_PROBE, "", limits)
    request["native"] = native
    with _opened(Path(os.devnull), 0) as (descriptor, _):
        return await _fork(zygote, request, limits, descriptor)


def _request(loader: str, entry: str, limits: Limits) -> Request:
    """Returns a request without a bundle, and without anything granted."""
    return Request(
        loader=loader,
        entry=entry,
        nonce=secrets.token_bytes(frames.NONCE_BYTES).hex(),
        wheels=[],
        unpacked=[],
        native=False,
        memory_bytes=limits.memory_bytes,
        output_bytes=limits.output_bytes,
    )


async def _fork(zygote: Zygote, request: Request, limits: Limits, descriptor: int) -> Container:
    return await Container.adopt(zygote.spawn(request, descriptor), bytes.fromhex(request["nonce"]), limits)


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
