"""A process that owns containers, one of them busy, until it is killed: ``python -m ... FOLDER WHEEL ENTRY``."""

import asyncio
import sys
from pathlib import Path

from fabric.core.clock import SystemClock
from fabric.core.errors import SandboxUnavailable
from fabric.enclave.containers.host import ContainerHost
from fabric.enclave.containers.model import Bundle, Limits
from tests.support.wheels import call, until


async def main(folder: str, wheel: str, entry: str) -> None:
    """Says "ready" once one container loops and another one stands still; says why when there can be none."""
    try:
        host = await ContainerHost.start(Path(folder), Limits(), SystemClock())
    except SandboxUnavailable as error:
        print(error, flush=True)  # noqa: T201
        return
    bundle = Bundle(bytes(32), Path(wheel), entry)
    (reply,) = await host.run(bundle, b"idle", [call("echo")])
    looping = asyncio.ensure_future(host.run(bundle, b"busy", [call("loop", deadline_ms=600_000)]))
    await until(lambda: any(place.container for key, place in host._places.items() if key[1] == b"busy"))
    print("ready" if reply.output else reply.failure, flush=True)  # noqa: T201
    await looping


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
