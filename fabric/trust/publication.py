"""Publication: a publisher's signed word that a bundle of this measurement bears this name (docs/spec/bundle.md).

measurement = SHA-256 over three words: tag, SHA-256 of the wheel file, SHA-256 of the canonical
list of its locked dependencies. The interpreter and the SDK belong to the fabric's measurement.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

from fabric.core import canonical
from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.errors import Malformed
from fabric.core.ids import Digest, Measurement, parse_word, sha256, tag
from fabric.trust.schemes import ED25519, Signature, is_ed25519, parse_signature

FORMAT: Final = "cryptlet-fabric/publication/v1"
MEASUREMENT_TAG: Final = tag("cryptlet-fabric/measurement/v1")
KINDS: Final = ("utility", "contract")
_NAMES: Final = frozenset({"format", "kind", "lock", "name", "version", "wheel"})


@dataclass(frozen=True)
class Publication:
    """What the publisher signs, as canonical JSON, and the signature.

    Attributes:
        name: name of the cryptlet.
        version: its version.
        kind: ``utility`` or ``contract``.
        wheel: SHA-256 of the wheel file.
        lock: SHA-256 of the canonical JSON list of locked dependencies.
        signature: the publisher's Ed25519 signature over ``statement``.
    """

    name: str
    version: str
    kind: str
    wheel: Digest
    lock: Digest
    signature: Signature

    @property
    def fields(self) -> JsonObject:
        """The statement as a JSON object."""
        return {
            "format": FORMAT,
            "kind": self.kind,
            "lock": self.lock.hex(),
            "name": self.name,
            "version": self.version,
            "wheel": self.wheel.hex(),
        }

    @cached_property
    def measurement(self) -> Measurement:
        """Identity of the bundle."""
        return measure(self.wheel, self.lock)

    def is_signed(self) -> bool:
        """Says whether the signature is of the key it names; who that key is, a policy decides."""
        return self.signature.scheme == ED25519 and is_ed25519(
            self.signature.key, self.signature.value, canonical.encode(self.fields)
        )

    def to_json(self) -> JsonObject:
        """Returns statement and signature as a JSON object."""
        return {"signature": self.signature.to_json(), "statement": self.fields}


def measure(wheel: Digest, lock: Digest) -> Measurement:
    """Returns the measurement of a bundle from the digests of its wheel file and its dependency lock."""
    return Measurement(sha256(MEASUREMENT_TAG, wheel, lock))


def parse_publication(value: JsonValue) -> Publication:
    """Reads what ``Publication.to_json`` writes; raises ``Malformed``.

    Does not check the signature.
    """
    if not isinstance(value, dict) or set(value) != {"signature", "statement"}:
        raise Malformed("publication", "expected an object with signature and statement")
    fields = value["statement"]
    if not isinstance(fields, dict) or set(fields) != _NAMES or fields["format"] != FORMAT:
        raise Malformed("publication.statement", f"expected format {FORMAT!r}, names {sorted(_NAMES)}")
    texts = {name: fields[name] for name in ("name", "version", "kind")}
    if not all(isinstance(text, str) and 0 < len(text) <= 200 for text in texts.values()):  # noqa: PLR2004 - a line
        raise Malformed("publication.statement", "name, version and kind are short texts")
    if fields["kind"] not in KINDS:
        raise Malformed("publication.statement.kind", f"expected one of {', '.join(KINDS)}")
    return Publication(
        **{name: str(text) for name, text in texts.items()},
        wheel=Digest(parse_word(fields["wheel"], "publication.wheel")),
        lock=Digest(parse_word(fields["lock"], "publication.lock")),
        signature=parse_signature(value["signature"]),
    )
