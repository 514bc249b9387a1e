"""Makes key files in a process of its own and tells only the public keys.

``python -m fabric.signers.create ed25519:PATH secp256k1:PATH ...`` prints a JSON list: the 32-byte key of an
``ed25519`` file, the 20-byte address of a ``secp256k1`` file, the SubjectPublicKeyInfo (DER) of a ``p256`` file, in
hexadecimal digits. Existing files stay as they are.
"""

import asyncio
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fabric.core import canonical
from fabric.core.errors import ConfigError, FabricError
from fabric.signers.client import public_bytes
from fabric.signers.files import ed25519_key, p256_key, secp256k1_key
from fabric.signers.hardening import harden
from fabric.trust.schemes import address_of

ED25519: Final = "ed25519"
SECP256K1: Final = "secp256k1"
P256: Final = "p256"


@dataclass(frozen=True)
class KeyFile:
    """Where a key lies and what it is for.

    Attributes:
        algorithm: ``ed25519``, ``secp256k1`` or ``p256``.
        path: the file.
    """

    algorithm: str
    path: Path


async def public_keys(files: Sequence[KeyFile]) -> list[bytes]:
    """Returns the public keys or addresses of key files, created where missing, in the forms named above.

    Raises:
        ConfigError: a file cannot be used; the text names it.
    """
    names = [f"{file.algorithm}:{file.path}" for file in files]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-m", "fabric.signers.create", str(os.getpid()), *names),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={},
    )
    output, complaint = await process.communicate()
    if process.returncode:
        raise ConfigError(complaint.decode(errors="replace").strip())
    value = canonical.parse(output)
    assert isinstance(value, list)  # noqa: S101 - our own child's output
    return [bytes.fromhex(str(item)) for item in value]


def main(arguments: Sequence[str]) -> int:
    """Runs the command; the first argument is the parent's pid."""
    try:
        harden(int(arguments[0]))
        found = [_public_key(*argument.split(":", 1)) for argument in arguments[1:]]
    except FabricError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(canonical.encode([key.hex() for key in found]).decode())
    return 0


def _public_key(algorithm: str, path: str) -> bytes:
    if algorithm == ED25519:
        return ed25519_key(Path(path)).public_key().public_bytes_raw()
    if algorithm == SECP256K1:
        return address_of(secp256k1_key(Path(path)).public_key.format(compressed=False))
    if algorithm == P256:
        return public_bytes(p256_key(Path(path)))
    message = f"key algorithm {algorithm!r}: expected {ED25519}, {SECP256K1} or {P256}"
    raise ConfigError(message)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
