"""A reader of a registry's log that knows docs/spec/registry.md and its RFCs alone: no line of the project is in it."""

import base64
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

Files = Callable[[str], bytes]


def leaf_hash(leaf: bytes) -> bytes:
    """RFC 6962, section 2.1."""
    return hashlib.sha256(b"\0" + leaf).digest()


def tree_hash(hashes: Sequence[bytes]) -> bytes:
    """RFC 6962, section 2.1, over leaves that are hashed already."""
    if len(hashes) == 1:
        return hashes[0]
    split = 1
    while split * 2 < len(hashes):
        split *= 2
    return hashlib.sha256(b"\1" + tree_hash(hashes[:split]) + tree_hash(hashes[split:])).digest()


def tile_path(level: int | str, index: int, width: int) -> str:
    """C2SP tlog-tiles: three digits a group, ``x`` before all but the last, ``.p/W`` where it is not full."""
    digits = f"{index:03}"
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    path = "/".join([*(f"x{group}" for group in groups[:-1]), groups[-1]])
    return f"tile/{level}/{path}" + ("" if width == 256 else f".p/{width}")


def tiles_of(leaves: Sequence[bytes]) -> dict[str, bytes]:
    """Returns every tile of a log, by its path."""
    files: dict[str, bytes] = {}
    for at in range(0, len(leaves), 256):
        part = leaves[at : at + 256]
        entries = b"".join(len(leaf).to_bytes(2, "big") + leaf for leaf in part)
        files[tile_path("entries", at // 256, len(part))] = entries
    row, level = [leaf_hash(leaf) for leaf in leaves], 0
    while row:
        for at in range(0, len(row), 256):
            part = row[at : at + 256]
            files[tile_path(level, at // 256, len(part))] = b"".join(part)
        row = [tree_hash(row[at : at + 256]) for at in range(0, len(row) - 255, 256)]
        level += 1
    return files


def open_checkpoint(note: str, key: bytes) -> tuple[str, int, bytes]:
    """Returns origin, size and root of a signed note; raises where the signature does not hold."""
    text, _, tail = note.partition("\n\n")
    origin, size, root = text.split("\n")
    blob = base64.b64decode(tail.rstrip("\n").split(" ")[2])
    Ed25519PublicKey.from_public_bytes(key).verify(blob[4:], f"{text}\n".encode())
    return origin, int(size), base64.b64decode(root)


def is_included(leaf: bytes, index: int, log: tuple[int, bytes], read: Files) -> bool:
    """RFC 9162, section 2.1.3: says whether the hashes of tiles lead from a leaf to the root of a log of a size."""
    size, root = log

    def span(start: int, end: int) -> bytes:
        """The hash over leaves, of level 0's tiles alone."""
        tiles = {at // 256 for at in range(start, end)}
        hashes: list[bytes] = []
        for tile in sorted(tiles):
            data = read(tile_path(0, tile, min(256, size - tile * 256)))
            first = tile * 256
            hashes += [data[at : at + 32] for at in range(0, len(data), 32)][max(0, start - first) : end - first]
        return tree_hash(hashes)

    def climb(start: int, end: int) -> bytes:
        if end - start == 1:
            return leaf_hash(leaf)
        split = 1
        while split * 2 < end - start:
            split *= 2
        middle = start + split
        left, right = (climb, span) if index < middle else (span, climb)
        return hashlib.sha256(b"\1" + left(start, middle) + right(middle, end)).digest()

    return 0 <= index < size and climb(0, size) == root


def check_signatures(entry: Mapping[str, Any]) -> set[str]:
    """Returns the keys whose signatures over an entry's statement hold; raises where one does not."""
    statement = json.dumps(entry["statement"], sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    for item in entry["signatures"]:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(item["key"]))
        key.verify(bytes.fromhex(item["signature"]), statement)
    return {item["key"] for item in entry["signatures"]}


def bin_of(target: str) -> str:
    """TUF 1.0, succinct roles: the first eight bits of SHA-256 of a target's path name its bin."""
    return f"bin-{hashlib.sha256(target.encode()).digest()[0]:02x}"
