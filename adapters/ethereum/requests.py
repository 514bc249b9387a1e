"""Requests: final ``Requested`` events in the order of the contract's counter, with proof that none is missing.

A log is taken only from the receipts of the block that stands at its number, which its hash commits to, an index only
after the one before it, and the contract's own counter must agree. The id is computed again and compared.
"""

from dataclasses import dataclass
from typing import Final

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError

from adapters.ethereum import abi, answers
from adapters.ethereum.answers import Block, EventLog
from adapters.ethereum.receipts import Proven, Receipts
from adapters.ethereum.rpc import Call, Rpc, RpcError, results
from adapters.ethereum.view import View, Watch, block_call, check_kept, check_proven
from fabric.core import canonical
from fabric.core.canonical import JsonValue
from fabric.core.errors import LedgerError, LedgerUnavailable, Malformed
from fabric.core.ids import Account, BindingVersion, Digest, InvocationId, parse_word, request_id
from fabric.ledger.port import Request, RequestPage
from fabric.trust.destination import Destination
from fabric.trust.fields import read_integer, read_object
from fabric.trust.schemes import ADDRESS_BYTES

SPAN: Final = 2_000
"""Blocks that one page covers; nodes bound the range of ``eth_getLogs``."""
PATIENCE: Final = 3
"""How often in a row a gap is met before everything is read again: a node without old state may have hidden an event
of a page whose count it could not tell."""
_TOPICS: Final = 4
_MAX: Final = 2**53 - 1


@dataclass(frozen=True)
class Cursor:
    """How far a reader came.

    Attributes:
        block: number of a final block; every request with an index below ``index`` is at or before it, and none with
            that index or above is before it.
        hash: its hash, by which a reorg is noticed.
        index: index of the next request.
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


class Requests:
    """Reads the requests of one settlement deployment."""

    def __init__(self, rpc: Rpc, destination: Destination, watch: Watch, receipts: Receipts, start: int) -> None:
        """Takes the block from which the deployment can have events."""
        self._rpc = rpc
        self._receipts = receipts
        self._gaps = 0
        self._destination = destination
        self._settlement = "0x" + destination.settlement[-ADDRESS_BYTES:].hex()
        self._watch = watch
        self._start = start

    async def page(self, cursor: bytes, limit: int) -> RequestPage:
        """Returns up to ``limit`` final requests after a cursor; see ``fabric.ledger.port.RequestSource``."""
        after = parse_cursor(cursor)
        view = await self._watch.view()
        first, index = (after.block, after.index) if after else (self._start, 0)
        last = min(view.final, first + SPAN - 1)
        if last < first:
            return RequestPage((), cursor)
        end, logs = await self._read(after, view, first, last)
        new = [log for log in logs if _index(log) >= index]
        if [_index(log) for log in new] != list(range(index, index + len(new))):
            return self._gap(f"requests from {index} on are not contiguous up to block {last}")
        self._gaps = 0
        taken = new[:limit]
        blocks = await self._receipts.prove({log.block_hash: log.block for log in taken})
        with answers.reading():
            requests = tuple(self._request(log, blocks[log.block_hash]) for log in taken)
        stop = taken[-1] if len(taken) < len(new) else None
        place = (stop.block, stop.block_hash) if stop else (end.number, end.hash)
        return RequestPage(requests, Cursor(*place, index + len(taken)).encode())

    def _gap(self, message: str) -> RequestPage:
        """Tells of a gap; where it stays, an earlier page may have missed an event, and reading begins anew."""
        self._gaps += 1
        if self._gaps < PATIENCE:
            raise LedgerUnavailable(message)
        self._gaps = 0
        return RequestPage((), b"")

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
                raise Malformed("requestCount", f"the node refuses to tell it: {counted.message}")
            end = answers.block(block)
        if end.number != last:
            message = f"the node gave block {end.number} for block {last}"
            raise LedgerUnavailable(message)
        return check_proven(end), sorted(events, key=_index)

    def _check_count(self, answer: JsonValue, after: Cursor | None, events: list[EventLog]) -> None:
        count = self.read_count(answer)
        known = max((_index(log) + 1 for log in events), default=0)
        if count != max(known, after.index if after else 0):
            message = f"the contract counts {count} requests, the node shows {known}"
            raise LedgerUnavailable(message)

    def read_count(self, answer: JsonValue) -> int:
        """Reads the answer to ``count_call``; raises ``Malformed``."""
        (count,) = abi.REQUEST_COUNT.read(answers.data(answer, "eth_call"))
        return int(str(count))

    def _request(self, log: EventLog, block: Proven) -> Request:
        if not _is_held(log, block):
            raise Malformed("Requested", f"block {log.block} does not hold the event of request {_index(log)}")
        try:
            nonce, method, input_digest, binding, version = decode(abi.REQUESTED_DATA, log.data)
        except (DecodingError, ValueError, OverflowError) as error:
            raise Malformed("Requested", f"data of another form: {error}") from error
        requester = Account(log.topics[3])
        asked = (Digest(method), Digest(input_digest), BindingVersion(binding))
        invocation = request_id(self._destination.id, requester, nonce, *asked)
        if invocation != log.topics[2]:
            raise Malformed("Requested", "the invocation id is not the one of its parts")
        where = f"block {log.block} tx 0x{log.transaction.hex()}"
        return Request(
            _index(log), InvocationId(invocation), requester, nonce, *asked, version, block.block.time, where
        )

    def _event(self, value: JsonValue) -> EventLog:
        log = answers.event_log(value)
        if len(log.topics) != _TOPICS or log.topics[0] != abi.REQUESTED:
            raise Malformed("Requested", "another event than was asked for")
        if log.address != self._destination.settlement[-ADDRESS_BYTES:]:
            raise Malformed("Requested", "an event of another contract")
        return log

    def _logs_call(self, first: int, last: int) -> Call:
        topics: list[JsonValue] = ["0x" + abi.REQUESTED.hex()]
        wanted: JsonValue = {
            "address": self._settlement,
            "topics": topics,
            "fromBlock": hex(first),
            "toBlock": hex(last),
        }
        return "eth_getLogs", [wanted]

    def count_call(self, block: int) -> Call:
        """Returns the question how many requests there were up to a block."""
        call: JsonValue = {"to": self._settlement, "data": "0x" + abi.REQUEST_COUNT.call().hex()}
        return "eth_call", [call, hex(block)]


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
