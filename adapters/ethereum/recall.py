"""What was seen and still holds, so that a round asks only about what can have changed.

An effect stands as long as its block does; a transaction that waits in the pool is asked about again at a new
head. Nothing here is needed after a restart.
"""

from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

from adapters.ethereum.view import View
from fabric.ledger.port import Observation, Phase, Receipt

_KEPT: Final = 2_048


class Recall:
    """The memory of one observer."""

    def __init__(self) -> None:
        """Remembers nothing yet."""
        self._receipts: OrderedDict[bytes, tuple[bytes, Receipt]] = OrderedDict()
        self._head = b""
        self._waiting: set[str] = set()

    def blocks(self, works: Iterable[bytes]) -> set[int]:
        """Returns the numbers of blocks on which known effects stand; ``View.hashes`` must have them."""
        return {self._receipts[work][1].position for work in works if work in self._receipts}

    def answer(self, work: bytes, locator: str, view: View) -> Observation | None:
        """Returns what can be said of a work id and its submission without asking; None where it must be asked."""
        block, receipt = self._receipts.get(work, (b"", None))
        if receipt and view.hashes.get(receipt.position) == block:
            return included(receipt, view)
        if self._head == view.head.hash and locator in self._waiting:
            return Observation(Phase.PENDING)
        return None

    def keep(self, work: bytes, block: bytes, receipt: Receipt) -> None:
        """Remembers an effect and the hash of its block."""
        self._receipts[work] = (block, receipt)
        self._receipts.move_to_end(work)
        while len(self._receipts) > _KEPT:
            self._receipts.popitem(last=False)

    def forget(self, work: bytes) -> None:
        """Forgets an effect that nobody will ask about again, or that no longer stands."""
        self._receipts.pop(work, None)

    def wait(self, locator: str, view: View) -> None:
        """Remembers that a transaction was in the pool under this head."""
        if self._head != view.head.hash:
            self._head, self._waiting = view.head.hash, set()
        self._waiting.add(locator)


def included(receipt: Receipt, view: View) -> Observation:
    """Returns the observation of an effect: final when enough blocks follow it."""
    phase = Phase.FINAL if receipt.position <= view.final else Phase.INCLUDED
    return Observation(phase, receipt)
