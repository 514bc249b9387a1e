"""Events of the settlement contract that share a counter: final ones in its order, with proof that none is missing.

A log is taken only from the receipts of the block that stands at its number, which its hash commits to, an index only
after the one before it, and the contract's own counter must agree.
"""

from dataclasses import dataclass
from typing import Final

from adapters.ethereum import abi, answers
from adapters.ethereum.answers import Block, EventLog
from adapters.ethereum.receipts import Proven, Receipts
from adapters.ethereum.rpc import Call, Rpc, RpcError, results
from adapters.ethereum.view import View, Watch, block_call, check_kept, check_proven
from fabric.core import canonical
from fabric.core.canonical import JsonValue
from fabric.core.errors import LedgerError, LedgerUnavailable, Malformed
from fabric.core.ids import parse_word
from fabric.trust.destination import Destination
from fabric.trust.fields import read_integer, read_object
from fabric.trust.schemes import ADDRESS_BYTES

SPAN: Final = 2_000
"""Blocks that one page covers; nodes bound the range of ``eth_getLogs``."""
PATIENCE: Final = 3
"""How often in a row a gap is met before everything is read again: a node without old state may have hidden an event
of a page whose count it could not tell."""
_SHORTEST: Final = 2
"""The block that the cursor stands on, and the next."""
_TOPICS: Final = 4
_MAX: Final = 2**53 - 1


@dataclass(frozen=True)
class Cursor:
    """How far a reader came.

    Attributes:
        block: number of a final block; every event with an index below ``index`` is at or before it, and none with
            that index or above is before it.
        hash: its hash, by which a reorg is noticed.
        index: index of the next event.
    """

    block: int
    hash: bytes
    index: int

    def encode(self) -> bytes:
        """Returns canonical JSON."""
        return canonical.encode({"block": self.block, "hash": self.hash.hex(), "index": self.index})

    @classmethod
    def parse(cls, data: bytes) -> "Cursor":
        """Reads a cursor; raises ``Malformed``."""
        value = read_object(canonical.decode(data), frozenset({"block", "hash", "index"}), "cursor")
        return cls(
            read_integer(value["block"], "cursor.block", 0, _MAX),
            parse_word(value["hash"], "cursor.hash"),
            read_integer(value["index"], "cursor.index", 0, _MAX),
        )


@dataclass(frozen=True)
class Series:
    """Which events share a counter; the first of their four topics names the event, the second is the index.

    Attributes:
        name: for people, in the plural.
        topics: first topics of the events.
        count: the contract's function that returns the counter.
    """

    name: str
    topics: tuple[bytes, ...]
    count: abi.Function


@dataclass(frozen=True)
class Placed:
    """An event.

    Attributes:
        log: the log.
        time: time of its block, Unix seconds.
    """

    log: EventLog
    time: int

    @property
    def index(self) -> int:
        """Its place in the series."""
        return _index(self.log)

    @property
    def locator(self) -> str:
        """Where it is, for people."""
        return f"block {self.log.block} tx 0x{self.log.transaction.hex()}"


@dataclass(frozen=True)
class Page:
    """Events in the order of their index, and the cursor after them."""

    events: tuple[Placed, ...]
    cursor: bytes


class IndexedEvents:
    """Reads one series of a settlement deployment."""

    def __init__(
        self, rpc: Rpc, destination: Destination, watch: Watch, receipts: Receipts, start: int, series: Series
    ) -> None:
        """Takes who proves blocks, and the block from which the deployment can have events."""
        self._rpc = rpc
        self._receipts = receipts
        self._gaps = 0
        self._address = destination.settlement[-ADDRESS_BYTES:]
        self._watch = watch
        self._start = start
        self._series = series
        self._shorter = 1

    async def page(self, cursor: bytes, limit: int) -> Page:
        """Returns up to ``limit`` final events after a cursor (``b""`` is the start).

        Raises:
            LedgerError: no cursor of ours.
            LedgerUnavailable: no answer, or an answer with a gap.
            Reorged: what the cursor stands on is no longer there.
        """
        after = parse_cursor(cursor)
        view = await self._watch.view()
        first, index = (after.block, after.index) if after else (self._start, 0)
        span = max(_SHORTEST, SPAN // self._shorter)
        last = min(view.final, first + span - 1)
        if last < first:
            return Page((), cursor)
        end, logs = await self._try_to_read(after, view, first, last)
        new = [log for log in logs if _index(log) >= index]
        if [_index(log) for log in new] != list(range(index, index + len(new))):
            return self._gap(f"{self._series.name} from {index} on are not contiguous up to block {last}")
        self._gaps = 0
        taken = new[:limit]
        blocks = await self._receipts.prove({log.block_hash: log.block for log in taken})
        events = tuple(self._placed(log, blocks[log.block_hash]) for log in taken)
        stop = taken[-1] if len(taken) < len(new) else None
        place = (stop.block, stop.block_hash) if stop else (end.number, end.hash)
        return Page(events, Cursor(*place, index + len(taken)).encode())

    def _gap(self, message: str) -> Page:
        """Tells of a gap; where it stays, an earlier page may have missed an event, and reading begins anew."""
        self._gaps += 1
        if self._gaps < PATIENCE:
            raise LedgerUnavailable(message)
        self._gaps = 0
        return Page((), b"")

    async def _try_to_read(
        self, after: Cursor | None, view: View, first: int, last: int
    ) -> tuple[Block, list[EventLog]]:
        """Reads; a failure makes the next range shorter, since nodes bound the size of an answer too."""
        try:
            found = await self._read(after, view, first, last)
        except LedgerUnavailable:
            self._shorter = min(SPAN, 4 * self._shorter)
            raise
        self._shorter = max(1, self._shorter // 2)
        return found

    async def _read(self, after: Cursor | None, view: View, first: int, last: int) -> tuple[Block, list[EventLog]]:
        """Returns the last block of a range, and its events by index; checks them against the contract's counter."""
        kept = [block_call(after.block)] if after else []
        final = self._watch.final_call(view)
        calls: list[Call] = [*final, block_call(last), self._logs_call(first, last), *kept, self.count_call(last)]
        *given, counted = await self._rpc.batch(calls)
        answered = results(calls[:-1], given)
        self._watch.remember(answered[: len(final)])
        block, logs, *rest = answered[len(final) :]
        if after:
            check_kept(after.block, after.hash, rest[0])
        with answers.reading():
            events = [self._event(each) for each in answers.items(logs, "logs")]
            if not isinstance(counted, RpcError):
                self._check_count(counted, after, events)
            elif last == view.final:
                # A node may have pruned the state of older blocks, but surely not of this one.
                raise Malformed(self._series.name, f"the node refuses to count them: {counted.message}")
            end = answers.block(block)
        if end.number != last:
            message = f"the node gave block {end.number} for block {last}"
            raise LedgerUnavailable(message)
        return check_proven(end), sorted(events, key=_index)

    def _check_count(self, answer: JsonValue, after: Cursor | None, events: list[EventLog]) -> None:
        count = self.read_count(answer)
        known = max((_index(log) + 1 for log in events), default=0)
        if count != max(known, after.index if after else 0):
            message = f"the contract counts {count} {self._series.name}, the node shows {known}"
            raise LedgerUnavailable(message)

    def count_call(self, block: int) -> Call:
        """Returns the question how many events there were up to a block."""
        call: JsonValue = {"to": "0x" + self._address.hex(), "data": "0x" + self._series.count.call().hex()}
        return "eth_call", [call, hex(block)]

    def read_count(self, answer: JsonValue) -> int:
        """Reads the answer to ``count_call``; raises ``Malformed``."""
        (count,) = self._series.count.read(answers.data(answer, "eth_call"))
        return int(str(count))

    def _placed(self, log: EventLog, block: Proven) -> Placed:
        if not _is_held(log, block):
            message = f"{self._series.name}: block {log.block} does not hold the event {_index(log)}"
            raise LedgerUnavailable(message)
        return Placed(log, block.block.time)

    def _event(self, value: JsonValue) -> EventLog:
        log = answers.event_log(value)
        if len(log.topics) != _TOPICS or log.topics[0] not in self._series.topics:
            raise Malformed(self._series.name, "another event than was asked for")
        if log.address != self._address:
            raise Malformed(self._series.name, "an event of another contract")
        return log

    def _logs_call(self, first: int, last: int) -> Call:
        topics: list[JsonValue] = ["0x" + topic.hex() for topic in self._series.topics]
        wanted: JsonValue = {
            "address": "0x" + self._address.hex(),
            "topics": [topics],
            "fromBlock": hex(first),
            "toBlock": hex(last),
        }
        return "eth_getLogs", [wanted]


def _is_held(log: EventLog, block: Proven) -> bool:
    """Says whether the receipts of a block, which its hash commits to, hold a log."""
    outcome = block.outcome(log.transaction_index)
    held = outcome.logs if outcome and outcome.succeeded and block.block.number == log.block else ()
    return any((each.address, each.topics, each.data) == (log.address, log.topics, log.data) for each in held)


def _index(log: EventLog) -> int:
    return int.from_bytes(log.topics[1], "big")


def parse_cursor(cursor: bytes) -> Cursor | None:
    """Reads a stored cursor, None where nothing was read yet; raises ``LedgerError``."""
    try:
        return Cursor.parse(cursor) if cursor else None
    except Malformed as error:
        raise LedgerError(str(error)) from error
