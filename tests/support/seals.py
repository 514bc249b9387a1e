"""Headers of a proof-of-authority chain, sealed by keys from fixed seeds: whatever a test wants of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import rlp
from eth_hash.auto import keccak

from adapters.ethereum import headers
from adapters.ethereum.headers import BlockHeader
from adapters.ethereum.seals import IN_TURN, OUT_OF_TURN
from fabric.core.ids import sha256
from tests.support.seeded_keys import SeededKeys

WORD: Final = bytes(sha256(b"word"))
KEYS: Final = sorted((SeededKeys(f"signer {number}") for number in range(5)), key=lambda one: one.public.address)
THREE: Final = KEYS[:3]
NUMBER: Final = 300
"""A multiple of three: the first signer's turn."""
TIME: Final = 10**9


def addresses(keys: Sequence[SeededKeys]) -> tuple[bytes, ...]:
    """Returns the addresses under which keys seal."""
    return tuple(each.public.address for each in keys)


SIGNERS: Final = addresses(THREE)


@dataclass(frozen=True)
class Block:
    """A block to seal: by whom, and with what instead of what belongs there."""

    by: SeededKeys
    difficulty: int | None = None
    listed: bytes = b""
    more: tuple[bytes, ...] = ()
    parity: int = 0
    time: int = TIME


def chain(blocks: Sequence[Block], root: bytes = WORD, signers: Sequence[SeededKeys] = THREE) -> list[BlockHeader]:
    """Returns headers that follow one another, each sealed as its block says."""
    parent, made = WORD, list[BlockHeader]()
    for step, each in enumerate(blocks):
        header = seal(each, parent, NUMBER + step, root, signers)
        parent = header.hash
        made.append(header)
    return made


def seal(block: Block, parent: bytes, number: int, root: bytes, signers: Sequence[SeededKeys]) -> BlockHeader:
    """Returns the sealed header of one block."""
    turn = IN_TURN if signers[number % len(signers)] == block.by else OUT_OF_TURN
    difficulty = turn if block.difficulty is None else block.difficulty
    numbers = [
        each.to_bytes((each.bit_length() + 7) // 8, "big") for each in (difficulty, number, 10**8, 21_000, block.time)
    ]
    extra = bytes(32) + block.listed
    fields = [parent, WORD, bytes(20), WORD, WORD, root, bytes(256), *numbers, extra, bytes(32), bytes(8), b"\7"]
    fields += block.more
    signature = block.by.sign_digest(keccak(rlp.encode(fields)))
    fields[12] = extra + signature[:64] + bytes([signature[64] - 27 + block.parity])
    return headers.read(rlp.encode(fields))


def by(*numbers: int, time: int = TIME) -> list[Block]:
    """Returns blocks to seal by keys of these numbers."""
    return [Block(KEYS[number], time=time) for number in numbers]
