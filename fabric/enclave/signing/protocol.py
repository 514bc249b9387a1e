"""Protocol between the enclave and its signing child: binary frames, one byte of operation or status first.

| operation | request | reply |
|---|---|---|
| 1 describe | | key (32), address (20), fabric measurement (32), attester key (32) |
| 2 begin | isolation level, ASCII | |
| 3 evidence | nonce (32) | canonical JSON |
| 4 entropy | invocation ids (32 each) | seeds (32 each) |
| 5 sign | batches: destination (32), epoch (8), count (2), records (544 each) | a batch each: header (160), number of
signatures (1), signatures: Ed25519 (64), then EIP-712 (65) |

A reply starts with 0, or with 1 and a sentence that says what was refused. Integers are big-endian.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from fabric.core.errors import Malformed
from fabric.core.ids import WORD_BYTES, DestinationId, Measurement
from fabric.trust.attestation import KeySet
from fabric.trust.batch import HEADER_BYTES, MAX_RECORDS, Header
from fabric.trust.binding import MAX_DESTINATIONS
from fabric.trust.record import RECORD_BYTES
from fabric.trust.schemes import ADDRESS_BYTES, ED25519, EIP712, Signature

MAX_FRAME_BYTES: Final = MAX_DESTINATIONS * (MAX_RECORDS * RECORD_BYTES + 64)
OK: Final = b"\0"
REFUSED: Final = b"\1"
_SIZES: Final = (64, 65)
_HEAD_BYTES: Final = WORD_BYTES + 8 + 2
_DESCRIPTION_BYTES: Final = 3 * WORD_BYTES + ADDRESS_BYTES
_FIELD: Final = "signing request"


class Operation(IntEnum):
    """The closed list of what the child does; there is no signing of bytes."""

    DESCRIBE = 1
    BEGIN = 2
    EVIDENCE = 3
    ENTROPY = 4
    SIGN = 5


@dataclass(frozen=True)
class BatchRequest:
    """Records that shall become one signed batch.

    Attributes:
        destination: of every record.
        epoch: of the header.
        records: encoded records in tree order.
    """

    destination: DestinationId
    epoch: int
    records: tuple[bytes, ...]


@dataclass(frozen=True)
class SignedHeader:
    """What comes back for a batch."""

    header: Header
    signatures: tuple[Signature, ...]


@dataclass(frozen=True)
class Identity:
    """Who the signing child is.

    Attributes:
        keys: its public keys.
        fabric: measurement of the fabric's code, as the child computed it.
        attester: public key of the attester that vouches for its evidence.
    """

    keys: KeySet
    fabric: Measurement
    attester: bytes


def write_batches(batches: Sequence[BatchRequest]) -> bytes:
    """Returns the body of a sign request."""
    parts = [
        (batch.destination, batch.epoch.to_bytes(8, "big"), len(batch.records).to_bytes(2, "big"), *batch.records)
        for batch in batches
    ]
    return b"".join(piece for part in parts for piece in part)


def read_batches(body: bytes) -> list[BatchRequest]:
    """Reads the body of a sign request; raises ``Malformed``."""
    batches, at = [], 0
    while at < len(body):
        head = body[at : at + _HEAD_BYTES]
        count = int.from_bytes(head[-2:], "big")
        at += len(head)
        end = at + count * RECORD_BYTES
        if len(head) != _HEAD_BYTES or end > len(body):
            raise Malformed(_FIELD, "ends inside a batch")
        records = tuple(body[start : start + RECORD_BYTES] for start in range(at, end, RECORD_BYTES))
        batches.append(BatchRequest(DestinationId(head[:32]), int.from_bytes(head[32:40], "big"), records))
        at = end
    if not 1 <= len(batches) <= MAX_DESTINATIONS:
        raise Malformed(_FIELD, f"expected 1 to {MAX_DESTINATIONS} batches, got {len(batches)}")
    return batches


def write_signed(signed: Sequence[SignedHeader]) -> bytes:
    """Returns the body of a sign reply."""
    return b"".join(
        batch.header.encoded + bytes([len(batch.signatures)]) + b"".join(item.value for item in batch.signatures)
        for batch in signed
    )


def read_signed(body: bytes, keys: KeySet) -> list[SignedHeader]:
    """Reads the body of a sign reply of the child with these keys; raises ``Malformed``."""
    return list(_walk_signed(body, keys))


def write_identity(identity: Identity) -> bytes:
    """Returns the body of a describe reply."""
    return b"".join((identity.keys.ed25519, identity.keys.address, identity.fabric, identity.attester))


def read_identity(body: bytes) -> Identity:
    """Reads the body of a describe reply; raises ``Malformed``."""
    if len(body) != _DESCRIPTION_BYTES:
        raise Malformed("signing reply", f"expected {_DESCRIPTION_BYTES} bytes, got {len(body)}")
    return Identity(KeySet(body[:32], body[32:52]), Measurement(body[52:84]), body[84:])


def split_words(body: bytes) -> list[bytes]:
    """Returns the 32-byte words of a body; raises ``Malformed`` for a broken one."""
    if len(body) % WORD_BYTES:
        raise Malformed(_FIELD, "ends inside a word")
    return [body[at : at + WORD_BYTES] for at in range(0, len(body), WORD_BYTES)]


def _walk_signed(body: bytes, keys: KeySet) -> Iterator[SignedHeader]:
    at = 0
    while at < len(body):
        header = Header.decode(body[at : at + HEADER_BYTES])
        count = body[at + HEADER_BYTES] if at + HEADER_BYTES < len(body) else 0
        at += HEADER_BYTES + 1
        signatures = []
        for scheme, key, size in list(zip((ED25519, EIP712), (keys.ed25519, keys.address), _SIZES, strict=True))[
            :count
        ]:
            signatures.append(Signature(scheme, key, body[at : at + size]))
            at += size
        if at > len(body) or not signatures:
            raise Malformed("signing reply", "ends inside a batch")
        yield SignedHeader(header, tuple(signatures))
