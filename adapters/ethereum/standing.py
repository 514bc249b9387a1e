"""What a reorg left: which receipts still stand, and from where requests are read anew (``fabric.ledger.resume``)."""

from collections.abc import Sequence

from adapters.ethereum import anchorage, answers
from adapters.ethereum.indexed import Cursor, IndexedEvents, parse_cursor
from adapters.ethereum.rpc import Rpc, RpcError
from adapters.ethereum.view import Watch, block_call
from fabric.core.errors import Malformed
from fabric.ledger.port import Receipt
from fabric.ledger.resume import Restart


class Standing:
    """Compares what was final with the chain as it is now."""

    def __init__(self, rpc: Rpc, watch: Watch, requests: IndexedEvents) -> None:
        """Takes the node, what it showed before, and the reader of requests."""
        self._rpc = rpc
        self._watch = watch
        self._requests = requests

    async def of(self, receipts: Sequence[Receipt], *, deep: bool) -> list[bool | None]:
        """Says of receipts whether their blocks stand; two round trips, see ``Resumable.stands``."""
        places = [_place(receipt) for receipt in receipts]
        newest = await (self._watch.newest_final() if deep else self._watch.newest())
        numbers = sorted({place[0] for place in places if place and place[0] <= newest})
        hashes = await self._hashes(numbers)
        return [_stands(place, hashes) for place in places]

    async def restart(self, cursor: bytes, position: int | None) -> Restart:
        """Forgets what was final; see ``Resumable.restart``."""
        self._watch.forget()
        after = parse_cursor(cursor)
        if after is None:
            return Restart()
        final = await self._watch.newest_final()
        if after.block <= final and (await self._hashes([after.block]))[after.block] == after.hash:
            return Restart(cursor, after.index)
        # Up to a block that stands below the cursor's, what was read stands too; how many requests that is, the
        # contract says. A node that has pruned that block's state cannot, and everything is read again.
        block = min(final, -1 if position is None else position)
        return await self._restart_at(block) if block < after.block else Restart()

    async def _restart_at(self, block: int) -> Restart:
        if block < 0:
            return Restart()
        found, counted = await self._rpc.batch([block_call(block), self._requests.count_call(block)])
        if isinstance(found, RpcError) or isinstance(counted, RpcError):
            return Restart()
        with answers.reading():
            index = self._requests.read_count(counted)
            return Restart(Cursor(block, answers.block(found).hash, index).encode(), index)

    async def _hashes(self, numbers: Sequence[int]) -> dict[int, bytes | None]:
        found = await self._rpc.ask([block_call(number) for number in numbers])
        with answers.reading():
            blocks = [answers.optional(answers.block, each) for each in found]
        return {number: block.hash if block else None for number, block in zip(numbers, blocks, strict=True)}


def _place(receipt: Receipt) -> tuple[int, bytes] | None:
    try:
        material = anchorage.parse(receipt.material)
    except Malformed:
        return None
    return material.number, material.block_hash


def _stands(place: tuple[int, bytes] | None, hashes: dict[int, bytes | None]) -> bool | None:
    if place is None:
        return False
    number, digest = place
    found = hashes.get(number)
    return None if found is None else found == digest
