"""Invocations, outcomes and signed batches as an enclave makes them, from numbers."""

from collections.abc import Sequence
from functools import cache
from typing import Final

from fabric.core import canonical
from fabric.core.ids import (
    NOBODY,
    Account,
    BindingVersion,
    DestinationId,
    Digest,
    FabricId,
    InvocationId,
    Measurement,
    caller_account,
    intent_id,
    invocation_id,
    method_word,
    sha256,
    tag,
)
from fabric.core.model import Failure, Invocation, Outcome
from fabric.store.accepting import Acceptance
from fabric.store.values import Accepted, RegisterBody, StoredAttestation
from fabric.trust import eip712
from fabric.trust.attestation import Assurance, AttestationResult, destinations_digest
from fabric.trust.batch import Sealed, SignedBatch, header_of
from fabric.trust.destination import Destination
from fabric.trust.record import Record
from fabric.trust.statement import Details, write_statement
from tests.support.seeded_keys import SeededKeys

NOW: Final = 1_700_000_000
FABRIC: Final = FabricId(sha256(b"fabric"))
BINDING: Final = BindingVersion(sha256(b"binding"))
MEASUREMENT: Final = Measurement(sha256(b"bundle"))
CALLER: Final = caller_account("ann")
RECIPIENT: Final = Account(sha256(b"recipient")[:20].rjust(32, b"\0"))
METHOD: Final = "judge"
ENCLAVE: Final = SeededKeys("enclave")
APPRAISER: Final = SeededKeys("appraiser")


@cache
def destination(name: str = "a") -> Destination:
    """Returns a destination of its own for each name."""
    return Destination(
        "native",
        sha256(b"chain", name.encode()),
        sha256(b"genesis"),
        SeededKeys("sequencer").public.ed25519,
        sha256(b"salt"),
    )


def invocation(number: int, *, data: bytes | None = None, as_of: int = NOW) -> Invocation:
    """Returns the invocation that ``CALLER`` asked for under the key ``key-<number>``."""
    return Invocation(
        id=invocation_id(FABRIC, CALLER, f"key-{number}"),
        caller=CALLER,
        binding=BINDING,
        method=METHOD,
        input=canonical.encode({"number": number}) if data is None else data,
        as_of=as_of,
    )


def accept(number: int, *, data: bytes | None = None, as_of: int = NOW) -> Accepted:
    """Returns a successful invocation."""
    item = invocation(number, data=data, as_of=as_of)
    return Accepted(item, Outcome(item.id, canonical.encode({"answer": number})), f"key-{number}")


def fail(number: int) -> Accepted:
    """Returns an invocation whose cryptlet raised."""
    item = invocation(number)
    failure = Failure("cryptlet-raised", "ValueError: no")
    return Accepted(item, Outcome(item.id, None, failure), f"key-{number}")


def seal(item: Accepted, place: DestinationId, recipient: Account = NOBODY) -> Sealed:
    """Returns the record of a successful invocation with its statement and payload."""
    ran, output = item.invocation, item.outcome.output or b""
    payload = b"payload " + output
    fields: dict[str, bytes | int] = {
        "fabric": FABRIC,
        "destination": place,
        "recipient": recipient,
        "measurement": MEASUREMENT,
        "binding": ran.binding,
        "caller": ran.caller,
        "invocation": ran.id,
        "intent": intent_id(ran.id, place),
        "input": sha256(ran.input),
        "output": sha256(output),
        "payload": sha256(payload),
        "state_version": ran.state_version,
        "as_of": ran.as_of,
        "not_after": ran.as_of + 86_400,
    }
    statement = write_statement(fields, Details("cold_chain@1.0.0", ran.method, "none", {}))
    words = {"method": method_word(ran.method), "statement": sha256(statement)}
    return Sealed(Record(**fields, **words), statement, payload)  # type: ignore[arg-type]


def sign(
    items: Sequence[Accepted],
    where: Destination,
    *,
    recipient: Account = NOBODY,
    keys: SeededKeys = ENCLAVE,
    epoch: int = 1,
) -> SignedBatch:
    """Returns the batch of successful invocations for one destination, signed under both schemes."""
    entries = tuple(seal(item, where.id, recipient) for item in items)
    header = header_of([entry.record for entry in entries], epoch)
    typed = eip712.header_digest(header, where)
    return SignedBatch(header, keys.signatures(header.encoded, typed), entries)


def acceptance(items: Sequence[Accepted], batches: Sequence[SignedBatch] = (), *, consumed: bool = False) -> Acceptance:
    """Returns what the pipeline hands to the store."""
    places = {batch.header.destination for batch in batches} if consumed else set()
    return Acceptance(items, batches, places, {each.header.batch_id: ENCLAVE.public.id for each in batches}, NOW)


def attest(
    places: Sequence[DestinationId],
    *,
    keys: SeededKeys = ENCLAVE,
    appraisers: Sequence[SeededKeys] = (APPRAISER,),
    start: int = NOW - 3_600,
    seconds: int = 7 * 86_400,
) -> StoredAttestation:
    """Returns an attestation of the enclave's keys for destinations, signed by the appraisers."""
    ordered = tuple(sorted(places))
    result = AttestationResult(
        keys.public,
        Measurement(sha256(b"fabric code")),
        "none",
        Assurance.SOFTWARE,
        1,
        start,
        start + seconds,
        destinations_digest(ordered),
        Digest(sha256(b"evidence")),
    )
    signatures = [
        signature for appraiser in appraisers for signature in appraiser.signatures(result.encoded, result.typed_digest)
    ]
    return StoredAttestation(RegisterBody(result, ordered, tuple(signatures)), b"evidence")


def event_born(number: int, requester: Account) -> Accepted:
    """Returns an invocation that a ledger event asked for."""
    name = InvocationId(sha256(tag("test/event"), number.to_bytes(8, "big")))
    item = Invocation(name, requester, BINDING, METHOD, b"{}", NOW)
    return Accepted(item, Outcome(name, b"{}"), None)
