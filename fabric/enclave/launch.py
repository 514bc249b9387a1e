"""Starts an enclave in a folder of its own and hands out how to reach it."""

from dataclasses import dataclass, field
from pathlib import Path

from fabric.core.errors import PlatformError
from fabric.core.ids import parse_word
from fabric.enclave.client import EnclaveClient
from fabric.enclave.config import SOCKET, EnclaveConfig
from fabric.signers.spawn import Spawned, spawn
from fabric.trust.fields import read_integer, read_object
from fabric.wire.codec import Description
from fabric.wire.local import check_path


@dataclass(frozen=True)
class EnclaveProcess:
    """A running enclave.

    Attributes:
        pid: the enclave itself; killing it ends its signing child and its containers.
        socket: where it listens (mode 0600).
        attester: public key of the attester that vouches for its evidence, as the enclave says.
        spawned: the started process, its guardian, which ends as the enclave ends.
    """

    pid: int
    socket: Path
    attester: bytes
    spawned: Spawned = field(repr=False)

    def client(self) -> EnclaveClient:
        """Returns a new connection to it."""
        return EnclaveClient(self.socket)

    async def describe(self) -> Description:
        """Returns who the enclave says it is; raises ``PlatformError`` when it does not answer."""
        async with self.client() as client:
            return await client.describe()

    async def evidence(self, nonce: bytes) -> bytes:
        """Returns evidence for an appraiser's nonce; pass it to ``AppraiserClient.appraise``."""
        async with self.client() as client:
            return await client.evidence(nonce)

    async def wait(self) -> int:
        """Waits for its end; returns the exit code, 3 where the signing child or the sandbox was lost."""
        return await self.spawned.process.wait()

    async def aclose(self) -> None:
        """Ends it; its keys are gone with it. Idempotent."""
        await self.spawned.aclose()


async def launch(folder: Path, config: EnclaveConfig) -> EnclaveProcess:
    """Starts an enclave and waits until its sandbox withstood the self-test and it serves.

    Call it from a thread that lasts: the enclave ends with the thread that started it.

    Args:
        folder: the enclave's own; made with mode 0700 where it is missing.
        config: what it is told.

    Raises:
        SandboxUnavailable: this machine cannot isolate containers; the text says what is missing.
        ConfigError: the folder's path is too long for a socket.
        PlatformError: it did not start, such as for an attester key that cannot be used; the text says why.
    """
    place = _prepare(folder)
    set_up = config.to_json() | {"folder": str(place)}
    # Neither read nor write bytecode: what runs is the source that is measured.
    flags = ("-B", "-X", f"pycache_prefix={place / 'no-bytecode'}")
    spawned = await spawn("fabric.enclave.main", set_up, place / "log", flags=flags)
    ready = read_object(spawned.ready, frozenset({"attester", "pid"}), "ready line")
    return EnclaveProcess(
        pid=read_integer(ready["pid"], "ready line.pid", 1, 2**31),
        socket=place / SOCKET,
        attester=parse_word(ready["attester"], "ready line.attester"),
        spawned=spawned,
    )


def _prepare(folder: Path) -> Path:
    check_path(folder.absolute() / SOCKET)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise PlatformError(f"enclave folder {folder}: {error.strerror}") from error
    return folder.absolute()
