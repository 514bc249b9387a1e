"""What two ledgers themselves hold of the messages between them: logs and state of a contract, entries of a native log.

Nothing in here asks the fabric or its store.
"""

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from eth_abi.abi import decode

from adapters.ethereum import abi, answers, told
from adapters.ethereum.answers import EventLog
from adapters.ethereum.rpc import Rpc
from adapters.native.audit import History, audit
from adapters.native.database import Database
from adapters.native.entry import Entry
from adapters.native.genesis import GenesisDocument
from fabric.core.ids import Account, ChannelId, DestinationId, MessageId
from fabric.ledger.rules.mailbox_entries import (
    MAILBOX_COUNT,
    DeliveryEntry,
    MessageEntry,
    MessageState,
    delivery_entry,
    message_entry,
    sequence_entry,
)
from fabric.ledger.rules.operations import Acknowledge, Deliver, Expire, Operation, Send
from fabric.trust import words
from fabric.trust.destination import Destination
from fabric.trust.message import Channel, Ending, Message
from tests.support.tally import Fact, Said

if TYPE_CHECKING:
    from fabric.core.canonical import JsonValue

_FACTS: Final = {"sent": Fact.SENT, "delivered": Fact.DELIVERED, "expired": Fact.EXPIRED}
_CLOSED: Final = {Ending.DELIVERED: Fact.ACKNOWLEDGED, Ending.EXPIRED: Fact.REFUNDED}
_ENDED: Final = {MessageState.ACKNOWLEDGED: Fact.ACKNOWLEDGED, MessageState.REFUNDED: Fact.REFUNDED}
_COUNTERS: Final = ("escrow", "paid", "returned", "received")
_TIMES: Final = abi.Function("times(bytes32)", ("uint256",))


@dataclass
class Books:
    """What one ledger holds.

    Attributes:
        own: the ledger.
        said: what it says of messages that it sent, and of those that came to it.
        sequences: sequences of what it sent, by channel, in the order of the ledger.
    """

    own: DestinationId
    sent: list[Said] = field(default_factory=list)
    came: list[Said] = field(default_factory=list)
    sequences: dict[ChannelId, list[int]] = field(default_factory=lambda: defaultdict(list))

    def take_sent(self, message: Message) -> None:
        self.sent.append((Fact.SENT, message.id))
        self.sequences[message.channel].append(message.sequence)

    def assert_contiguous(self) -> None:
        """Each channel's messages are numbered from 0 without a gap or a repeat."""
        for channel, numbers in self.sequences.items():
            assert numbers == list(range(len(numbers))), channel.hex()


@dataclass(frozen=True)
class Contract:
    """The chain of a house, to be asked."""

    rpc: Rpc
    destination: Destination

    async def books(self) -> Books:
        """Reads every event of the mailbox; those that are counted have every index from 0 once."""
        books, indexes = Books(self.destination.id), []
        for log in await self._logs():
            if log.topics[0] == abi.ACKNOWLEDGED:
                outcome, _ = decode(("uint8", "bytes"), log.data)
                books.sent.append((_CLOSED[Ending(outcome)], log.topics[1]))
                continue
            event = told.read(self.destination.id, log.topics, log.data)
            indexes.append(event.index)
            if isinstance(event.subject, Channel):
                continue
            if event.name == "sent":
                books.take_sent(event.subject)
            else:
                books.came.append((_FACTS[event.name], event.subject.id))
        assert indexes == list(range(len(indexes)))
        (count,) = await self._ask(self.destination.settlement[-20:], [abi.MAILBOX_COUNT.call()])
        assert int.from_bytes(count, "big") == len(indexes)
        return books

    async def assert_state(self, books: Books) -> None:
        """The contract's own state, message by message, is what its events say."""
        place = self.destination.settlement[-20:]
        closed = [one for one in books.sent if one[0] is not Fact.SENT]
        given = await self._ask(place, [abi.MESSAGE_OF.call(message) for _, message in closed])
        states = [MessageState(int(str(abi.MESSAGE_OF.read(each)[0]))) for each in given]
        assert [_ENDED[state] for state in states] == [fact for fact, _ in closed]
        given = await self._ask(place, [abi.DELIVERY_OF.call(message) for _, message in books.came])
        endings = {abi.DELIVERED_OUTCOME: Fact.DELIVERED, abi.EXPIRED_OUTCOME: Fact.EXPIRED}
        assert [endings[int(str(abi.DELIVERY_OF.read(each)[0]))] for each in given] == [fact for fact, _ in books.came]

    async def counters(self, bookkeeper: Account) -> dict[str, int]:
        """Returns what a bookkeeper counted."""
        calls = [abi.Function(f"{name}()").call() for name in _COUNTERS]
        given = await self._ask(bookkeeper[-20:], calls)
        return {name: int.from_bytes(each, "big") for name, each in zip(_COUNTERS, given, strict=True)}

    async def times(self, bookkeeper: Account, messages: Sequence[bytes]) -> Counter[int]:
        """Returns how many messages a bookkeeper was brought, or told of, how often."""
        given = await self._ask(bookkeeper[-20:], [_TIMES.call(message) for message in messages])
        return Counter(int.from_bytes(each, "big") for each in given)

    async def _ask(self, to: bytes, calls: Sequence[bytes]) -> list[bytes]:
        asked: list[JsonValue] = [{"to": "0x" + to.hex(), "data": "0x" + each.hex()} for each in calls]
        found = await self.rpc.ask([("eth_call", [each, "latest"]) for each in asked])
        return [answers.data(each, "eth_call") for each in found]

    async def _logs(self) -> list[EventLog]:
        topics: list[JsonValue] = ["0x" + topic.hex() for topic in (*told.NAMES, abi.ACKNOWLEDGED)]
        address = "0x" + self.destination.settlement[-20:].hex()
        wanted: JsonValue = {"address": address, "topics": [topics], "fromBlock": "0x0", "toBlock": "latest"}
        (found,) = await self.rpc.ask([("eth_getLogs", [wanted])])
        return [answers.event_log(each) for each in answers.items(found, "logs")]


def native_books(file: Path, own: DestinationId) -> Books:
    """Reads every entry of a native ledger's file, beside the running ledger."""
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
        rows = connection.execute('SELECT entry FROM entries ORDER BY "index"').fetchall()
    books = Books(own)
    for (data,) in rows:
        _take(books, Entry.decode(data).envelope.operation)
    return books


def _take(books: Books, operation: Operation) -> None:
    match operation:
        case Send():
            books.take_sent(operation.message)
        case Deliver():
            books.came.append((Fact.DELIVERED, operation.delivery.message.id))
        case Expire():
            books.came.append((Fact.EXPIRED, operation.message.id))
        case Acknowledge():
            letter = operation.acknowledgement
            books.sent.append((_CLOSED[letter.ending], letter.message.id))
        case _:
            pass  # no message's


def audited(folder: Path) -> History:
    """Replays the whole native ledger of a fabric that has ended, against its checkpoints and its state table."""
    genesis = GenesisDocument.decode((folder / "native-genesis.json").read_bytes())
    database = Database(folder / "native.db")
    try:
        return audit(database, genesis)
    finally:
        database.close()


def assert_native_state(history: History, books: Books) -> None:
    """The rules' state, message by message, is what the entries say."""
    for fact, name in books.sent:
        if fact is not Fact.SENT:
            value = history.state.get(message_entry(MessageId(name)))
            assert value is not None
            assert _ENDED[MessageEntry.decode(value).state] is fact
    for fact, name in books.came:
        value = history.state.get(delivery_entry(MessageId(name)))
        assert value is not None
        assert DeliveryEntry.decode(value).ending.name.lower() == fact
    for channel, numbers in books.sequences.items():
        assert history.state.get(sequence_entry(channel)) == words.uint(len(numbers))
    opened = sum(1 for key in history.state if key.startswith(b"channel/"))
    told_of = opened + len(books.came) + sum(fact is Fact.SENT for fact, _ in books.sent)
    assert history.state.get(MAILBOX_COUNT) == words.uint(told_of)


def direction(source: Books, destination: Books) -> Iterable[Said]:
    """Returns what both ledgers say of the messages from one to the other."""
    return [*source.sent, *destination.came]
