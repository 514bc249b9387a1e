"""The chain as of one moment: its head, what is final under it, and the guard that nothing final is ever replaced."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from adapters.ethereum import answers
from adapters.ethereum.answers import Block
from adapters.ethereum.rpc import Call, Rpc
from fabric.core.canonical import JsonValue
from fabric.core.errors import LedgerUnavailable, Reorged


@dataclass(frozen=True)
class View:
    """What every answer of one observation refers to.

    Attributes:
        head: the newest block.
        finality: how many blocks must follow a block until it is final.
        used: transactions of the relayer in blocks, which is the lowest nonce not used.
        pooled: the same, those counted that the node's pool can execute.
        hashes: hashes of the blocks that were asked for, by their numbers.
    """

    head: Block
    finality: int
    used: int
    pooled: int
    hashes: Mapping[int, bytes]

    @property
    def final(self) -> int:
        """Number of the newest final block; below 0 when there is none."""
        return self.head.number - self.finality


class Watch:
    """Takes views, and remembers the newest final block that it saw: all that was final lies at or below it."""

    def __init__(self, rpc: Rpc, account: bytes, finality: int) -> None:
        """Knows of no final block yet.

        Args:
            rpc: the node.
            account: the relayer's address.
            finality: blocks.
        """
        self._rpc = rpc
        self._account = "0x" + account.hex()
        self._finality = finality
        self._anchor: Block | None = None

    async def view(self, blocks: Collection[int] = ()) -> View:
        """Looks at the chain: one round trip.

        Args:
            blocks: numbers of blocks whose hashes are wanted.

        Raises:
            LedgerUnavailable: no answer, or a node that is far behind what it showed before.
            Reorged: a block that was final is no longer there; from now on always.
        """
        anchor = self._anchor
        wanted = [*blocks, anchor.number] if anchor else [*blocks]
        calls: list[Call] = [
            ("eth_getTransactionCount", [self._account, "latest"]),
            ("eth_getTransactionCount", [self._account, "pending"]),
            ("eth_getBlockByNumber", ["latest", False]),
            *map(block_call, wanted),
        ]
        used, pooled, head, *kept = await self._rpc.ask(calls)
        if anchor:
            check_kept(anchor.number, anchor.hash, kept[-1])
        with answers.reading():
            found = (answers.optional(answers.block, each) for each in kept)
            return View(
                head=answers.block(head),
                finality=self._finality,
                used=answers.quantity(used, "transaction count"),
                pooled=answers.quantity(pooled, "transaction count"),
                hashes={block.number: block.hash for block in found if block},
            )

    def final_call(self, view: View) -> list[Call]:
        """Returns the call whose answer ``remember`` takes; none where nothing more is final."""
        known = self._anchor.number if self._anchor else -1
        return [block_call(view.final)] if view.final > known else []

    def remember(self, answer: list[JsonValue]) -> None:
        """Takes the newest final block."""
        with answers.reading():
            for each in answer:
                block = answers.block(each)
                if self._anchor is None or block.number > self._anchor.number:
                    self._anchor = block


def block_call(number: int) -> Call:
    """Returns the question for a block by its number, without its transactions."""
    return "eth_getBlockByNumber", [hex(number), False]


def check_kept(number: int, digest: bytes, answer: JsonValue) -> None:
    """Checks that a block is still there.

    Raises:
        LedgerUnavailable: the node has no block of that number.
        Reorged: it has another one.
    """
    with answers.reading():
        block = answers.optional(answers.block, answer)
    if block is None:
        message = f"the node has no block {number}, which was final"
        raise LedgerUnavailable(message)
    if block.hash != digest:
        message = f"block {number} was final as 0x{digest.hex()} and is now 0x{block.hash.hex()}"
        raise Reorged(message)
