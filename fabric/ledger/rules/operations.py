"""The operations of the rule set as typed values; ``fabric.ledger.rules.calls`` reads and writes their JSON."""

from dataclasses import dataclass

from fabric.core.ids import BatchId, BindingVersion, DestinationId, Digest
from fabric.trust.attestation import AttestationResult, KeyStatus
from fabric.trust.batch import Header
from fabric.trust.letter import Acknowledgement, Delivery
from fabric.trust.message import Channel, Message
from fabric.trust.record import Record
from fabric.trust.revocation import CodeRevocation
from fabric.trust.schemes import Signature


@dataclass(frozen=True)
class Register:
    """Make an enclave's keys known.

    Attributes:
        result: the attestation result.
        destinations: the ids, ascending, whose digest the result carries.
        signatures: appraisers' signatures of the ledger's scheme, in ascending order of their keys.
    """

    result: AttestationResult
    destinations: tuple[DestinationId, ...]
    signatures: tuple[Signature, ...]


@dataclass(frozen=True)
class SetKeyStatus:
    """Retire or revoke an enclave's key; signatures as in ``Register``."""

    status: KeyStatus
    signatures: tuple[Signature, ...]


@dataclass(frozen=True)
class RevokeCode:
    """Revoke a bundle's results from a time of settlement on; signatures as in ``Register``."""

    revocation: CodeRevocation
    signatures: tuple[Signature, ...]


@dataclass(frozen=True)
class Settle:
    """Anchor a batch by its header and the enclave's signature of the ledger's scheme."""

    header: Header
    signature: Signature


@dataclass(frozen=True)
class Consume:
    """Spend the intent of one record.

    Attributes:
        record: the record.
        batch: id of its settled batch.
        index: position in the batch.
        path: RFC 6962 audit path.
    """

    record: Record
    batch: BatchId
    index: int
    path: tuple[Digest, ...]


@dataclass(frozen=True)
class Request:
    """Ask for an invocation.

    Attributes:
        method: SHA-256 of the method's name.
        input: SHA-256 of the input bytes.
        binding: version of the binding that shall answer.
        state_version: version of the requester's state that the answer is for.
    """

    method: Digest
    input: Digest
    binding: BindingVersion
    state_version: int


@dataclass(frozen=True)
class OpenChannel:
    """Open a channel at the sender's end."""

    channel: Channel


@dataclass(frozen=True)
class Send:
    """Send a message from the sender's end of a channel; the message names the digest of the body."""

    message: Message
    body: bytes


@dataclass(frozen=True)
class Deliver:
    """Bring a message to its recipient.

    Attributes:
        record: the record whose payload the delivery is.
        delivery: the payload.
        batch: id of its settled batch.
        index: position in the batch.
        path: RFC 6962 audit path.
    """

    record: Record
    delivery: Delivery
    batch: BatchId
    index: int
    path: tuple[Digest, ...]

    @property
    def payload(self) -> bytes:
        """The payload's bytes."""
        return self.delivery.encoded


@dataclass(frozen=True)
class Acknowledge:
    """Tell the sender what became of a message; attributes as in ``Deliver``."""

    record: Record
    acknowledgement: Acknowledgement
    batch: BatchId
    index: int
    path: tuple[Digest, ...]

    @property
    def payload(self) -> bytes:
        """The payload's bytes."""
        return self.acknowledgement.encoded


@dataclass(frozen=True)
class Expire:
    """End a message that was not delivered in time, by a tombstone under the key that delivery writes."""

    message: Message


MailboxOperation = OpenChannel | Send | Deliver | Acknowledge | Expire
AppraiserOperation = Register | SetKeyStatus | RevokeCode
"""What appraisers sign."""
Operation = AppraiserOperation | Settle | Consume | Request | MailboxOperation
