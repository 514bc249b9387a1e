"""Batch and header: the RFC 6962 tree of up to 1,024 records for ONE destination (docs/spec/batch.md).

The header is the only thing an enclave signs. A batch of one is the same code.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Self

from fabric.core.errors import Malformed
from fabric.core.ids import BatchId, DestinationId, Digest, sha256, tag
from fabric.trust import words
from fabric.trust.merkle import Tree
from fabric.trust.record import Record
from fabric.trust.schemes import Signature

TAG: Final = tag("cryptlet-fabric/header/v1")
HEADER_BYTES: Final = 5 * 32
MAX_RECORDS: Final = 1024


@dataclass(frozen=True)
class Header:
    """Five words: tag, destination, epoch, count, root.

    Attributes:
        destination: the destination of every record in the batch.
        epoch: key epoch of the signing enclave, as its attestation result states.
        count: number of records, 1 to 1,024.
        root: RFC 6962 tree hash over the encoded records.
    """

    destination: DestinationId
    epoch: int
    count: int
    root: Digest

    @cached_property
    def encoded(self) -> bytes:
        """The 160 bytes; also the Ed25519 message."""
        return b"".join((TAG, self.destination, words.uint(self.epoch), words.uint(self.count), self.root))

    @cached_property
    def batch_id(self) -> BatchId:
        """SHA-256 of the encoded header."""
        return BatchId(sha256(self.encoded))

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Reads 160 bytes; raises ``Malformed`` for anything else."""
        destination, epoch, count, root = words.split(data, TAG, 4, "header")
        header = cls(
            DestinationId(destination),
            words.read_uint(epoch, "header.epoch"),
            words.read_uint(count, "header.count"),
            Digest(root),
        )
        if not 1 <= header.count <= MAX_RECORDS:
            raise Malformed("header.count", f"expected 1 to {MAX_RECORDS}, got {header.count}")
        return header


def tree_of(records: Sequence[Record]) -> Tree:
    """Returns the batch tree over records."""
    return Tree.over([record.encoded for record in records])


def header_of(records: Sequence[Record], epoch: int) -> Header:
    """Returns the header of a batch.

    Raises:
        ValueError: no records, more than 1,024, different destinations, or one intent twice.
    """
    if not 1 <= len(records) <= MAX_RECORDS:
        message = f"a batch takes 1 to {MAX_RECORDS} records, got {len(records)}"
        raise ValueError(message)
    destination = records[0].destination
    if any(record.destination != destination for record in records):
        message = "a batch is for one destination"
        raise ValueError(message)
    if len({record.intent for record in records}) != len(records):
        message = "a batch holds an intent at most once"
        raise ValueError(message)
    return Header(destination, epoch, len(records), tree_of(records).root)


@dataclass(frozen=True)
class Sealed:
    """A record with the bytes behind three of its digests.

    Attributes:
        record: the record.
        statement: canonical JSON; SHA-256 is ``record.statement``.
        payload: what the recipient reads; SHA-256 is ``record.payload``.
    """

    record: Record
    statement: bytes
    payload: bytes


@dataclass(frozen=True)
class SignedBatch:
    """A batch as it leaves an enclave.

    Entries in tree order, header, signatures over the header.
    """

    header: Header
    signatures: tuple[Signature, ...]
    entries: tuple[Sealed, ...]
