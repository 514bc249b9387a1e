"""What a writer of static files works on: a folder in memory, keys made from names, and pins."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from typing_extensions import override

from fabric.core.ids import sha256
from registry.files import Shelf
from registry.tuf.keys import Key
from registry.tuf.pins import Pins

PINS: Final = Pins("registry.test/one", b"\x01" * 32, b"\x02" * 32, sha256(b"genesis"))


def key(name: str) -> Key:
    """Returns a key made from a name."""
    return Key(Ed25519PrivateKey.from_private_bytes(sha256(name.encode())))


class Memory(Shelf):
    """A folder that keeps in memory what is put there, above what is on the disk: it is written in no time."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.files: dict[str, bytes] = {}

    @override
    def read(self, path: str) -> bytes | None:
        return self.files.get(path) or super().read(path)

    @override
    def has(self, path: str) -> bool:
        return path in self.files or super().has(path)

    @override
    def put_all(self, files: Mapping[str, bytes]) -> None:
        self.files |= files

    @override
    def remove(self, path: str) -> None:
        self.files.pop(path, None)

    def json(self, path: str) -> dict[str, Any]:
        """Returns the signed part of metadata."""
        value: dict[str, Any] = json.loads(self.files[path])["signed"]
        return value

    def versions(self, role: str) -> list[int]:
        """Returns which versions of a role there are."""
        found = (re.fullmatch(rf"metadata/([0-9]+)\.{role}\.json", path) for path in self.files)
        return sorted(int(match[1]) for match in found if match)
