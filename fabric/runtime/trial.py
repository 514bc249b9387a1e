"""Trial: a start of Ray in its jail, on a folder of its own, to see whether this machine can do it.

``python -m fabric.runtime.trial DESCRIPTOR`` is the part inside: it starts Ray, tries its token, says how that went.
"""

import asyncio
import contextlib
import json
import os
import secrets
import socket
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from fabric.core.errors import PlatformError, SandboxUnavailable
from fabric.runtime import jail
from fabric.runtime.head import HeadConfig, start_head
from fabric.runtime.token import Answer, ask

START_SECONDS: Final = 60.0
"""A bound against hanging; a start takes five to ten seconds."""
_END_SECONDS: Final = 10.0
_MEMORY: Final = 1 << 30
_OBJECT_STORE: Final = 80 << 20
_SLACK: Final = 64 << 20


@dataclass(frozen=True)
class Trial:
    """How it went.

    Attributes:
        version: Ray's version.
        without: what Ray said to a question without a token.
        wrong: what it said to a wrong token.
        right: what it said to its own.
    """

    version: str
    without: Answer
    wrong: Answer
    right: Answer

    @property
    def is_closed(self) -> bool:
        """Whether Ray answers to its token and to nothing else."""
        return (self.without, self.wrong, self.right) == (Answer.REFUSED, Answer.REFUSED, Answer.ANSWERED)


async def try_ray(folder: Path) -> Trial:
    """Starts Ray in its jail and ends it again.

    Args:
        folder: an empty folder of its own.

    Raises:
        SandboxUnavailable: the jail cannot be built; says which wall.
        PlatformError: Ray does not start; carries its last words.
    """
    for name in ("root", "session"):
        (folder / name).mkdir()
    ours, theirs = socket.socketpair()
    ours.settimeout(0)
    with ours:
        with theirs:
            process = await _spawn(folder, theirs.fileno())
        try:
            async with asyncio.timeout(START_SECONDS):
                said = await _read_all(ours)
        except TimeoutError:
            said = b""
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()  # the kernel ends what is inside with it
            status = await process.wait()
            await _wait_closed(ours)
    if said:
        fields = json.loads(said)
        return Trial(fields["version"], Answer(fields["without"]), Answer(fields["wrong"]), Answer(fields["right"]))
    raise _failure(status, (folder / "log").read_text(errors="replace"))


async def _spawn(folder: Path, descriptor: int) -> asyncio.subprocess.Process:
    walls = jail.Walls(
        base=str((folder / "root").resolve()),
        writable=str((folder / "session").resolve()),
        shown=jail.own_code(),
        hidden=(),
        reachable=(),
        shared_memory=_OBJECT_STORE + _SLACK,
    )
    python = (sys.executable, "-P", "-m")
    inside = (*python, "fabric.runtime.trial", str(descriptor))
    with (folder / "log").open("wb") as log:
        return await asyncio.create_subprocess_exec(
            *(*python, "fabric.runtime.jail", walls.encode(), str(descriptor), *inside),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={"PATH": "/usr/bin:/bin", "HOME": "/tmp", "LANG": "C.UTF-8"},  # noqa: S108 - a name inside the jail
            cwd="/",
            pass_fds=[descriptor],
            start_new_session=True,
        )


async def _read_all(channel: socket.socket) -> bytes:
    """Returns what arrives until the last who holds the other end closes it, or a whole line."""
    data = b""
    loop = asyncio.get_running_loop()
    while not data.endswith(b"\n") and (more := await loop.sock_recv(channel, 4096)):
        data += more
    return data


async def _wait_closed(channel: socket.socket) -> None:
    """Waits until nobody inside holds the other end any more, so that their folder can be removed."""
    loop = asyncio.get_running_loop()
    with contextlib.suppress(TimeoutError, OSError):
        async with asyncio.timeout(_END_SECONDS):
            while await loop.sock_recv(channel, 4096):
                pass


def _failure(status: int, log: str) -> PlatformError:
    last = log.strip().rpartition("\n")[2][:300] or f"no word, exit {status}"
    if status == jail.EXIT_NO_WALLS:
        return SandboxUnavailable(f"Ray's jail cannot be built: {last}")
    return PlatformError(f"Ray did not start: {last}")


def main(descriptor: int) -> None:
    """Starts Ray, asks it with and without its token, and writes the answers as one line of JSON."""
    version = start_head(HeadConfig(1, _MEMORY, _OBJECT_STORE, jail.SESSION))
    import ray  # noqa: PLC0415 - it reads its environment when it is imported

    address = ray.get_runtime_context().gcs_address
    token = os.environ["RAY_AUTH_TOKEN"]
    trial = Trial(version, ask(address, None), ask(address, secrets.token_hex(32)), ask(address, token))
    os.write(descriptor, json.dumps(asdict(trial)).encode() + b"\n")
    os._exit(0)


if __name__ == "__main__":
    main(int(sys.argv[1]))
