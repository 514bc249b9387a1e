"""Evidence: what an enclave presents about itself and its keys (docs/spec/evidence.md).

Canonical JSON. The part that every kind has in common is here: the body, the proof of possession of both keys over
the report data, and the claims that an appraisal gives.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.errors import Malformed, VerificationError
from fabric.core.ids import Digest, Measurement, parse_word, tag
from fabric.trust import eip712, words
from fabric.trust.attestation import Assurance, KeySet, report_data
from fabric.trust.schemes import (
    ADDRESS_BYTES,
    ED25519,
    EIP712,
    Signature,
    is_valid,
    parse_signature,
)

FORMAT: Final = "cryptlet-fabric/evidence/v1"
MAX_BYTES: Final = 65_536
NONCE_BYTES: Final = 32
POSSESSION_TAG: Final = tag("cryptlet-fabric/possession/v1")
STEP: Final = "evidence"
_POSSESSION_TYPE: Final = b"Possession(bytes32 reportHigh,bytes32 reportLow,uint256 epoch)"
_MAX_TEXT: Final = 200


@dataclass(frozen=True)
class Possession:
    """What both keys of an enclave sign to show that it holds them; three words after the tag.

    Attributes:
        report: the 64 bytes of report data, see ``fabric.trust.attestation.report_data``.
        epoch: the key epoch, which report data do not cover.
    """

    report: bytes
    epoch: int

    @cached_property
    def encoded(self) -> bytes:
        """The four words; also the Ed25519 message."""
        return b"".join((POSSESSION_TAG, self.report, words.uint(self.epoch)))

    @property
    def typed_digest(self) -> Digest:
        """The EIP-712 digest, domain of name and version only."""
        struct = eip712.struct_hash(_POSSESSION_TYPE, self.encoded[32:])
        return eip712.typed_digest(eip712.plain_domain_separator(), struct)


@dataclass(frozen=True)
class Subject:
    """What evidence is about.

    Attributes:
        nonce: the appraiser's fresh 32 bytes.
        keys: the enclave's public keys.
        fabric: measurement of the fabric's code.
        isolation: name of the isolation level that its self-test found.
        epoch: key epoch.
        platform: facts about the machine for people; short texts by name, nothing rests on them.
    """

    nonce: bytes
    keys: KeySet
    fabric: Measurement
    isolation: str
    epoch: int
    platform: Mapping[str, str]

    @property
    def report(self) -> bytes:
        """The 64 bytes of report data."""
        return report_data(self.nonce, self.keys, self.fabric, self.isolation)

    @property
    def possession(self) -> Possession:
        """What both keys sign."""
        return Possession(self.report, self.epoch)

    def to_json(self, kind: str, possession: tuple[Signature, Signature]) -> JsonObject:
        """Returns the body of evidence of a kind; the kind adds what it rests on."""
        keys: JsonObject = {"address": self.keys.address.hex(), "ed25519": self.keys.ed25519.hex()}
        return {
            "epoch": self.epoch,
            "fabric": self.fabric.hex(),
            "format": FORMAT,
            "isolation": self.isolation,
            "keys": keys,
            "kind": kind,
            "nonce": self.nonce.hex(),
            "platform": dict(self.platform),
            "possession": [signature.to_json() for signature in possession],
            "report_data": self.report.hex(),
        }


BODY_NAMES: Final = frozenset(
    ("epoch", "fabric", "format", "isolation", "keys", "kind", "nonce", "platform", "possession", "report_data")
)


@dataclass(frozen=True)
class Claims:
    """What an appraisal found true of evidence, as far as its kind can show it.

    Attributes:
        subject: what the evidence is about.
        kind: kind of the evidence.
        assurance: the most that this kind can give; the evidence itself has no say in it.
        attester: public key of who vouches for it; a policy decides whether to believe it.
        evidence: SHA-256 of the document.
    """

    subject: Subject
    kind: str
    assurance: Assurance
    attester: bytes
    evidence: Digest


def read_subject(body: JsonObject) -> Subject:
    """Reads the common part of evidence and checks that report data and possession hold for it.

    Raises:
        Malformed: a field is missing or ill-formed.
        VerificationError: step ``evidence``: report data or a key's signature do not fit.
    """
    if not set(body) >= BODY_NAMES or body["format"] != FORMAT:
        raise Malformed(STEP, f"expected format {FORMAT!r} and the names {sorted(BODY_NAMES)}")
    subject = Subject(
        nonce=parse_word(body["nonce"], "evidence.nonce"),
        keys=_keys(body["keys"]),
        fabric=Measurement(parse_word(body["fabric"], "evidence.fabric")),
        isolation=_isolation(body["isolation"]),
        epoch=_epoch(body["epoch"]),
        platform=_platform(body["platform"]),
    )
    if body["report_data"] != subject.report.hex():
        raise VerificationError(STEP, "report data are not of this nonce, keys, fabric and isolation")
    _check_possession(body["possession"], subject)
    return subject


def _check_possession(value: JsonValue, subject: Subject) -> None:
    if not isinstance(value, list) or len(value) != 2:  # noqa: PLR2004 - one a scheme
        raise Malformed("evidence.possession", "expected two signatures")
    signatures = [parse_signature(item) for item in value]
    holders = [(signature.scheme, signature.key) for signature in signatures]
    if holders != [(ED25519, subject.keys.ed25519), (EIP712, subject.keys.address)]:
        raise VerificationError(STEP, "possession is not shown by the keys of the evidence")
    possession = subject.possession
    for signature in signatures:
        if not is_valid(signature, possession.encoded, lambda: possession.typed_digest):
            raise VerificationError(STEP, f"possession of the {signature.scheme} key is not shown")


def _keys(value: JsonValue) -> KeySet:
    if not isinstance(value, dict) or set(value) != {"address", "ed25519"}:
        raise Malformed("evidence.keys", "expected an object with address and ed25519")
    address = value["address"]
    padded = f"{address:0>64}" if isinstance(address, str) and len(address) == 2 * ADDRESS_BYTES else ""
    return KeySet(
        parse_word(value["ed25519"], "evidence.keys.ed25519"),
        parse_word(padded, "evidence.keys.address")[-ADDRESS_BYTES:],
    )


def _isolation(value: JsonValue) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= 32 or not value.isascii() or "\0" in value:  # noqa: PLR2004 - word
        raise Malformed("evidence.isolation", "expected 1 to 32 ASCII characters")
    return value


def _epoch(value: JsonValue) -> int:
    if type(value) is not int or value < 0:
        raise Malformed("evidence.epoch", "expected an unsigned integer")
    return value


def _platform(value: JsonValue) -> dict[str, str]:
    if not isinstance(value, dict) or len(value) > 64:  # noqa: PLR2004 - a few facts
        raise Malformed("evidence.platform", "expected an object of at most 64 facts")
    facts = {name: text for name, text in value.items() if isinstance(text, str) and len(text) <= _MAX_TEXT}
    if len(facts) != len(value):
        raise Malformed("evidence.platform", f"expected texts of at most {_MAX_TEXT} characters")
    return facts
