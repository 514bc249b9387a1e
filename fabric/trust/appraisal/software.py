"""Evidence of kind ``software``: a host operator's key vouches that it came from that operator's machine.

It shows who holds the keys and who vouches. It does not show which code runs: without hardware the measurement and
the isolation level are the host's claim.
"""

from typing import Final

from fabric.core import canonical
from fabric.core.canonical import JsonObject
from fabric.core.errors import Malformed, VerificationError
from fabric.core.ids import sha256
from fabric.trust.appraisal.evidence import BODY_NAMES, STEP, Claims, read_subject
from fabric.trust.attestation import Assurance
from fabric.trust.schemes import ED25519, Signature, is_ed25519, parse_signature

KIND: Final = "software"
DOMAIN: Final = b"cryptlet-fabric/software-evidence/v1\0"


def message_of(body: JsonObject) -> bytes:
    """Returns what the attester's key signs: the domain and the canonical body."""
    return DOMAIN + canonical.encode(body)


def write_evidence(body: JsonObject, attester: Signature) -> bytes:
    """Returns the document: the body and the attester's signature over it."""
    return canonical.encode(body | {"attester": attester.to_json()})


def appraise(document: bytes, value: JsonObject) -> Claims:
    """Checks evidence of this kind.

    Args:
        document: the canonical bytes.
        value: the object that they spell.

    Raises:
        Malformed: a field is missing, foreign or ill-formed.
        VerificationError: step ``evidence``.
    """
    if set(value) != BODY_NAMES | {"attester"}:
        raise Malformed(STEP, f"{KIND} evidence has the names {sorted(BODY_NAMES | {'attester'})}")
    attester = parse_signature(value["attester"])
    body = {name: value[name] for name in BODY_NAMES}
    if attester.scheme != ED25519 or not is_ed25519(attester.key, attester.value, message_of(body)):
        raise VerificationError(STEP, "the attester's signature does not hold")
    return Claims(read_subject(body), KIND, Assurance.SOFTWARE, attester.key, sha256(document))
