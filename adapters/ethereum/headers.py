"""A block's header as bytes: read, and named by its hash. Pure; ``seals`` and ``anchorage`` stand on it."""

from dataclasses import dataclass
from functools import cached_property
from typing import Final, NoReturn

import rlp
from eth_hash.auto import keccak

from adapters.ethereum.mpt import Node
from fabric.core.errors import VerificationError

FIELDS: Final = 15
"""Before London; each fork since then has appended fields."""
_PARENT, _RECEIPTS_ROOT, _DIFFICULTY, _NUMBER, _TIME, _EXTRA = 0, 5, 7, 8, 11, 12
_INTEGER_BYTES: Final = 33
"""One more than a word, so that what is too large is no small number."""
_STEP: Final = "settlement"


@dataclass(frozen=True)
class BlockHeader:
    """A header whose fields are all bytes.

    Attributes:
        encoded: its RLP.
        fields: its items, in the order in which they are hashed.
    """

    encoded: bytes
    fields: tuple[bytes, ...]

    @cached_property
    def hash(self) -> bytes:
        """The block's hash."""
        return keccak(self.encoded)

    @property
    def parent(self) -> bytes:
        """Hash of the block before."""
        return self.fields[_PARENT]

    @property
    def receipts_root(self) -> bytes:
        """Root of the block's receipt trie."""
        return self.fields[_RECEIPTS_ROOT]

    @property
    def difficulty(self) -> int:
        """Weight of the block among rivals."""
        return _number(self.fields[_DIFFICULTY])

    @property
    def number(self) -> int:
        """Height of the block."""
        return _number(self.fields[_NUMBER])

    @property
    def time(self) -> int:
        """Time of the block, Unix seconds."""
        return _number(self.fields[_TIME])

    @property
    def extra(self) -> bytes:
        """Bytes that are the sealing engine's own."""
        return self.fields[_EXTRA]

    def unsealed(self, seal_bytes: int) -> bytes:
        """Returns the RLP of the header with the last bytes of its extra data left out."""
        fields = [*self.fields]
        fields[_EXTRA] = self.extra[:-seal_bytes]
        encoded: bytes = rlp.encode(fields)
        return encoded


def read(encoded: bytes) -> BlockHeader:
    """Reads a header; raises ``VerificationError`` where it is none."""
    items = decode_list(encoded, "header")
    fields = tuple(item for item in items if isinstance(item, bytes))
    if len(fields) < FIELDS or len(fields) != len(items):
        fail("the header lacks fields")
    return BlockHeader(encoded, fields)


def decode_list(encoded: bytes, what: str) -> Node:
    """Returns the items of an RLP list; raises ``VerificationError``."""
    try:
        items = rlp.decode(encoded)
    except Exception as error:  # noqa: BLE001 - the library's errors share no root but this
        fail(f"the {what} is not RLP: {error}")
    if not isinstance(items, list):
        fail(f"the {what} is no list")
    return items


def fail(reason: str) -> NoReturn:
    """Refuses what was read, at the step at which receipts are checked."""
    raise VerificationError(_STEP, reason)


def _number(item: bytes) -> int:
    return int.from_bytes(item[:_INTEGER_BYTES], "big")
