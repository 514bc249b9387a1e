"""Receipt material of an EVM ledger, read offline: header, receipt trie, receipt, log (docs/spec/ethereum-receipt.md).

Pure. Any bytes give a value or ``Malformed``; what is well-formed and does not hold is a ``VerificationError`` of the
step ``settlement``.
"""

import re
from dataclasses import dataclass
from typing import Final, NoReturn

import rlp
from eth_hash.auto import keccak

from adapters.ethereum import mpt
from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.errors import Malformed, VerificationError
from fabric.core.ids import parse_word

MAX_HEADER_BYTES: Final = 16 << 10
MAX_NODES: Final = 16
MAX_NODE_BYTES: Final = 4 << 20
"""A leaf holds a whole receipt, logs included."""
HEADER_FIELDS: Final = 15
"""Before London; each fork since then has appended fields."""
RECEIPTS_ROOT, NUMBER, TIME = 5, 8, 11
"""Places in a header."""
_NAMES: Final = {"block", "header", "index", "log", "proof"}
_HEX: Final = re.compile(r"(?:[0-9a-f]{2})+")
_RECEIPT_FIELDS: Final = 4
_LOG_FIELDS: Final = 3
_STEP: Final = "settlement"


@dataclass(frozen=True)
class Material:
    """The parts, in the order in which they are checked.

    Attributes:
        block_hash: hash of the block.
        number: its number.
        header: its header, RLP.
        index: place of the transaction in the block.
        proof: nodes of the receipt trie from the root to the receipt.
        log: place of the log in the receipt.
    """

    block_hash: bytes
    number: int
    header: bytes
    index: int
    proof: tuple[bytes, ...]
    log: int

    def to_json(self) -> JsonObject:
        """Returns the material as a JSON object; ``parse`` reads it back."""
        return {
            "block": {"hash": self.block_hash.hex(), "number": self.number},
            "header": self.header.hex(),
            "index": self.index,
            "log": self.log,
            "proof": [node.hex() for node in self.proof],
        }


@dataclass(frozen=True)
class Log:
    """An event: who emitted it (20 bytes), its topics (words), its data."""

    address: bytes
    topics: tuple[bytes, ...]
    data: bytes


@dataclass(frozen=True)
class Event:
    """A log that a block's hash commits to.

    Attributes:
        log: the log.
        time: the block's time, Unix seconds.
    """

    log: Log
    time: int


def parse(value: JsonObject) -> Material:
    """Reads receipt material; raises ``Malformed``."""
    if set(value) != _NAMES:
        raise Malformed("receipt", f"expected an object with {', '.join(sorted(_NAMES))}")
    block, proof = value["block"], value["proof"]
    if not isinstance(block, dict) or set(block) != {"hash", "number"}:
        raise Malformed("receipt.block", "expected an object with hash, number")
    if not isinstance(proof, list) or len(proof) > MAX_NODES:
        raise Malformed("receipt.proof", f"expected a list of at most {MAX_NODES} nodes")
    return Material(
        block_hash=parse_word(block["hash"], "receipt.block.hash"),
        number=_count(block["number"], "receipt.block.number"),
        header=_hex(value["header"], MAX_HEADER_BYTES, "receipt.header"),
        index=_count(value["index"], "receipt.index"),
        proof=tuple(_hex(node, MAX_NODE_BYTES, "receipt.proof") for node in proof),
        log=_count(value["log"], "receipt.log"),
    )


def prove(material: Material) -> Event:
    """Returns the log that the material shows, if its transaction succeeded.

    What is proven is that a block of this hash holds it; whether the hash is of a block of the ledger is another
    question, which needs the ledger's seals.

    Raises:
        VerificationError: a hash, number or proof does not fit, or the transaction failed.
    """
    if keccak(material.header) != material.block_hash:
        _fail("the header does not have the block's hash")
    header = _items(material.header, "header")
    if len(header) < HEADER_FIELDS or not all(isinstance(item, bytes) for item in header):
        _fail("the header lacks fields")
    if _number(header[NUMBER]) != material.number:
        _fail(f"the header is of another block than {material.number}")
    key = mpt.index_key(material.index)
    receipt = mpt.check_proof(_bytes(header[RECEIPTS_ROOT]), key, material.proof)
    return Event(_log(receipt, material.log), _number(header[TIME]))


def _log(receipt: bytes, index: int) -> Log:
    """Returns a log of an encoded receipt: a type byte where there is one, then a list (EIP-2718)."""
    body = receipt[1:] if receipt[0] < 0x80 else receipt  # noqa: PLR2004 - where RLP lists begin: 0xc0
    fields = _items(body, "receipt")
    if len(fields) != _RECEIPT_FIELDS or fields[0] != b"\1":
        _fail("the transaction did not succeed")
    logs = fields[3]
    if not isinstance(logs, list) or index >= len(logs):
        _fail(f"the transaction has no log {index}")
    log = logs[index]
    if not isinstance(log, list) or len(log) != _LOG_FIELDS or not isinstance(log[1], list):
        _fail("a log of another form")
    return Log(_bytes(log[0]), tuple(_bytes(topic) for topic in log[1]), _bytes(log[2]))


def _items(encoded: bytes, what: str) -> mpt.Node:
    try:
        items = rlp.decode(encoded)
    except Exception as error:  # noqa: BLE001 - the library's errors share no root but this
        _fail(f"the {what} is not RLP: {error}")
    if not isinstance(items, list):
        _fail(f"the {what} is no list")
    return items


def _bytes(item: "bytes | mpt.Node") -> bytes:
    if not isinstance(item, bytes):
        _fail("a list where bytes belong")
    return item


def _number(item: "bytes | mpt.Node") -> int:
    return int.from_bytes(_bytes(item)[:33], "big")


def _count(value: JsonValue, field: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise Malformed(field, "expected an integer from 0")
    return value


def _hex(value: JsonValue, most: int, field: str) -> bytes:
    if not isinstance(value, str) or len(value) > 2 * most or not _HEX.fullmatch(value):
        raise Malformed(field, f"expected 1 to {most} bytes in lower-case hexadecimal")
    return bytes.fromhex(value)


def _fail(reason: str) -> NoReturn:
    raise VerificationError(_STEP, reason)
