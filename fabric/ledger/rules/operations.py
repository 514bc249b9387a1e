"""The operations of the rule set as typed values; ``fabric.ledger.rules.calls`` reads and writes their JSON."""

from dataclasses import dataclass

from fabric.core.ids import BatchId, BindingVersion, DestinationId, Digest
from fabric.trust.attestation import AttestationResult, KeyStatus
from fabric.trust.batch import Header
from fabric.trust.record import Record
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


Operation = Register | SetKeyStatus | Settle | Consume | Request
