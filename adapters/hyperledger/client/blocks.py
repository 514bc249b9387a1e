"""Blocks, read: any bytes give a value or ``Malformed``, and what a block's own header does not bear out is refused.

A header commits to the transactions, not to the flags that say which of them are valid: who needs that asks for the
effect itself.
"""

import hashlib
from dataclasses import dataclass
from typing import Final

from google.protobuf.message import DecodeError

from adapters.hyperledger.proto import common_pb2, kvrwset_pb2, peer_pb2, rwset_pb2
from fabric.core.errors import Malformed

_SIGNATURES: Final = 0
_FLAGS: Final = 2
_INTEGER: Final = 0x02
_OCTETS: Final = 0x04
_SEQUENCE: Final = 0x30
_SHORT: Final = 0x80
_DIGEST_BYTES: Final = 32
VALID: Final = 0


@dataclass(frozen=True)
class Event:
    """What a chaincode told of its transaction."""

    chaincode: str
    transaction: str
    name: str
    payload: bytes


@dataclass(frozen=True)
class Transaction:
    """An endorsed transaction of a block.

    Attributes:
        index: its place in the block.
        id: the transaction id.
        code: its validation code, as the peer says; 0 is valid.
        chaincode: which chaincode it called; empty where that cannot be read, which no valid transaction is.
        event: what the chaincode told.
        writes: keys that it writes in the namespace that was asked about, whichever chaincode it called.
    """

    index: int
    id: str
    code: int
    chaincode: str = ""
    event: Event | None = None
    writes: tuple[str, ...] = ()

    @property
    def code_name(self) -> str:
        """The name of the validation code."""
        return code_name(self.code)


@dataclass(frozen=True)
class Block:
    """A block whose header commits to the transactions shown.

    Attributes:
        number: its number.
        hash: SHA-256 of the DER of its header.
        previous: hash of the block before it; of block 0 empty.
        header: the DER of its header, over which orderers sign.
        transactions: endorsed transactions; others, of the channel's configuration, are left out.
        signed: value and signatures of the orderers (``common.Metadata``).
    """

    number: int
    hash: bytes
    previous: bytes
    header: bytes
    transactions: tuple[Transaction, ...]
    signed: bytes


def code_name(code: int) -> str:
    """Returns the name of a validation code, or its number."""
    is_known = code in peer_pb2.TxValidationCode.values()
    return peer_pb2.TxValidationCode.Name(code) if is_known else str(code)


def read_block(block: common_pb2.Block, namespace: str) -> Block:
    """Reads a block as a peer delivers it.

    Args:
        block: the block.
        namespace: the chaincode whose writes are of interest.

    Raises:
        Malformed: it is of another form, or its data are not those that the header commits to.
    """
    header = block.header
    data = list(block.data.data)
    if hashlib.sha256(b"".join(data)).digest() != header.data_hash:
        raise Malformed("block", f"block {header.number} holds other data than its header commits to")
    if len(header.previous_hash) != (_DIGEST_BYTES if header.number else 0):
        raise Malformed("block", f"block {header.number} names no block before it")
    metadata = list(block.metadata.metadata)
    flags = metadata[_FLAGS] if len(metadata) > _FLAGS else b""
    if header.number and len(flags) != len(data):
        raise Malformed("block", f"block {header.number} has {len(data)} transactions and {len(flags)} flags")
    encoded = header_bytes(header.number, header.previous_hash, header.data_hash)
    found = [_transaction(at, raw, flags[at], namespace) for at, raw in enumerate(data)] if flags else []
    return Block(
        header.number,
        hashlib.sha256(encoded).digest(),
        header.previous_hash,
        encoded,
        tuple(each for each in found if each is not None),
        metadata[_SIGNATURES] if metadata else b"",
    )


def header_bytes(number: int, previous: bytes, data: bytes) -> bytes:
    """Returns the DER of a block's header: a sequence of its number, the hash before it, and the hash of its data."""
    value = number.to_bytes(number.bit_length() // 8 + 1, "big")  # signed, so that the first bit is never set
    return _der(_SEQUENCE, _der(_INTEGER, value) + _der(_OCTETS, previous) + _der(_OCTETS, data))


def _der(kind: int, content: bytes) -> bytes:
    size = len(content)
    if size < _SHORT:
        return bytes((kind, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((kind, _SHORT | len(length))) + length + content


def _transaction(index: int, raw: bytes, code: int, namespace: str) -> Transaction | None:
    """Reads one entry of a block; None of one that is no endorsed transaction.

    Whatever a client sent stands in a block, so that one flagged invalid may be anything. A valid one was read by every
    peer.
    """
    try:
        payload = common_pb2.Payload.FromString(common_pb2.Envelope.FromString(raw).payload)
        header = common_pb2.ChannelHeader.FromString(payload.header.channel_header)
        if header.type != common_pb2.ENDORSER_TRANSACTION:
            return None
        done = _action(payload.data)
        event = _event(done.events) if done.events else None
        chaincode, writes = done.chaincode_id.name, _writes(done.results, namespace)
        return Transaction(index, header.tx_id, code, chaincode, event, writes)
    except (DecodeError, ValueError) as error:
        if code == VALID:
            raise Malformed("block", f"transaction {index} is flagged valid and cannot be read: {error}") from error
        return None


def _action(data: bytes) -> peer_pb2.ChaincodeAction:
    (action,) = peer_pb2.Transaction.FromString(data).actions
    content = peer_pb2.ChaincodeActionPayload.FromString(action.payload)
    response = peer_pb2.ProposalResponsePayload.FromString(content.action.proposal_response_payload)
    return peer_pb2.ChaincodeAction.FromString(response.extension)


def _event(raw: bytes) -> Event:
    event = peer_pb2.ChaincodeEvent.FromString(raw)
    return Event(event.chaincode_id, event.tx_id, event.event_name, event.payload)


def _writes(results: bytes, namespace: str) -> tuple[str, ...]:
    spaces = rwset_pb2.TxReadWriteSet.FromString(results).ns_rwset
    own = [kvrwset_pb2.KVRWSet.FromString(each.rwset) for each in spaces if each.namespace == namespace]
    return tuple(write.key for each in own for write in each.writes)
