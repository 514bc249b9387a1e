"""A channel: its blocks, the state that its valid transactions made, and whoever waits for the next block."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from adapters.hyperledger.embedded.blockfile import BlockFile
from adapters.hyperledger.embedded.blocks import FILTER, Sealer, commit_hash, commit_hash_of
from adapters.hyperledger.embedded.hashing import block_hash, sha256
from adapters.hyperledger.embedded.state import Key, Updates, Value, Version, WorldState
from adapters.hyperledger.embedded.transactions import read_header, read_stored
from adapters.hyperledger.embedded.validation import Rules, Validated, validate
from adapters.hyperledger.proto import common_pb2, peer_pb2
from fabric.core.errors import ConfigError

_NEVER: Final = 2**63


@dataclass(frozen=True)
class Committed:
    """Where a transaction lies, and what became of it."""

    code: int
    block: int


class Channel:
    """One channel of the ledger; made from its blocks alone."""

    def __init__(self, name: str, file: BlockFile, sealer: Sealer) -> None:
        """Reads the blocks, and makes the first one where there is none.

        Raises:
            ConfigError: the blocks do not follow one another, or their flags were changed.
            StoreError: the first block cannot be written.
        """
        self.name = name
        self.state = WorldState()
        self.blocks: list[common_pb2.Block] = []
        self._file = file
        self._sealer = sealer
        self._transactions: dict[str, Committed] = {}
        self._commit_hash = b""
        self._moved = asyncio.Condition()
        self._still = _Stillness()
        for block in file.read():
            self._take_up(block)
        if not self.blocks:
            first = sealer.first(name)
            file.append(first)
            self._note(first)

    @property
    def height(self) -> int:
        """How many blocks there are."""
        return len(self.blocks)

    def committed(self, transaction: str) -> Committed | None:
        """Returns what became of a transaction, None where it is in no block."""
        return self._transactions.get(transaction)

    def is_known(self, transaction: str) -> bool:
        """Says whether a transaction id is in a block."""
        return transaction in self._transactions

    @asynccontextmanager
    async def standing_still(self) -> AsyncIterator[WorldState]:
        """Gives the state for a simulation; no block is committed meanwhile."""
        async with self._still.reading():
            yield self.state

    async def commit(self, rules: Rules, envelopes: Sequence[bytes]) -> common_pb2.Block:
        """Makes the next block of envelopes, stores it, and applies what is valid in it.

        Raises:
            StoreError: the disk did not take it; nothing changed.
        """
        async with self._still.writing():
            number = self.height
            validated = validate(rules, self.state, number, envelopes)
            commitment = commit_hash(bytes(validated.codes), validated.updates, self._commit_hash)
            block = self._sealer.next(self.blocks[-1].header, envelopes, bytes(validated.codes), commitment)
            # In this thread: nothing else may happen between the state that was checked and the block.
            self._file.append(block)
            self._apply(block, validated)
        async with self._moved:
            self._moved.notify_all()
        return block

    async def wait_committed(self, transaction: str) -> Committed:
        """Waits until a transaction is in a block."""
        async with self._moved:
            await self._moved.wait_for(lambda: self.is_known(transaction))
        return self._transactions[transaction]

    async def follow(self, start: int, stop: int = _NEVER) -> AsyncIterator[common_pb2.Block]:
        """Gives the blocks from ``start`` to ``stop``, both included; waits for those that are not there yet."""
        number = start
        while number <= stop:
            async with self._moved:
                await self._moved.wait_for(lambda: self.height > number)  # noqa: B023 - waited for at once
            yield self.blocks[number]
            number += 1

    def _take_up(self, block: common_pb2.Block) -> None:
        """Takes a stored block up at a start; its flags are those that its commit hash names."""
        number = self.height
        previous = block_hash(self.blocks[-1].header) if self.blocks else b""
        is_whole = block.header.number == number and block.header.data_hash == sha256(*block.data.data)
        if not is_whole or block.header.previous_hash != previous:
            raise ConfigError(f"channel {self.name}: block {number} was spoiled: put the blocks back from a copy")
        if not number:
            self._note(block)
            return
        codes = list(block.metadata.metadata[FILTER])
        validated = Validated(codes, written(block, codes))
        if commit_hash(bytes(codes), validated.updates, self._commit_hash) != commit_hash_of(block):
            raise ConfigError(f"channel {self.name}: the flags of block {number} were changed: put the blocks back")
        self._apply(block, validated)

    def _apply(self, block: common_pb2.Block, validated: Validated) -> None:
        self.state.apply(validated.updates)
        self._commit_hash = commit_hash_of(block)
        for data, code in zip(block.data.data, validated.codes, strict=True):
            transaction = read_header(data).tx_id
            if transaction:
                self._transactions.setdefault(transaction, Committed(code, block.header.number))
        self._note(block)

    def _note(self, block: common_pb2.Block) -> None:
        self.blocks.append(block)


def written(block: common_pb2.Block, codes: Sequence[int]) -> Updates:
    """Returns what the valid transactions of a stored block wrote."""
    updates: Updates = {}
    for place, (data, code) in enumerate(zip(block.data.data, codes, strict=True)):
        if code != peer_pb2.VALID:
            continue
        action = read_stored(data)
        version = Version(block.header.number, place)
        for namespace, written in (action.results if action else {}).items():
            for one in written.writes:
                updates[Key(namespace, one.key)] = None if one.is_delete else Value(one.value, version)
    return updates


class _Stillness:
    """Many read or one writes; who wants to write comes before those who come later to read."""

    def __init__(self) -> None:
        self._readers = 0
        self._turn = asyncio.Condition()
        self._writers = 0

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[None]:
        async with self._turn:
            await self._turn.wait_for(lambda: not self._writers)
            self._readers += 1
        try:
            yield
        finally:
            async with self._turn:
                self._readers -= 1
                self._turn.notify_all()

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[None]:
        async with self._turn:
            self._writers += 1
            try:
                await self._turn.wait_for(lambda: not self._readers)
                yield
            finally:
                self._writers -= 1
                self._turn.notify_all()
