"""The parts of a conformance harness that are the same for every ledger: keys, batches, records."""

from dataclasses import dataclass

from fabric.core.ids import Account, sha256
from fabric.ledger.conformance.harness import Batch
from fabric.ledger.port import Consume, Register, Settle
from fabric.store.values import Accepted
from fabric.trust import eip712
from fabric.trust.attestation import KeySet
from fabric.trust.batch import Sealed, header_of, tree_of
from fabric.trust.destination import Destination
from tests.support.batches import APPRAISER, ENCLAVE, accept, attest, seal
from tests.support.seeded_keys import SeededKeys

STRANGER = SeededKeys("stranger")


@dataclass
class Works:
    """Work for one destination.

    Attributes:
        destination: where it shall take effect.
        recipient: who may consume there.
        now: time of the records, Unix seconds.
    """

    destination: Destination
    recipient: Account
    now: int

    @property
    def keys(self) -> KeySet:
        return ENCLAVE.public

    def registration(self) -> Register:
        body = attest([self.destination.id], appraisers=(APPRAISER,), start=self.now - 3_600).body
        return Register(body.result, body.destinations, body.signatures)

    def batch(self, label: str, count: int, *, stranger: bool = False) -> Batch:
        first = int.from_bytes(sha256(label.encode())[:6], "big")
        items = [accept(first + number, as_of=self.now) for number in range(count)]
        entries = [self.entry(item, index) for index, item in enumerate(items)]
        records = [entry.record for entry in entries]
        header, tree = header_of(records, epoch=1), tree_of(records)
        typed = eip712.header_digest(header, self.destination)
        signatures = (STRANGER if stranger else ENCLAVE).signatures(header.encoded, typed)
        consumes = tuple(
            Consume(entry.record, entry.payload, header, index, tuple(tree.inclusion(index)))
            for index, entry in enumerate(entries)
        )
        return Batch(Settle(header, signatures), consumes)

    def entry(self, item: Accepted, index: int) -> Sealed:
        """Returns a record as the recipient takes it, the ``index``-th of its batch."""
        del index
        return seal(item, self.destination.id, self.recipient)
