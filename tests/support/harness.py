"""The parts of a conformance harness that are the same for every ledger: keys, batches, records."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from fabric.core.ids import Account, BindingVersion, DestinationId, method_word, sha256
from fabric.ledger.conformance.harness import Batch
from fabric.ledger.port import Consume, Register, RevokeCode, Settle
from fabric.store.values import Accepted
from fabric.trust import eip712
from fabric.trust.attestation import KeySet
from fabric.trust.batch import Sealed, header_of, tree_of
from fabric.trust.destination import Destination
from fabric.trust.kind import DestinationKind
from fabric.trust.letter import Delivery, Letter
from fabric.trust.message import ACKNOWLEDGE, DELIVER, Channel, End, Message, Shown
from fabric.trust.revocation import CodeRevocation
from tests.support.batches import APPRAISER, ENCLAVE, MEASUREMENT, accept, attest, seal
from tests.support.seeded_keys import SeededKeys

STRANGER = SeededKeys("stranger")
RELAY_BINDING = BindingVersion(sha256(b"relay binding"))
ELSEWHERE = DestinationId(sha256(b"elsewhere"))
OTHER_ACCOUNT = Account(sha256(b"other account")[:20].rjust(32, b"\0"))


def channel_of(here: DestinationId, account: Account) -> Channel:
    """Returns the channel from an account here to one elsewhere."""
    own = End(here, account, RELAY_BINDING, Shown.PROVEN)
    return Channel.between(own, End(ELSEWHERE, OTHER_ACCOUNT, RELAY_BINDING, Shown.PROVEN), sha256(b"salt"))


def next_message(channel: Channel, here: DestinationId, sequence: int, body: bytes, expiry: int) -> Message:
    """Returns a message from the channel's end here."""
    own, other = channel.end_at(here), channel.end_beyond(here)
    assert own is not None
    assert other is not None
    ends = (here, other.destination, own.account, other.account)
    return Message(channel.id, *ends, sequence, expiry, sha256(body))


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

    kind: DestinationKind | None = None

    @property
    def channel(self) -> Channel:
        return channel_of(self.destination.id, self.recipient)

    @property
    def keys(self) -> KeySet:
        return ENCLAVE.public

    def registration(self) -> Register:
        body = attest([self.destination.id], appraisers=(APPRAISER,), start=self.now - 3_600).body
        return Register(body.result, body.destinations, body.signatures)

    def revocation(self, since: int) -> RevokeCode:
        made = CodeRevocation(MEASUREMENT, since)
        return RevokeCode(made, APPRAISER.signatures(made.encoded, made.typed_digest))

    def batch(self, label: str, count: int, *, stranger: bool = False) -> Batch:
        first = int.from_bytes(sha256(label.encode())[:6], "big")
        items = [accept(first + number, as_of=self.now) for number in range(count)]
        return self.signed([self.entry(item, index) for index, item in enumerate(items)], stranger=stranger)

    def letters(self, letters: Sequence[Letter]) -> Batch:
        first = int.from_bytes(sha256(b"".join(letter.encoded for letter in letters))[:6], "big")
        items = [accept(first + number, as_of=self.now) for number in range(len(letters))]
        return self.signed([self._letter(item, letter) for item, letter in zip(items, letters, strict=True)])

    def signed(self, entries: Sequence[Sealed], *, stranger: bool = False) -> Batch:
        """Returns the batch of sealed records."""
        records = [entry.record for entry in entries]
        header, tree = header_of(records, epoch=1), tree_of(records)
        typed = eip712.header_digest(header, self.destination)
        signatures = (STRANGER if stranger else ENCLAVE).signatures(header.encoded, typed)
        consumes = tuple(
            Consume(entry.record, entry.payload, header, index, tuple(tree.inclusion(index)))
            for index, entry in enumerate(entries)
        )
        return Batch(Settle(header, signatures), consumes)

    def _letter(self, item: Accepted, letter: Letter) -> Sealed:
        sealed = seal(item, self.destination.id, Account(self.destination.settlement))
        method = method_word(DELIVER if isinstance(letter, Delivery) else ACKNOWLEDGE)
        payload = sha256(letter.encoded)
        record = replace(sealed.record, payload=payload, method=method, binding=RELAY_BINDING)
        return Sealed(record, sealed.statement, letter.encoded)

    def entry(self, item: Accepted, index: int) -> Sealed:
        """Returns a record as the recipient takes it, the ``index``-th of its batch."""
        del index
        return seal(item, self.destination.id, self.recipient)
