"""One wrong proof for each condition of each step of the verifier; everything else in it holds and is signed anew."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Final

from fabric.core import canonical
from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.ids import caller_account, sha256
from fabric.trust.attestation import Assurance, destinations_digest
from fabric.trust.binding import Binding, write_binding
from fabric.trust.proof import Proof
from fabric.trust.publication import Publication
from fabric.trust.schemes import EIP712, Signature
from fabric.trust.standing import SKEW_SECONDS, Standing, State
from tests.support.proofs import (
    ANCHORED,
    APPRAISERS,
    AS_OF,
    ENCLAVE,
    NATIVE,
    PUBLISHER,
    STRANGER,
    USUAL,
    VALID_SECONDS,
    Recipe,
    Sign,
    by_appraisers,
    by_publisher,
)
from tests.support.trust_samples import word

OTHER: Final = word("something else")
Case = Callable[[Recipe], Proof]


def made(**changes: object) -> Case:
    """Changes the recipe: what depends on it is made and signed anew."""
    return lambda recipe: replace(recipe, **changes).make()  # type: ignore[arg-type]


def touched(change: Callable[[Proof], Proof]) -> Case:
    """Changes the finished proof."""
    return lambda recipe: change(recipe.make())


def spoiled(sign: Sign, at: int) -> Sign:
    """Signs, and spoils one of the signatures."""

    def spoil(message: bytes, digest: bytes) -> tuple[Signature, ...]:
        signatures = list(sign(message, digest))
        value = signatures[at].value
        signatures[at] = replace(signatures[at], value=value[:40] + bytes([value[40] ^ 1]) + value[41:])
        return tuple(signatures)

    return spoil


def mixed(message: bytes, digest: bytes) -> tuple[Signature, ...]:
    """Signs with the Ed25519 key of the enclave and the other key of a stranger."""
    return ENCLAVE.signatures(message, digest)[0], STRANGER.signatures(message, digest)[1]


def by_address(publication: Publication) -> Signature:
    """Signs a publication under the scheme that publishers do not use."""
    return PUBLISHER.signature(EIP712, b"", sha256(publication.name.encode()))


def without_isolation(proof: Proof) -> dict[str, object]:
    return {name: value for name, value in proof.statement.items() if name != "isolation"}


def _restated(proof: Proof, statement: dict[str, object]) -> Proof:
    """Returns the proof of a batch of one whose record carries this statement."""
    digest = sha256(canonical.encode(statement))  # type: ignore[arg-type]
    return replace(proof, record=replace(proof.record, statement=digest), statement=statement)  # type: ignore[arg-type]


def _attested_elsewhere(proof: Proof) -> Proof:
    places = tuple(one for one in proof.attestation.destinations if one != proof.header.destination)
    result = replace(proof.attestation.result, destinations=destinations_digest(places))
    signatures = by_appraisers(*APPRAISERS[:2])(result.encoded, result.typed_digest)
    return replace(
        proof, attestation=replace(proof.attestation, result=result, destinations=places, signatures=signatures)
    )


def _other_kind(proof: Proof) -> JsonObject | None:
    other = {"native": "ethereum", "ethereum": "native"}[proof.destination.kind]
    return USUAL[other].make().receipt


def _standing(proof: Proof) -> Standing:
    assert proof.standing is not None
    return proof.standing


def _cleared(proof: Proof) -> Standing:
    return replace(_standing(proof), position=_standing(proof).position + 1)


def _addressed(proof: Proof) -> Standing:
    return replace(_standing(proof), signature=by_address(proof.publication))


def _moved(name: str, proof: Proof) -> Proof:
    return replace(proof, destination=replace(proof.destination, **{name: OTHER}))  # type: ignore[arg-type]


def _rewritten(proof: Proof, **changes: JsonValue) -> Binding:
    fields = canonical.decode_object(proof.binding.document)
    fields.pop("format")
    return write_binding(fields | changes)


STATEMENT: Final[dict[str, Case]] = (
    {
        "statement": touched(lambda proof: replace(proof, statement=proof.statement | {"usage": {}})),
        "input": touched(lambda proof: replace(proof, input=b"another file")),
        "output": touched(lambda proof: replace(proof, output={"accepted": False, "mean": 5123})),
        "payload": touched(lambda proof: replace(proof, payload=proof.payload + b" ")),
        "record's statement": made(record={"statement": OTHER}),
        "record's input": made(fields={"input": OTHER}),
        "record's output": made(fields={"output": OTHER}),
        "record's payload": made(fields={"payload": OTHER}),
        "format": made(statement={"format": "cryptlet-fabric/statement/v2"}),
        "foreign name": made(statement={"enclave": "mine"}),
        "missing name": touched(lambda proof: _restated(proof, without_isolation(proof))),
        "method": made(statement={"method": "approve"}),
        "method is no text": made(statement={"method": ["judge"]}),
        "state version is a truth value": made(statement={"state_version": True}),
        "intent": made(fields={"intent": OTHER}),
        "record's invocation": made(record={"invocation": OTHER}),
    }
    | {
        f"says another {name}": made(statement={name: OTHER.hex()})
        for name in (
            *("fabric", "destination", "recipient", "measurement", "binding", "caller", "invocation", "intent"),
            *("input", "output", "payload"),
        )
    }
    | {f"says another {name}": made(statement={name: 7}) for name in ("state_version", "as_of", "not_after")}
)


PUBLICATION: Final[dict[str, Case]] = {
    "signature of another": made(publish=lambda one: replace(by_publisher(one, STRANGER), key=PUBLISHER.key)),
    "signature under another scheme": made(publish=by_address),
    "signature of other fields": touched(
        lambda proof: replace(proof, publication=replace(proof.publication, version="1.0.1"))
    ),
    "another bundle is published": made(fields={"measurement": OTHER}),
    "another name": made(statement={"cryptlet": "cold-chain@1.0.1"}),
    "name is no text": made(statement={"cryptlet": 1}),
    "standing of other fields": touched(lambda proof: replace(proof, standing=_cleared(proof))),
    "standing of another bundle": made(standing={"measurement": OTHER}),
    "standing under another scheme": touched(lambda proof: replace(proof, standing=_addressed(proof))),
}

BINDING: Final[dict[str, Case]] = {
    "another version": touched(lambda proof: replace(proof, binding=_rewritten(proof, name="other"))),
    "another bundle": made(binding={"measurement": OTHER.hex()}),
    "caller": made(fields={"caller": caller_account("stranger")}),
    "requester": made(binding={"requesters": [OTHER.hex()]}, fields={"caller": caller_account("stranger")}),
    "method": made(binding={"methods": ["approve"]}),
    "sources": made(statement={"sources": [{"event": "sent"}]}),
    "events": made(
        binding={
            "sources": [
                {
                    "accept_asserted": True,
                    "destination": NATIVE.to_json(),
                    "minimum_status": "unanchored",
                    "trust": {},
                }
            ]
        }
    ),
    "destination": made(route={"id": OTHER.hex()}),
    "recipient": made(fields={"recipient": OTHER}),
    "not after": made(fields={"not_after": AS_OF + VALID_SECONDS + 1}),
    "payload": made(payload=b"another payload"),
    "codec": made(route={"codec": {"kind": "cbor"}}),
    "codec with a name too many": made(route={"codec": {"kind": "json", "more": 1}}),
    "ledger kind without adapter": made(destination=replace(NATIVE, kind="hyperledger")),
}

INCLUSION: Final[dict[str, Case]] = {
    "root": made(header={"root": OTHER}),
    "index": touched(lambda proof: replace(proof, index=0)),
    "index outside": touched(lambda proof: replace(proof, index=3)),
    "path": touched(lambda proof: replace(proof, path=(OTHER, *proof.path[1:]))),
    "path too short": touched(lambda proof: replace(proof, path=proof.path[:-1])),
    "path too long": touched(lambda proof: replace(proof, path=(*proof.path, OTHER))),
    "count": made(header={"count": 5}),
    "destination": made(header={"destination": OTHER}),
}

DESTINATION: Final[dict[str, Case]] = {
    name: touched(partial(_moved, name)) for name in ("chain", "genesis", "settlement", "salt")
}

SIGNATURE: Final[dict[str, Case]] = {
    "none": made(sign=lambda *_: ()),
    "no Ed25519 signature": made(sign=lambda *told: ENCLAVE.signatures(*told)[1:]),
    "Ed25519 does not hold": made(sign=spoiled(ENCLAVE.signatures, 0)),
    "EIP-712 does not hold": made(sign=spoiled(ENCLAVE.signatures, 1)),
    "of another enclave": made(sign=STRANGER.signatures),
    "of another account": made(sign=mixed),
    "key that is not attested": made(result={"keys": STRANGER.public}),
    "of another header": touched(
        lambda proof: replace(proof, signatures=Recipe(header={"epoch": 9}).make().signatures)
    ),
}

ATTESTATION: Final[dict[str, Case]] = {
    "Ed25519 does not hold": made(appraise=spoiled(by_appraisers(*APPRAISERS[:2]), 0)),
    "EIP-712 does not hold": made(appraise=spoiled(by_appraisers(*APPRAISERS[:2]), 2)),
    "unknown appraiser's does not hold": made(appraise=spoiled(by_appraisers(STRANGER), 0)),
    "of another result": touched(
        lambda proof: replace(
            proof,
            attestation=replace(
                proof.attestation, result=replace(proof.attestation.result, assurance=Assurance.HARDWARE)
            ),
        )
    ),
    "epoch": made(result={"epoch": 4}),
    "destinations": made(result={"destinations": OTHER}),
    "not for this destination": touched(_attested_elsewhere),
    "isolation": made(statement={"isolation": "none"}),
    "isolation is no text": made(statement={"isolation": 1}),
}


SETTLEMENT: Final[dict[str, Case]] = {
    "another header": made(settled=replace(Recipe().make().header, epoch=9)),
    "before the attestation": made(result={"not_before": ANCHORED + 1}),
    "after the attestation": made(result={"not_after": ANCHORED - 1}),
    "after the record's end": made(anchored=AS_OF + VALID_SECONDS + 1),
    "before the record's time": made(anchored=AS_OF - SKEW_SECONDS - 1, result={"not_before": AS_OF - 3_600}),
    "no material": touched(lambda proof: replace(proof, receipt={})),
    "material with a name too many": touched(
        lambda proof: replace(proof, receipt=(proof.receipt or {}) | {"witness": "me"})
    ),
    "material of another kind": touched(lambda proof: replace(proof, receipt=_other_kind(proof))),
}


POLICY: Final[dict[str, Case]] = {
    "fabric": made(fields={"fabric": OTHER}),
    "fabric's code": made(result={"fabric": OTHER}),
    "isolation": made(result={"isolation": "none"}, statement={"isolation": "none"}),
    "assurance": made(result={"assurance": Assurance.SIMULATED}),
    "no appraiser": made(appraise=lambda *_: ()),
    "one appraiser of two": made(appraise=by_appraisers(APPRAISERS[1])),
    "one appraiser and a stranger": made(appraise=by_appraisers(APPRAISERS[1], STRANGER)),
    "publisher": made(publish=lambda one: by_publisher(one, STRANGER)),
    "name": made(publication={"name": "cold-chains"}),
    "unanchored": touched(lambda proof: replace(proof, receipt=None)),
    "no standing": touched(lambda proof: replace(proof, standing=None)),
    "standing of a strange registry": made(standing={"registry": "registry.example/other"}),
    "standing of a strange key": made(vouch=STRANGER),
    "standing that had expired": made(standing={"expires": ANCHORED - 1}),
    "standing issued later": made(standing={"issued": ANCHORED + SKEW_SECONDS + 1, "expires": ANCHORED + 3_600}),
    "quarantined": made(standing={"state": State.QUARANTINED, "reason": "looked at"}),
    "revoked": made(standing={"state": State.REVOKED, "reason": "a stolen key"}),
}

TABLE: Final = {
    "statement": STATEMENT,
    "publication": PUBLICATION,
    "binding": BINDING,
    "inclusion": INCLUSION,
    "destination": DESTINATION,
    "signature": SIGNATURE,
    "attestation": ATTESTATION,
    "settlement": SETTLEMENT,
    "policy": POLICY,
}
