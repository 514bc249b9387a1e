"""Verifier: a proof and a policy in, what is proven out. No IO; the numbers are those of docs/spec/verification.md.

1.  ``format``: the file is the one canonical spelling of a proof.
2.  ``statement``: statement, input, output and payload are those whose digests the record carries; the statement says
    what the record says; the intent is that of this invocation and destination.
3.  ``publication``: the bundle that ran is the one that its publisher signed, and that a standing speaks of.
4.  ``binding``: the binding is the one named by the record and allows method, bundle, destination and recipient; its
    codec makes this payload of this output. The caller is one of its callers or requesters. The ledger events that the
    input carries hold under the binding's sources, and are those that the statement names.
5.  ``inclusion``: the record is in the batch, and the batch is for the record's destination.
6.  ``destination``: the ledger described is the one that the batch names.
7.  ``signature``: an enclave's key signed the header; every signature in the file holds.
8.  ``attestation``: appraisers' signatures over the result hold; the result names the signing key, this epoch and this
    destination.
9.  ``settlement``: the ledger's receipt shows that this header took effect, while the attestation and the record were
    valid by the ledger's own time.
10. ``policy``: every root is one that the policy names: fabric, its code, isolation, assurance, a quorum of
    appraisers, the publisher, the registry that let it run, the ledger and its status.

Without a policy, steps 1 to 9 can only show that a proof is consistent; it is then refused at step 10.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from fabric.core import canonical
from fabric.core.canonical import JsonObject
from fabric.core.errors import FabricError, VerificationError
from fabric.core.ids import intent_id, sha256
from fabric.trust import eip712
from fabric.trust.attestation import Assurance, destinations_digest
from fabric.trust.kind import Anchorage, Source, Status
from fabric.trust.merkle import leaf_hash, root_from_inclusion
from fabric.trust.policy import Policy
from fabric.trust.proof import Proof
from fabric.trust.schemes import ED25519, EIP712, is_valid
from fabric.trust.sources import Kinds, check_sources
from fabric.trust.standing import SKEW_SECONDS, check_counts
from fabric.trust.statement import check_statement

STEPS: Final = (
    "format",
    "statement",
    "publication",
    "binding",
    "inclusion",
    "destination",
    "signature",
    "attestation",
    "settlement",
    "policy",
)
_UNANCHORED: Final = Anchorage(Status.UNANCHORED, Source.PROVEN, 0, 0, "")
_RANK: Final[Mapping[Status, int]] = {status: rank for rank, status in enumerate(Status)}


@dataclass(frozen=True)
class Verified:
    """What a proof shows under a policy.

    Attributes:
        proof: the parsed proof; read its fields only from here.
        anchorage: how far it got on its ledger, proven or asserted.
        ledger: the policy's name for the ledger.
        assurance: as appraised.
        isolation: the isolation level that the appraisers stated.
    """

    proof: Proof
    anchorage: Anchorage
    ledger: str
    assurance: Assurance
    isolation: str


def verify(data: bytes, policy: Policy | None, kinds: Kinds) -> Verified:
    """Checks a proof file under a policy, steps 1 to 10 in their order.

    Raises:
        VerificationError: ``step`` is the name of the first step that failed; without a policy, ``policy``.
    """
    with _at("format"):
        proof = Proof.parse(data)
    anchorage = _check_steps(proof, _trust_of(proof, policy), kinds)
    with _at("policy"):
        return _check_policy(proof, policy, anchorage)


def check_consistent(data: bytes, trust: JsonObject, kinds: Kinds) -> None:
    """Checks steps 1 to 9 of a proof file: that it holds together. Whether anybody trusts its roots is step 10.

    Args:
        data: the file.
        trust: what is pinned for the proof's ledger, as in ``Accepted.trust``; seals are judged by it.
        kinds: finds the kind of a ledger.

    Raises:
        VerificationError: as ``verify``, but for ``policy``.
    """
    with _at("format"):
        proof = Proof.parse(data)
    _check_steps(proof, trust, kinds)


def _check_steps(proof: Proof, trust: JsonObject, kinds: Kinds) -> Anchorage:
    """Steps 2 to 9, on typed values."""
    with _at("statement"):
        _check_statement(proof)
    with _at("publication"):
        _check_publication(proof)
    with _at("binding"):
        _check_binding(proof, kinds)
    with _at("inclusion"):
        _check_inclusion(proof)
    with _at("destination"):
        _check_destination(proof)
    with _at("signature"):
        _check_signature(proof)
    with _at("attestation"):
        _check_attestation(proof)
    with _at("settlement"):
        return _check_settlement(proof, kinds, trust)


def _check_statement(proof: Proof) -> None:
    """Step 2."""
    record = proof.record
    digests = {
        "statement": (canonical.encode(proof.statement), record.statement),
        "input": (proof.input, record.input),
        "output": (canonical.encode(proof.output), record.output),
        "payload": (proof.payload, record.payload),
    }
    for name, (content, digest) in digests.items():
        _require(sha256(content) == digest, "statement", f"the {name} is not the one whose digest the record carries")
    check_statement(proof.statement, record)
    expected = intent_id(record.invocation, record.destination)
    _require(record.intent == expected, "statement", "the intent is not that of this invocation and destination")


def _check_publication(proof: Proof) -> None:
    """Step 3."""
    publication = proof.publication
    _require(publication.is_signed(), "publication", "the publisher's signature does not hold")
    _require(
        publication.measurement == proof.record.measurement,
        "publication",
        f"measurement {proof.record.measurement.hex()} ran, {publication.measurement.hex()} is published",
    )
    name = f"{publication.name}@{publication.version}"
    _require(proof.statement["cryptlet"] == name, "publication", f"the statement names another cryptlet than {name}")
    if proof.standing is not None:
        _require(proof.standing.is_signed(), "publication", "the registry's signature of the standing does not hold")
        same = proof.standing.measurement == proof.record.measurement
        _require(same, "publication", f"the standing is of bundle {proof.standing.measurement.hex()}")


def _check_binding(proof: Proof, kinds: Kinds) -> None:
    """Step 4."""
    binding, record = proof.binding, proof.record
    _require(binding.version == record.binding, "binding", "not the binding that the record names")
    _require(binding.measurement == record.measurement, "binding", "the binding names another bundle")
    _require(record.caller in binding.accounts, "binding", "the binding names neither caller nor requester")
    _require(proof.statement["method"] in binding.methods, "binding", "the binding does not allow the method")
    route = next((item for item in binding.routes if item.destination == record.destination), None)
    if route is None or route.recipient != record.recipient:
        raise VerificationError("binding", "the binding does not name this destination and recipient")
    expires = record.as_of + binding.valid_seconds
    _require(record.not_after == expires, "binding", "not-after differs from what the binding allows")
    payload = kinds(proof.destination.kind).encode_payload(route.codec, proof.output)
    _require(payload == proof.payload, "binding", "the codec makes another payload of this output")
    told = [one.summary for one in check_sources(binding, proof.input, kinds)]
    _require(proof.statement["sources"] == told, "binding", "the statement names other events than the input shows")


def _check_inclusion(proof: Proof) -> None:
    """Step 5. ``root_from_inclusion`` refuses a path of the wrong length itself."""
    header = proof.header
    root = root_from_inclusion(leaf_hash(proof.record.encoded), proof.index, header.count, proof.path)
    _require(root == header.root, "inclusion", "the record is not in the batch")
    _require(header.destination == proof.record.destination, "inclusion", "the batch is for another destination")


def _check_destination(proof: Proof) -> None:
    """Step 6."""
    _require(
        proof.destination.id == proof.header.destination,
        "destination",
        f"the ledger described is {proof.destination.id.hex()}, the batch names {proof.header.destination.hex()}",
    )


def _check_signature(proof: Proof) -> None:
    """Step 7. Every signature must hold, so that none is dead weight that anyone may change."""
    keys = proof.attestation.result.keys
    attested = {ED25519: keys.ed25519, EIP712: keys.address}
    _require(any(item.scheme == ED25519 for item in proof.signatures), "signature", "no Ed25519 signature")
    for item in proof.signatures:
        holds = is_valid(item, proof.header.encoded, lambda: eip712.header_digest(proof.header, proof.destination))
        _require(holds, "signature", f"the {item.scheme} signature of the header does not hold")
        _require(item.key == attested[item.scheme], "signature", f"the attestation names another {item.scheme} key")


def _check_attestation(proof: Proof) -> None:
    """Step 8. Whether these appraisers count is step 10."""
    attestation = proof.attestation
    result = attestation.result
    for item in attestation.signatures:
        holds = is_valid(item, result.encoded, lambda: result.typed_digest)
        _require(holds, "attestation", f"an appraiser's {item.scheme} signature does not hold")
    _require(result.epoch == proof.header.epoch, "attestation", "the result is for another epoch")
    digest = destinations_digest(attestation.destinations)
    _require(digest == result.destinations, "attestation", "the destinations are not those of the result")
    _require(proof.header.destination in attestation.destinations, "attestation", "not for this destination")
    isolation = proof.statement["isolation"]
    _require(isolation == result.isolation, "attestation", "the statement names another isolation level")


def _check_settlement(proof: Proof, kinds: Kinds, trust: JsonObject) -> Anchorage:
    """Step 9. Time is the ledger's, never the signer's."""
    if proof.receipt is None:
        return _UNANCHORED
    kind = kinds(proof.destination.kind)
    anchorage = kind.check_receipt(proof.destination, proof.header, proof.receipt, trust)
    result = proof.attestation.result
    _require(
        result.not_before <= anchorage.time <= result.not_after,
        "settlement",
        "anchored outside the validity of the attestation",
    )
    _require(anchorage.time <= proof.record.not_after, "settlement", "anchored after the record had expired")
    earliest = proof.record.as_of - SKEW_SECONDS
    _require(anchorage.time >= earliest, "settlement", "the as-of time lies after the anchor")
    return anchorage


def _check_policy(proof: Proof, policy: Policy | None, anchorage: Anchorage) -> Verified:
    """Step 10."""
    if policy is None:
        raise VerificationError("policy", "consistent, not trusted: no policy was given")
    record, result = proof.record, proof.attestation.result
    accepted = policy.destinations.get(record.destination)
    if accepted is None:
        raise VerificationError("policy", "consistent, not trusted: the policy does not name this ledger")
    name, publisher = proof.publication.name, proof.publication.signature.key
    demands = (
        (record.fabric in policy.fabrics, "the policy does not name this fabric"),
        (result.fabric in policy.measurements, "the policy does not accept the fabric's measurement"),
        (result.isolation in policy.isolation, f"isolation level {result.isolation!r} is not accepted"),
        (
            result.assurance >= policy.minimum_assurance,
            f"assurance {result.assurance.name.lower()} is less than {policy.minimum_assurance.name.lower()}",
        ),
        (_quorum(proof, policy) >= policy.threshold, "fewer appraisers than the policy demands"),
        (
            any(item.key == publisher and item.may_publish(name) for item in policy.publishers),
            "publisher not accepted",
        ),
        (
            _RANK[anchorage.status] >= _RANK[accepted.minimum_status],
            f"status {anchorage.status} is less than {accepted.minimum_status}",
        ),
        (
            anchorage.source is Source.PROVEN or accepted.accept_asserted,
            "the ledger's word is only asserted",
        ),
    )
    for holds, reason in demands:
        _require(holds, "policy", f"consistent, not trusted: {reason}")
    check_counts(proof.standing, policy.registries, record.as_of if proof.receipt is None else anchorage.time)
    return Verified(proof, anchorage, accepted.name, result.assurance, result.isolation)


def _quorum(proof: Proof, policy: Policy) -> int:
    """Counts appraisers of the policy that signed with either of their keys; the signatures held in step 8."""
    signed = {(item.scheme, item.key) for item in proof.attestation.signatures}
    return sum((ED25519, item.ed25519) in signed or (EIP712, item.address) in signed for item in policy.appraisers)


def _trust_of(proof: Proof, policy: Policy | None) -> JsonObject:
    accepted = policy.destinations.get(proof.record.destination) if policy else None
    return accepted.trust if accepted else {}


@contextmanager
def _at(step: str) -> Iterator[None]:
    """Refuses in the name of a step whatever fails inside, also where a shared part knows another name or none."""
    try:
        yield
    except VerificationError as error:
        raise VerificationError(step, error.reason) from error
    except FabricError as error:
        raise VerificationError(step, str(error)) from error


def _require(holds: bool, step: str, reason: str) -> None:  # noqa: FBT001 - reads as a sentence at every call
    if not holds:
        raise VerificationError(step, reason)
