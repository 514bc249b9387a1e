"""A native ledger for tests: founded in a folder, with keys from fixed seeds, and work to put on it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from adapters.native.envelope import call_words
from adapters.native.genesis import GenesisDocument
from adapters.native.ledger import NativeLedger
from adapters.native.plugin import open_ledger
from fabric.core.canonical import JsonObject
from fabric.core.clock import Clock, FrozenClock
from fabric.core.ids import Account, BindingVersion, DestinationId, Digest, Measurement, sha256
from fabric.ledger.port import Consume, Register, RevokeCode, Settle
from fabric.ledger.rules.operations import Request, SetKeyStatus
from fabric.trust import eip712
from fabric.trust.attestation import KeyStatus
from fabric.trust.batch import header_of, tree_of
from fabric.trust.checkpoint import Checkpoint
from fabric.trust.record import Record
from fabric.trust.revocation import CodeRevocation
from tests.support.seeded_keys import SeededKeys
from tests.support.trust_samples import sample_record, sample_result

START = 1_800_000_000
SEQUENCER = SeededKeys("sequencer")
APPRAISER = SeededKeys("appraiser-0")
ENCLAVE = SeededKeys("enclave-0")
ALICE = SeededKeys("alice")


@dataclass
class SeededSigner:
    """``CheckpointSigner`` and ``CallSigner`` in memory; counts what it signed."""

    keys: SeededKeys
    signed: int = 0

    @property
    def key(self) -> bytes:
        return self.keys.public.ed25519

    async def sign_checkpoint(self, origin: str, size: int, root: Digest) -> tuple[bytes, bytes]:
        self.signed += 1
        return self.key, self.keys.sign_message(Checkpoint(origin, size, root).body)

    def sign_call(self, destination: DestinationId, nonce: int, call: Digest) -> bytes:
        return self.keys.sign_message(call_words(destination, self.key, nonce, call))


def genesis(name: str = "test ledger") -> GenesisDocument:
    """Returns the same genesis every time."""
    return GenesisDocument(name, SEQUENCER.public.ed25519, (APPRAISER.public,), 1, sha256(b"salt"), START)


def settings(folder: Path, document: GenesisDocument) -> JsonObject:
    """Returns the settings of the ledger of a folder."""
    return {"path": str(folder / "native.db"), "genesis": document.fields}


async def open_native(
    folder: Path, clock: Clock | None = None, document: GenesisDocument | None = None
) -> NativeLedger:
    """Opens the ledger of a folder, founding it the first time; alice is the fabric's own account."""
    signer, caller = SeededSigner(SEQUENCER), SeededSigner(ALICE)
    return await open_ledger(settings(folder, document or genesis()), clock or FrozenClock(START), signer, caller)


def register(destination: DestinationId, keys: SeededKeys = ENCLAVE, not_after: int = START + 10_000) -> Register:
    """Returns the registration of an enclave, signed by the appraiser under both schemes."""
    result = sample_result(keys.public, [destination], START, not_after)
    return Register(result, (destination,), APPRAISER.signatures(result.encoded, result.typed_digest))


def key_status(status: KeyStatus) -> SetKeyStatus:
    """Returns the appraiser's word on a key."""
    return SetKeyStatus(status, APPRAISER.signatures(status.encoded, status.typed_digest)[:1])


def revocation(code: Measurement, since: int) -> RevokeCode:
    """Returns a revocation of code, signed by the appraiser under both schemes."""
    made = CodeRevocation(code, since)
    return RevokeCode(made, APPRAISER.signatures(made.encoded, made.typed_digest))


def settle(ledger: NativeLedger, records: Sequence[Record], keys: SeededKeys = ENCLAVE) -> Settle:
    """Returns the settlement of a batch, signed by an enclave under both schemes."""
    header = header_of(records, epoch=1)
    digest = eip712.header_digest(header, ledger.destination)
    return Settle(header, keys.signatures(header.encoded, digest))


def consume(records: Sequence[Record], index: int) -> Consume:
    """Returns the consumption of a record of a batch."""
    path = tuple(tree_of(records).inclusion(index))
    return Consume(records[index], b"payload", header_of(records, epoch=1), index, path)


def records(ledger: NativeLedger, names: Sequence[str], recipient: Account) -> list[Record]:
    """Returns records for a ledger."""
    return [sample_record(name, ledger.destination.id, recipient, START + 10_000) for name in names]


def request(label: str) -> Request:
    """Returns a request."""
    return Request(sha256(b"judge"), sha256(label.encode()), BindingVersion(sha256(b"binding")), 0)
