"""A node's answers, read strictly: a node may be slow, buggy or foreign, and nothing it says is taken on trust.

Every reader raises ``Malformed``; ``reading`` turns that into what the port promises.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, TypeVar

import rlp
from eth_hash.auto import keccak

from adapters.ethereum import rlps
from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.errors import LedgerUnavailable, Malformed

T = TypeVar("T")

_QUANTITY: Final = re.compile(r"0x[0-9a-f]{1,64}")
_DATA: Final = re.compile(r"0x([0-9a-f]*)")
"""Of even length. A pattern of pairs would remember each of them: gigabytes for data that fills a block."""
_LEGACY: Final = 0

# A header in the order in which it is hashed. Each fork appended fields; a chain has them up to its own.
_HEADER: Final = (
    ("parentHash", 32),
    ("sha3Uncles", 32),
    ("miner", 20),
    ("stateRoot", 32),
    ("transactionsRoot", 32),
    ("receiptsRoot", 32),
    ("logsBloom", 256),
    ("difficulty", None),
    ("number", None),
    ("gasLimit", None),
    ("gasUsed", None),
    ("timestamp", None),
    ("extraData", 0),
    ("mixHash", 32),
    ("nonce", 8),
)
_APPENDED: Final = (
    ("baseFeePerGas", None),
    ("withdrawalsRoot", 32),
    ("blobGasUsed", None),
    ("excessBlobGas", None),
    ("parentBeaconBlockRoot", 32),
    ("requestsHash", 32),
)


@dataclass(frozen=True)
class Block:
    """A block without its transactions.

    Attributes:
        number: its height.
        hash: its hash, as the node says; ``header`` shows it.
        parent: hash of the block before.
        time: Unix seconds.
        base_fee: wei a gas unit; 0 before London.
        receipts_root: root of its receipt trie.
        header: RLP of its header; keccak256 of it is ``hash`` on chains that hash the header as it stands.
    """

    number: int
    hash: bytes
    parent: bytes
    time: int
    base_fee: int
    receipts_root: bytes
    header: bytes

    @property
    def is_proven(self) -> bool:
        """Whether the header has the hash that the node states."""
        return keccak(self.header) == self.hash


@dataclass(frozen=True)
class EventLog:
    """A log with its place on the chain.

    Attributes:
        address: who emitted it, 20 bytes.
        topics: words.
        data: the event's other arguments.
        block: number of its block.
        block_hash: hash of its block.
        transaction: hash of its transaction.
        transaction_index: place of the transaction in the block.
    """

    address: bytes
    topics: tuple[bytes, ...]
    data: bytes
    block: int
    block_hash: bytes
    transaction: bytes
    transaction_index: int


@dataclass(frozen=True)
class Outcome:
    """What became of a transaction (its receipt, in Ethereum's word).

    Attributes:
        succeeded: whether its effects stand.
        transaction: its hash.
        index: its place in the block.
        block: number of the block.
        block_hash: hash of the block.
        gas: gas used.
        price: wei a gas unit that was paid.
        logs: what it emitted.
        encoded: the bytes that the block's receipt trie holds (EIP-2718).
    """

    succeeded: bool
    transaction: bytes
    index: int
    block: int
    block_hash: bytes
    gas: int
    price: int
    logs: tuple[EventLog, ...]
    encoded: bytes


@contextmanager
def reading() -> Iterator[None]:
    """Turns ``Malformed`` into ``LedgerUnavailable``: an answer that cannot be read is no answer."""
    try:
        yield
    except Malformed as error:
        message = f"the node's answer cannot be read: {error}"
        raise LedgerUnavailable(message) from error


def quantity(value: JsonValue, field: str) -> int:
    """Reads an integer as Ethereum's JSON-RPC spells it."""
    if not isinstance(value, str) or not _QUANTITY.fullmatch(value):
        raise Malformed(field, "expected 0x and hexadecimal digits")
    return int(value, 16)


def data(value: JsonValue, field: str, size: int = 0) -> bytes:
    """Reads bytes; ``size`` 0 takes any number."""
    match = _DATA.fullmatch(value) if isinstance(value, str) else None
    if match is None or len(match[1]) % 2 or (size and len(match[1]) != 2 * size):
        raise Malformed(field, f"expected 0x and {size or 'any number of'} bytes in hexadecimal")
    return bytes.fromhex(match[1])


def optional(read: Callable[[JsonValue], T], value: JsonValue) -> T | None:
    """Reads a value that may be null."""
    return None if value is None else read(value)


def members(value: JsonValue, field: str) -> JsonObject:
    """Reads an object."""
    if not isinstance(value, dict):
        raise Malformed(field, "expected an object")
    return value


def items(value: JsonValue, field: str) -> list[JsonValue]:
    """Reads a list."""
    if not isinstance(value, list):
        raise Malformed(field, "expected a list")
    return value


def block(value: JsonValue) -> Block:
    """Reads a block."""
    fields = members(value, "block")
    base_fee = fields.get("baseFeePerGas")
    return Block(
        number=quantity(fields.get("number"), "block.number"),
        hash=data(fields.get("hash"), "block.hash", 32),
        parent=data(fields.get("parentHash"), "block.parentHash", 32),
        time=quantity(fields.get("timestamp"), "block.timestamp"),
        base_fee=0 if base_fee is None else quantity(base_fee, "block.baseFeePerGas"),
        receipts_root=data(fields.get("receiptsRoot"), "block.receiptsRoot", 32),
        header=_header(fields),
    )


def outcome(value: JsonValue) -> Outcome:
    """Reads a transaction's receipt."""
    fields = members(value, "receipt")
    price = fields.get("effectiveGasPrice")
    logs = tuple(event_log(each) for each in items(fields.get("logs"), "receipt.logs"))
    return Outcome(
        succeeded=quantity(fields.get("status"), "receipt.status") == 1,
        transaction=data(fields.get("transactionHash"), "receipt.transactionHash", 32),
        index=quantity(fields.get("transactionIndex"), "receipt.transactionIndex"),
        block=quantity(fields.get("blockNumber"), "receipt.blockNumber"),
        block_hash=data(fields.get("blockHash"), "receipt.blockHash", 32),
        gas=quantity(fields.get("gasUsed"), "receipt.gasUsed"),
        price=0 if price is None else quantity(price, "receipt.effectiveGasPrice"),
        logs=logs,
        encoded=_receipt(fields, logs),
    )


def event_log(value: JsonValue) -> EventLog:
    """Reads a log that is in a block."""
    fields = members(value, "log")
    topics = items(fields.get("topics"), "log.topics")
    return EventLog(
        address=data(fields.get("address"), "log.address", 20),
        topics=tuple(data(topic, "log.topics", 32) for topic in topics),
        data=data(fields.get("data"), "log.data"),
        block=quantity(fields.get("blockNumber"), "log.blockNumber"),
        block_hash=data(fields.get("blockHash"), "log.blockHash", 32),
        transaction=data(fields.get("transactionHash"), "log.transactionHash", 32),
        transaction_index=quantity(fields.get("transactionIndex"), "log.transactionIndex"),
    )


def _header(fields: JsonObject) -> bytes:
    present = [(name, size) for name, size in _APPENDED if fields.get(name) is not None]
    parts = [_part(fields.get(name), size, f"block.{name}") for name, size in (*_HEADER, *present)]
    encoded: bytes = rlp.encode(parts)
    return encoded


def _part(value: JsonValue, size: int | None, field: str) -> bytes:
    return _shortest(quantity(value, field)) if size is None else data(value, field, size)


def _receipt(fields: JsonObject, logs: tuple[EventLog, ...]) -> bytes:
    kind = fields.get("type")
    number = _LEGACY if kind is None else quantity(kind, "receipt.type")
    parts: list[rlps.Item] = [
        _shortest(quantity(fields.get("status"), "receipt.status")),
        _shortest(quantity(fields.get("cumulativeGasUsed"), "receipt.cumulativeGasUsed")),
        data(fields.get("logsBloom"), "receipt.logsBloom", 256),
        [[log.address, list(log.topics), log.data] for log in logs],
    ]
    encoded = rlps.encode(parts)
    return encoded if number == _LEGACY else _shortest(number) + encoded


def _shortest(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8, "big")
