"""Receipts with the material that lets anyone check them offline: a few blocks' tries, each built once."""

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from adapters.ethereum import answers
from adapters.ethereum.anchorage import Material, parse
from adapters.ethereum.answers import Block, EventLog, Outcome
from adapters.ethereum.calls import Effect
from adapters.ethereum.mpt import Trie, index_key
from adapters.ethereum.rpc import Call, Rpc
from adapters.ethereum.view import block_call, check_proven
from fabric.core.canonical import JsonValue
from fabric.core.errors import LedgerSilent, LedgerUnavailable
from fabric.ledger.port import Receipt
from fabric.trust.destination import Destination
from fabric.trust.schemes import ADDRESS_BYTES

_KEPT_BLOCKS: Final = 32
"""Between inclusion and finality the same blocks are asked for again and again."""
_KEPT_BYTES: Final = 32 << 20
"""Receipts of the blocks that are kept; anybody may fill a block with logs."""


@dataclass(frozen=True)
class Place:
    """Where an effect happened: the transaction whose receipt holds the event.

    Attributes:
        block: number of the block.
        block_hash: hash of the block.
        index: place of the transaction in the block.
    """

    block: int
    block_hash: bytes
    index: int


@dataclass(frozen=True)
class Proven:
    """A block with all that its receipt trie holds."""

    block: Block
    outcomes: Sequence[Outcome]
    trie: Trie

    @property
    def size(self) -> int:
        """Bytes of its receipts."""
        return sum(len(each.encoded) for each in self.outcomes)

    def outcome(self, index: int) -> Outcome | None:
        """Returns what became of the transaction at a place of the block."""
        return next((each for each in self.outcomes if each.index == index), None)


class Receipts:
    """Makes receipts of one settlement deployment."""

    def __init__(self, rpc: Rpc, destination: Destination, following: int = 0) -> None:
        """Remembers nothing yet.

        Args:
            rpc: the node.
            destination: the deployment.
            following: how many headers of blocks that follow a final receipt holds.
        """
        self._rpc = rpc
        self._following = following
        self._destination = destination
        self._settlement = destination.settlement[-ADDRESS_BYTES:]
        self._blocks: OrderedDict[bytes, Proven] = OrderedDict()

    async def make(self, wanted: Sequence[tuple[Place, Effect]], refused: Sequence[Outcome] = ()) -> list[Receipt]:
        """Returns one receipt for each place and effect; at most one round trip for all blocks that are new.

        Args:
            wanted: the effects and where they are.
            refused: outcomes of transactions that had no effect, to be found in their blocks likewise.

        Raises:
            LedgerUnavailable: no answer, a block was replaced meanwhile, or its receipts do not have its root.
        """
        blocks = {place.block_hash: place.block for place, _ in wanted}
        proven = await self.prove(blocks | {outcome.block_hash: outcome.block for outcome in refused})
        for outcome in refused:
            _check_held(proven[outcome.block_hash], outcome)
        return [self._receipt(proven[place.block_hash], place, effect) for place, effect in wanted]

    async def complete(self, final: Sequence[Receipt]) -> list[Receipt]:
        """Returns receipts of final effects with the headers that follow their blocks; at most one round trip.

        Raises:
            LedgerUnavailable: no answer, or headers that do not follow one another: a block was replaced meanwhile.
        """
        if not self._following:
            return [*final]
        numbers = {receipt.position + step for receipt in final for step in range(1, self._following + 1)}
        wanted = sorted(numbers)
        answered = await self._rpc.ask([block_call(number) for number in wanted])
        with answers.reading():
            blocks = dict(zip(wanted, map(answers.block, answered), strict=True))
        return [self._completed(receipt, blocks) for receipt in final]

    def _completed(self, receipt: Receipt, blocks: Mapping[int, Block]) -> Receipt:
        material = parse(receipt.material)
        before, following = material.block_hash, list[bytes]()
        for step in range(1, self._following + 1):
            block = blocks[receipt.position + step]
            if not block.is_proven or block.parent != before:
                message = f"block {receipt.position + step} does not follow the one before it: it was replaced"
                raise LedgerUnavailable(message)
            before = block.hash
            following.append(block.header)
        return replace(receipt, material=replace(material, following=tuple(following)).to_json())

    def _receipt(self, proven: Proven, place: Place, effect: Effect) -> Receipt:
        outcome = proven.outcome(place.index)
        logs = outcome.logs if outcome else ()
        shown = [at for at, log in enumerate(logs) if effect.is_shown_by(log, self._settlement)]
        if outcome is None or not shown:
            message = f"block {place.block} does not hold the event in transaction {place.index}"
            raise LedgerUnavailable(message)
        block = proven.block
        proof = proven.trie.proof(index_key(place.index))
        material = Material(block.hash, block.number, block.header, place.index, tuple(proof), shown[0])
        return Receipt(
            destination=self._destination.id,
            locator=f"block {block.number} tx 0x{outcome.transaction.hex()}",
            position=block.number,
            time=block.time,
            material=material.to_json(),
            cost={"gas": outcome.gas, "gas_price": outcome.price},
        )

    async def prove(self, wanted: dict[bytes, int]) -> dict[bytes, Proven]:
        """Returns blocks with their receipts by the hashes of the blocks; ``wanted`` has their numbers.

        Raises:
            LedgerUnavailable: as ``make``.
        """
        new = {digest: number for digest, number in wanted.items() if digest not in self._blocks}
        if new:
            await self._fetch(new)
        for digest in wanted:
            self._blocks.move_to_end(digest)
        proven = {digest: self._blocks[digest] for digest in wanted}
        self._forget()
        return proven

    async def _fetch(self, new: Mapping[bytes, int]) -> None:
        """Asks for all blocks at once; one by one where the node gives so much in no one answer."""
        try:
            found = await self._rpc.ask([call for number in new.values() for call in _calls(number)])
        except LedgerSilent:
            raise
        except LedgerUnavailable:
            if len(new) == 1:
                raise
            for digest, number in new.items():
                await self._fetch({digest: number})
            return
        for at, digest in enumerate(new):
            # What fills a block takes seconds to read, and the loop serves others.
            read = await asyncio.to_thread(_read, digest, found[2 * at], found[2 * at + 1])
            self._blocks[digest] = _lightened(read, self._settlement)

    def _forget(self) -> None:
        size = sum(each.size for each in self._blocks.values())
        while len(self._blocks) > 1 and (len(self._blocks) > _KEPT_BLOCKS or size > _KEPT_BYTES):
            size -= self._blocks.popitem(last=False)[1].size


async def prove_block(rpc: Rpc, digest: bytes, number: int) -> None:
    """Looks whether the node can prove a block and its receipts; raises ``LedgerUnavailable``."""
    block, receipts = await rpc.ask([*_calls(number)])
    await asyncio.to_thread(_read, digest, block, receipts)


def _calls(number: int) -> Iterable[Call]:
    return (
        block_call(number),
        ("eth_getBlockReceipts", [hex(number)]),
    )


def _check_held(proven: Proven, outcome: Outcome) -> None:
    """Checks that a block holds an outcome as the node told it alone: what it says of a refusal is for good."""
    held = proven.outcome(outcome.index)
    if held is None or (held.transaction, held.encoded) != (outcome.transaction, outcome.encoded):
        message = (
            f"block {outcome.block} does not hold the receipt of 0x{outcome.transaction.hex()} that the node shows"
        )
        raise LedgerUnavailable(message)


def _read(digest: bytes, block: JsonValue, receipts: JsonValue) -> Proven:
    """Reads a block with its receipts and proves that they belong together; raises ``LedgerUnavailable``."""
    with answers.reading():
        read = answers.block(block)
        outcomes = [answers.outcome(each) for each in answers.items(receipts, "receipts")]
    trie = Trie({index_key(each.index): each.encoded for each in outcomes})
    if read.hash != digest:
        message = f"block {read.number} was replaced while it was read"
        raise LedgerUnavailable(message)
    check_proven(read)
    if trie.root != read.receipts_root:
        message = f"the receipts of block {read.number} do not have the root in its header"
        raise LedgerUnavailable(message)
    return Proven(read, outcomes, trie)


_FOREIGN: Final = EventLog(b"", (), b"", 0, b"", b"", 0)
"""Stands where a log of another contract is: a block may hold hundreds of thousands of them."""


def _lightened(proven: Proven, settlement: bytes) -> Proven:
    """Returns a block that keeps of its logs only those of one contract, and the places of all."""
    kept = [
        replace(each, logs=tuple(log if log.address == settlement else _FOREIGN for log in each.logs))
        for each in proven.outcomes
    ]
    return replace(proven, outcomes=kept)
