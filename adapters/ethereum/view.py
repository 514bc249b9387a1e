"""The chain as of one moment: its head, what is final under it, and the guard that nothing final is ever replaced."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from adapters.ethereum import answers
from adapters.ethereum.answers import Block
from adapters.ethereum.rpc import Call, Rpc
from fabric.core.canonical import JsonValue
from fabric.core.errors import ForeignLedger, LedgerUnavailable, Reorged


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


@dataclass(frozen=True)
class _Anchor:
    """A block that must stay: the newest final one that was seen, at first the genesis block."""

    number: int
    hash: bytes


class Watch:
    """Takes views, and remembers the newest final block that it saw: all that was final lies at or below it."""

    def __init__(self, rpc: Rpc, account: bytes, finality: int, genesis: bytes) -> None:
        """Knows of no final block but the genesis block.

        Args:
            rpc: the node.
            account: the relayer's address.
            finality: blocks.
            genesis: hash of the genesis block; a node of another one is refused, whatever it served before.
        """
        self._rpc = rpc
        self._account = "0x" + account.hex()
        self._finality = finality
        self._genesis = self._anchor = _Anchor(0, genesis)

    async def view(self, blocks: Collection[int] = ()) -> View:
        """Looks at the chain: one round trip.

        Args:
            blocks: numbers of blocks whose hashes are wanted.

        Raises:
            LedgerUnavailable: no answer, or a node that is far behind what it showed before.
            ForeignLedger: another chain than the deployment's.
            Reorged: a block that was final is no longer there; from now on always.
        """
        anchor = self._anchor
        wanted = [*blocks, anchor.number]
        calls: list[Call] = [
            ("eth_getTransactionCount", [self._account, "latest"]),
            ("eth_getTransactionCount", [self._account, "pending"]),
            ("eth_getBlockByNumber", ["latest", False]),
            *map(block_call, wanted),
        ]
        used, pooled, head, *kept = await self._rpc.ask(calls)
        check_kept(anchor.number, anchor.hash, kept[-1])
        with answers.reading():
            found = (answers.optional(answers.block, each) for each in kept)
            return View(
                head=check_proven(answers.block(head)),
                finality=self._finality,
                used=answers.quantity(used, "transaction count"),
                pooled=answers.quantity(pooled, "transaction count"),
                hashes={block.number: block.hash for block in found if block},
            )

    async def newest_final(self) -> int:
        """Returns the number of the newest block that is final now, below 0 when there is none; one round trip.

        Unlike ``view`` it compares with nothing that was seen before: it is for telling what a reorg left.
        """
        return await self.newest() - self._finality

    async def newest(self) -> int:
        """Returns the number of the newest block; as ``newest_final``."""
        (head,) = await self._rpc.ask([("eth_getBlockByNumber", ["latest", False])])
        with answers.reading():
            return answers.block(head).number

    def forget(self) -> None:
        """Forgets what was final: a person has decided to go on from the chain as it is."""
        self._anchor = self._genesis

    def final_call(self, view: View) -> list[Call]:
        """Returns the call whose answer ``remember`` takes; none where nothing more is final."""
        return [block_call(view.final)] if view.final > self._anchor.number else []

    def remember(self, answer: list[JsonValue]) -> None:
        """Takes the newest final block."""
        with answers.reading():
            for each in answer:
                block = check_proven(answers.block(each))
                if block.number > self._anchor.number:
                    self._anchor = _Anchor(block.number, block.hash)


def block_call(number: int) -> Call:
    """Returns the question for a block by its number, without its transactions."""
    return "eth_getBlockByNumber", [hex(number), False]


def check_proven(block: Block) -> Block:
    """Returns a block whose header has the hash that the node states; raises ``LedgerUnavailable``."""
    if not block.is_proven:
        message = f"block {block.number} does not have the hash that the node states"
        raise LedgerUnavailable(message)
    return block


def check_kept(number: int, digest: bytes, answer: JsonValue) -> None:
    """Checks that a block is still there.

    Raises:
        LedgerUnavailable: the node has no block of that number.
        ForeignLedger: it has another genesis block.
        Reorged: it has another block.
    """
    with answers.reading():
        block = answers.optional(answers.block, answer)
    if block is None:
        message = f"the node has no block {number}, which was final"
        raise LedgerUnavailable(message)
    if block.hash == digest:
        return
    # Only a block that is one speaks of a reorg: an answer that was spoiled on its way must halt nobody.
    if check_proven(block).number != number:
        message = f"the node gave block {block.number} for block {number}"
        raise LedgerUnavailable(message)
    if number == 0:
        message = f"the node's genesis block is now 0x{block.hash.hex()} and was 0x{digest.hex()}: another chain"
        raise ForeignLedger(message)
    message = f"block {number} was final as 0x{digest.hex()} and is now 0x{block.hash.hex()}"
    raise Reorged(message)
