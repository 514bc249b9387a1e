"""Receipt material of an EVM ledger, read offline: headers, receipt trie, receipt, log (docs/spec/ethereum-receipt.md).

Pure. Any bytes give a value or ``Malformed``; what is well-formed and does not hold is a ``VerificationError`` of the
step ``settlement``.
"""

import re
from dataclasses import dataclass
from itertools import islice
from typing import Final

from eth_hash.auto import keccak

from adapters.ethereum import headers, mpt, rlps, seals
from adapters.ethereum.headers import BlockHeader, fail
from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.errors import Malformed
from fabric.core.ids import parse_word
from fabric.trust.destination import Destination
from fabric.trust.kind import Source, Status
from fabric.trust.schemes import ADDRESS_BYTES

MAX_HEADER_BYTES: Final = 16 << 10
MAX_FOLLOWING: Final = 64
MAX_NODES: Final = 16
MAX_INNER_BYTES: Final = 1_024
"""Of a node above the leaf: at most 17 items of 33 bytes. No key of the trie is the beginning of another."""
MAX_BLOCK_GAS: Final = 120_000_000
"""The gas limit of a block up to which no receipt is too long; that of our own networks, twice that of Ethereum's."""
GAS_PER_BYTE: Final = 8
"""A byte of a log's data costs so much, and no byte of a receipt costs less: a log costs 375 more for at most 30 bytes
around its data, a topic 375 for 33, the transaction 21,000 for some 300 of bloom and status. So a receipt has at most
an eighth as many bytes as its block has gas: whoever wraps a call in logs cannot keep its event from being shown."""
MAX_LEAF_BYTES: Final = MAX_BLOCK_GAS // GAS_PER_BYTE
"""A leaf holds a whole receipt, logs included."""
_NAMES: Final = {"block", "header", "index", "log", "proof"}
_FOLLOWING: Final = "following"
"""A name that is there only where blocks carry seals."""
_HEX: Final = re.compile(r"[0-9a-f]+")
"""Of even length. A pattern of pairs would remember each of them: gigabytes for a receipt that fills a block."""
_RECEIPT_FIELDS: Final = 4
_LOG_FIELDS: Final = 3


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
        following: headers of the blocks that follow, RLP, without a gap.
    """

    block_hash: bytes
    number: int
    header: bytes
    index: int
    proof: tuple[bytes, ...]
    log: int
    following: tuple[bytes, ...] = ()

    def to_json(self) -> JsonObject:
        """Returns the material as a JSON object; ``parse`` reads it back."""
        following: JsonObject = {_FOLLOWING: [each.hex() for each in self.following]} if self.following else {}
        return following | {
            "block": {"hash": self.block_hash.hex(), "number": self.number},
            "header": self.header.hex(),
            "index": self.index,
            "log": self.log,
            "proof": [node.hex() for node in self.proof],
        }

    @property
    def locator(self) -> str:
        """Where the log is, for people."""
        return f"block {self.number} transaction {self.index} log {self.log}"


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


@dataclass(frozen=True)
class Shown:
    """What material shows of an event, under the roots of trust that a policy gives.

    Attributes:
        event: the event of the destination's contract.
        status: ``final`` beyond the seals of more than half of the pinned signers, else ``included``.
        source: ``proven`` by the seals, else ``asserted`` by whoever made the material.
        position: number of its block.
        locator: where it is, for people.
    """

    event: Event
    status: Status
    source: Source
    position: int
    locator: str


def parse(value: JsonObject) -> Material:
    """Reads receipt material; raises ``Malformed``."""
    if set(value) - {_FOLLOWING} != _NAMES:
        raise Malformed("receipt", f"expected an object with {', '.join(sorted(_NAMES))}")
    block = value["block"]
    if not isinstance(block, dict) or set(block) != {"hash", "number"}:
        raise Malformed("receipt.block", "expected an object with hash, number")
    following = _list(value[_FOLLOWING], MAX_FOLLOWING, "receipt.following") if _FOLLOWING in value else None
    if following == []:
        raise Malformed("receipt.following", "an empty list is spelled by leaving the name out")
    return Material(
        block_hash=parse_word(block["hash"], "receipt.block.hash"),
        number=_count(block["number"], "receipt.block.number"),
        header=_hex(value["header"], MAX_HEADER_BYTES, "receipt.header"),
        index=_count(value["index"], "receipt.index"),
        proof=_proof(_list(value["proof"], MAX_NODES, "receipt.proof")),
        log=_count(value["log"], "receipt.log"),
        following=tuple(_hex(each, MAX_HEADER_BYTES, "receipt.following") for each in following or ()),
    )


def prove_event(destination: Destination, material: JsonObject, trust: JsonObject) -> Shown:
    """Returns the event of a destination's contract that material shows, and how far the ledger's own seals bear it.

    Takes any event of the contract; which one it is, the caller reads from its topics.

    Args:
        destination: the deployment whose contract must have emitted it.
        material: see docs/spec/ethereum-receipt.md.
        trust: the roots of trust for this destination: none, or the signers of a clique chain.

    Raises:
        VerificationError: a hash, a proof or a seal does not hold, the transaction failed, or the event is of another
            contract.
        Malformed: material or trust is ill-formed.
    """
    signers = seals.parse_trust(trust)
    parts = parse(material)
    header = _header(parts)
    event = _event(parts, header)
    if event.log.address != destination.settlement[-ADDRESS_BYTES:]:
        fail("the log is of another contract")
    return Shown(event, *_judge(parts, header, signers), parts.number, parts.locator)


def _proof(nodes: list[JsonValue]) -> tuple[bytes, ...]:
    most = [MAX_INNER_BYTES] * (len(nodes) - 1) + [MAX_LEAF_BYTES]
    return tuple(_hex(node, size, "receipt.proof") for node, size in zip(nodes, most, strict=False))


def _header(material: Material) -> BlockHeader:
    if keccak(material.header) != material.block_hash:
        fail("the header does not have the block's hash")
    header = headers.read(material.header)
    if header.number != material.number:
        fail(f"the header is of another block than {material.number}")
    return header


def _event(material: Material, header: BlockHeader) -> Event:
    key = mpt.index_key(material.index)
    receipt = mpt.check_proof(header.receipts_root, key, material.proof)
    return Event(_log(receipt, material.log), header.time)


def _judge(material: Material, header: BlockHeader, signers: tuple[bytes, ...]) -> tuple[Status, Source]:
    if signers:
        return seals.judge([header, *map(headers.read, material.following)], signers)
    if material.following:
        # Without the signers anyone could make these bytes, and no byte of a proof is free.
        fail("the receipt holds headers with seals, and no policy pins the signers that must have made them")
    return Status.INCLUDED, Source.ASSERTED


def _log(receipt: bytes, index: int) -> Log:
    """Returns a log of an encoded receipt: a type byte where there is one, then a list (EIP-2718)."""
    body = receipt[1:] if receipt[0] < 0x80 else receipt  # noqa: PLR2004 - where RLP lists begin: 0xc0
    try:
        fields = [*rlps.within(body, rlps.whole(body))]
        if len(fields) != _RECEIPT_FIELDS or _bytes(body, fields[0]) != b"\1":
            fail("the transaction did not succeed")
        logs = rlps.within(body, fields[3]) if fields[3].is_list else iter(())
        place = next(islice(logs, index, None), None)
        if place is None:
            fail(f"the transaction has no log {index}")
        return _read_log(body, place)
    except ValueError as error:
        fail(f"the receipt is not RLP: {error}")


def _read_log(body: bytes, place: rlps.Place) -> Log:
    parts = [*rlps.within(body, place)] if place.is_list else []
    if len(parts) != _LOG_FIELDS or not parts[1].is_list:
        fail("a log of another form")
    topics = tuple(_bytes(body, topic) for topic in rlps.within(body, parts[1]))
    return Log(_bytes(body, parts[0]), topics, _bytes(body, parts[2]))


def _bytes(body: bytes, place: rlps.Place) -> bytes:
    if place.is_list:
        fail("a list where bytes belong")
    return body[place.payload : place.end]


def _list(value: JsonValue, most: int, field: str) -> list[JsonValue]:
    if not isinstance(value, list) or len(value) > most:
        raise Malformed(field, f"expected a list of at most {most}")
    return value


def _count(value: JsonValue, field: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise Malformed(field, "expected an integer from 0")
    return value


def _hex(value: JsonValue, most: int, field: str) -> bytes:
    if not isinstance(value, str) or len(value) > 2 * most or len(value) % 2 or not _HEX.fullmatch(value):
        raise Malformed(field, f"expected 1 to {most} bytes in lower-case hexadecimal")
    return bytes.fromhex(value)
