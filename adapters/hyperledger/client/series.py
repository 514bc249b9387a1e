"""Requests and mailbox events in the order of the ledger, with proof that none is missing.

Valid transactions of the chaincode in the order of their blocks, each event shown by the endorsers: its key stands
with the version of that transaction. The flag that says whether a transaction is valid is the peer's word alone, so
that those flagged invalid are asked about as well.
"""

from dataclasses import dataclass
from typing import Final

from adapters.hyperledger.client.blocks import VALID, Block, Transaction
from adapters.hyperledger.client.chain import Chain, Standing
from adapters.hyperledger.client.events import Asked, Happening, Told, read_events
from adapters.hyperledger.client.reading import Found, Reader
from adapters.hyperledger.client.settings import Limits
from adapters.hyperledger.names import EVENT, MAILBOX, REQUEST
from fabric.core import canonical
from fabric.core.errors import LedgerError, LedgerUnavailable, Malformed
from fabric.core.ids import sha256
from fabric.ledger.port import EventKind
from fabric.ledger.rules import mailbox_entries
from fabric.ledger.rules.mailbox_entries import EventEntry
from fabric.trust.fields import read_hex, read_integer, read_object
from fabric.trust.message import Message

_MAX: Final = canonical.MAX_INTEGER
_NAMES: Final = frozenset({"block", "hash", "index", "offset"})
_SPANS: Final = 32
"""Questions for blocks that one page takes at most, where none of them has an event."""
_PREFIXES: Final = (f"{REQUEST}/", f"{MAILBOX}/")


@dataclass(frozen=True)
class Cursor:
    """How far a reader of a series came.

    Attributes:
        standing: the next block, and the hash of the one before it.
        index: index of the next event.
        offset: how many events of the next block were given out.
    """

    standing: Standing
    index: int
    offset: int

    def encode(self) -> bytes:
        """Returns canonical JSON."""
        numbers: canonical.JsonObject = {"block": self.standing.block, "index": self.index, "offset": self.offset}
        return canonical.encode(numbers | {"hash": self.standing.hash.hex()})

    @classmethod
    def parse(cls, data: bytes) -> "Cursor":
        """Reads a cursor; raises ``LedgerError`` for one that is not ours."""
        try:
            value = read_object(canonical.decode(data), _NAMES, "cursor")
            numbers = {name: read_integer(value[name], f"cursor.{name}", 0, _MAX) for name in _NAMES - {"hash"}}
            return cls(
                Standing(numbers["block"], read_hex(value["hash"], "cursor.hash")), numbers["index"], numbers["offset"]
            )
        except Malformed as error:
            raise LedgerError(str(error)) from error


@dataclass(frozen=True)
class Placed:
    """An event that the endorsers show.

    Attributes:
        index: its place in the series.
        happening: what happened.
        time: the ledger's time of it, Unix seconds.
        block: number of its block.
        transaction: id of its transaction.
    """

    index: int
    happening: Happening
    time: int
    block: int
    transaction: str

    @property
    def locator(self) -> str:
        """Where it is, for people."""
        return f"block {self.block} tx {self.transaction}"


@dataclass(frozen=True)
class SeriesPage:
    """Events in the order of their index, and the cursor after them."""

    events: tuple[Placed, ...]
    cursor: bytes


@dataclass(frozen=True)
class Origin:
    """Where a deployment's events begin: the chaincode's name, and the number of the block in which it was founded."""

    chaincode: str
    block: int


@dataclass(frozen=True)
class _Span:
    """The events of some blocks, and the cursor after them."""

    events: tuple[Placed, ...]
    cursor: Cursor


@dataclass(frozen=True)
class _Spot:
    """A happening, and the transaction of a block that tells of it."""

    happening: Happening
    block: int
    transaction: Transaction


class Series:
    """Reads one series of a deployment: its requests, or its mailbox events."""

    def __init__(self, name: str, chain: Chain, reader: Reader, origin: Origin, limits: Limits) -> None:
        """Takes the series' name, ``request`` or ``mailbox``, and who reads blocks and state."""
        self._name = name
        self._chain = chain
        self._reader = reader
        self._origin = origin
        self._limits = limits

    async def page(self, cursor: bytes, limit: int) -> SeriesPage:
        """Returns up to ``limit`` events after a cursor.

        Raises:
            LedgerError: no cursor of ours.
            LedgerUnavailable: no answer, or one that does not hold.
            Reorged: what the cursor stands on is no longer there.
        """
        first = after = Cursor.parse(cursor) if cursor else Cursor(Standing(self._origin.block, b""), 0, 0)
        events: tuple[Placed, ...] = ()
        for _ in range(_SPANS):
            span = await self._span(after, limit)
            is_end, after, events = span.cursor == after, span.cursor, span.events
            if events or is_end:
                break
        return SeriesPage(events, cursor if after == first else after.encode())

    async def _span(self, after: Cursor, limit: int) -> "_Span":
        """Returns the events of the blocks that one question brings."""
        limits = self._limits
        blocks = await self._chain.after(after.standing, limits.blocks, limits.deliver_seconds)
        try:
            taken, doubted, following = self._take(after, blocks, limit)
            return await self._show(after, taken, doubted, following)
        except Malformed as error:
            message = f"the peer's blocks do not hold: {error}"
            raise LedgerUnavailable(message) from error

    def _take(self, after: Cursor, blocks: list[Block], limit: int) -> tuple[list[_Spot], list[_Spot], Cursor]:
        """Returns the next events, those of transactions flagged invalid beside them, and the cursor after them."""
        taken: list[_Spot] = []
        doubted: list[_Spot] = []
        standing, offset = after.standing, after.offset
        for block in blocks:
            spots = self._spots(block)
            doubted += [spot for spot in spots if spot.transaction.code != VALID]
            valid = [spot for spot in spots if spot.transaction.code == VALID]
            fresh = valid[offset:]
            room = limit - len(taken)
            taken += fresh[:room]
            if len(fresh) > room:
                return taken, doubted, Cursor(standing, after.index + len(taken), offset + room)
            standing, offset = Standing(block.number + 1, block.hash), 0
        return taken, doubted, Cursor(standing, after.index + len(taken), offset)

    async def _show(self, after: Cursor, taken: list[_Spot], doubted: list[_Spot], following: Cursor) -> "_Span":
        keys = [spot.happening.key for spot in (*taken, *doubted)]
        found: dict[str, Found | None] = {}
        for read in await self._reader.read_many(keys):
            found |= read.found
        for spot in doubted:
            _check_absent(spot, found[spot.happening.key])
        events = tuple(
            Placed(
                after.index + at,
                spot.happening,
                _check_there(spot, found[spot.happening.key]),
                spot.block,
                spot.transaction.id,
            )
            for at, spot in enumerate(taken)
        )
        return _Span(events, following)

    def _spots(self, block: Block) -> list[_Spot]:
        spots: list[_Spot] = []
        for transaction in block.transactions:
            happenings = self._happenings(transaction)
            told = [each for each in happenings if isinstance(each, Asked) == (self._name == REQUEST)]
            spots += [_Spot(each, block.number, transaction) for each in told]
        return spots

    def _happenings(self, transaction: Transaction) -> list[Happening]:
        """Returns what a transaction tells; nothing of one flagged invalid that cannot be read."""
        try:
            return _told(transaction, self._origin.chaincode)
        except Malformed:
            if transaction.code == VALID:
                raise
            return []


def _told(transaction: Transaction, chaincode: str) -> list[Happening]:
    event = transaction.event
    is_ours = transaction.chaincode == chaincode and event is not None and event.name == EVENT
    happenings = read_events(event.payload, transaction.id) if event and is_ours else []
    written = {key for key in transaction.writes if key.startswith(_PREFIXES)}
    if {each.key for each in happenings} != written:
        raise Malformed("transaction", f"{transaction.id} tells something else than it writes")
    return happenings


def _check_there(spot: _Spot, found: Found | None) -> int:
    """Checks that an event stands as its transaction wrote it; returns its time, Unix seconds."""
    where = f"{spot.happening.key} of block {spot.block}"
    if found is None or found.version != (spot.block, spot.transaction.index):
        raise Malformed(where, "the peer's block says valid, and the endorsers do not have it so")
    if isinstance(spot.happening, Asked):
        if found.value != spot.happening.entry.encoded:
            raise Malformed(where, "the event tells another request than is stored")
        return spot.happening.entry.time
    entry = EventEntry.decode(found.value)
    if (_kind(entry.kind), entry.subject) != (spot.happening.kind, spot.happening.subject.id):
        raise Malformed(where, "the event tells something else than is stored")
    _check_data(spot.happening, where)
    return entry.time


def _check_data(told: Told, where: str) -> None:
    """Checks the bytes beside a message, of which the state holds only the digest; accounts here answer nothing."""
    is_sent = told.kind is EventKind.SENT
    expected = told.subject.body if is_sent and isinstance(told.subject, Message) else sha256(b"")
    if sha256(told.data) != expected:
        raise Malformed(where, "the event tells other bytes than its message's")


def _check_absent(spot: _Spot, found: Found | None) -> None:
    if found is not None and found.version == (spot.block, spot.transaction.index):
        where = f"{spot.happening.key} of block {spot.block}"
        raise Malformed(where, f"the peer says {spot.transaction.code_name}, and the endorsers have it")


def _kind(kind: mailbox_entries.EventKind) -> EventKind:
    return EventKind(kind.name.lower())
