"""How a batch lies in its row: records one after the other, and behind each of them statement and payload.

``records`` is the encoded records in tree order, 544 bytes each. ``details`` is, for each record in the same order,
its statement and its payload, each after its length as four bytes, big-endian.
"""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Final

from fabric.core.errors import StoreError
from fabric.core.ids import Digest
from fabric.trust.batch import Sealed
from fabric.trust.merkle import Tree
from fabric.trust.record import RECORD_BYTES, Record

_LENGTH_BYTES: Final = 4


def pack(entries: Sequence[Sealed]) -> tuple[bytes, bytes]:
    """Returns the columns ``records`` and ``details`` of a batch."""
    details: list[bytes] = []
    for entry in entries:
        for part in (entry.statement, entry.payload):
            details += (len(part).to_bytes(_LENGTH_BYTES, "big"), part)
    return b"".join(entry.record.encoded for entry in entries), b"".join(details)


class PackedBatch:
    """Entries and audit paths of one stored batch."""

    def __init__(self, records: bytes, details: bytes) -> None:
        """Takes the two columns.

        Raises:
            StoreError: they are not of one batch; the database was not written by this code.
        """
        self._records = [records[at : at + RECORD_BYTES] for at in range(0, len(records), RECORD_BYTES)]
        self._parts = list(_parts(details))
        if len(self._parts) != 2 * len(self._records):
            message = f"a stored batch has {len(self._records)} records, {len(self._parts)} details"
            raise StoreError(message)

    @cached_property
    def tree(self) -> Tree:
        """The batch tree."""
        return Tree.over(self._records)

    def sealed(self, position: int) -> Sealed:
        """Returns one entry; raises ``IndexError`` outside the batch."""
        statement, payload = self._parts[2 * position : 2 * position + 2]
        return Sealed(Record.decode(self._records[position]), statement, payload)

    def path(self, position: int) -> tuple[Digest, ...]:
        """Returns the audit path of one entry; raises ``IndexError`` outside the batch."""
        return tuple(self.tree.inclusion(position))


def _parts(details: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(details):
        start = at + _LENGTH_BYTES
        at = start + int.from_bytes(details[at:start], "big")
        if at > len(details):
            message = "the details of a stored batch are cut off"
            raise StoreError(message)
        yield details[start:at]
