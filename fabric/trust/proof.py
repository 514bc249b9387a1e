"""Proof: everything about one result on one ledger in one canonical JSON file (docs/spec/proof.md).

Parsing gives typed values and checks nothing but the form; ``fabric.trust.verifier`` checks the rest. A form that
could be spelled in two ways is refused, so that no byte of an accepted file is free.
"""

import base64
from dataclasses import dataclass
from typing import Final, Self

from fabric.core import canonical
from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.errors import Malformed
from fabric.core.ids import DestinationId, Digest, parse_word
from fabric.trust.attestation import MAX_DESTINATIONS, AttestationResult
from fabric.trust.batch import Header
from fabric.trust.binding import Binding
from fabric.trust.destination import Destination, parse_destination
from fabric.trust.fields import read_base64, read_hex, read_integer, read_list, read_object
from fabric.trust.merkle import parse_path
from fabric.trust.publication import Publication, parse_publication
from fabric.trust.record import Record
from fabric.trust.schemes import Signature, parse_signature
from fabric.trust.standing import Standing, parse_standing

FORMAT: Final = "cryptlet-fabric/proof/v1"
MAX_BYTES: Final = canonical.MAX_BYTES - (64 << 10)
"""So much takes the proof of a message that one block full of logs told of and another one settled, and so much fits
into an answer of the API (``fabric.wire.service``)."""
MAX_DEPTH: Final = canonical.MAX_DEPTH + 2
"""The deepest input that is admitted, inside the file and inside ``{"json": ...}``."""
MAX_SIGNATURES: Final = 64
_NAMES: Final = frozenset(
    (
        "attestation",
        "batch",
        "binding",
        "destination",
        "format",
        "input",
        "output",
        "payload",
        "publication",
        "receipt",
        "record",
        "standing",
        "statement",
    )
)
_BATCH: Final = frozenset({"header", "index", "path", "signatures"})
_ATTESTATION: Final = frozenset({"destinations", "result", "signatures"})


@dataclass(frozen=True)
class Attestation:
    """An attestation result with the destinations behind its digest and the appraisers' signatures."""

    result: AttestationResult
    destinations: tuple[DestinationId, ...]
    signatures: tuple[Signature, ...]

    def to_json(self) -> JsonObject:
        """Returns the attestation as a JSON object."""
        return {
            "destinations": [item.hex() for item in self.destinations],
            "result": self.result.encoded.hex(),
            "signatures": [item.to_json() for item in self.signatures],
        }


@dataclass(frozen=True)
class Proof:
    """The parts of a proof file, in the order in which they are checked.

    Attributes:
        record: what was signed, through the batch.
        statement: the details for people.
        input: the exact input bytes.
        output: the output, a JSON value.
        payload: the bytes for the recipient.
        publication: which bundle, by whose word.
        standing: what a registry said of the bundle when the batch was anchored; None where none was asked.
        binding: under which binding.
        header: header of the batch.
        index: position of the record in the batch.
        path: RFC 6962 audit path.
        signatures: the enclave's signatures over the header.
        destination: the ledger deployment.
        attestation: who vouches for the enclave.
        receipt: what the ledger says; None while it is unanchored.
    """

    record: Record
    statement: JsonObject
    input: bytes
    output: JsonValue
    payload: bytes
    publication: Publication
    standing: Standing | None
    binding: Binding
    header: Header
    index: int
    path: tuple[Digest, ...]
    signatures: tuple[Signature, ...]
    destination: Destination
    attestation: Attestation
    receipt: JsonObject | None

    def encode(self) -> bytes:
        """Returns the canonical file; ``Proof.parse(p.encode()) == p``."""
        return canonical.encode(
            {
                "attestation": self.attestation.to_json(),
                "batch": {
                    "header": self.header.encoded.hex(),
                    "index": self.index,
                    "path": [item.hex() for item in self.path],
                    "signatures": [item.to_json() for item in self.signatures],
                },
                "binding": canonical.decode(self.binding.document),
                "destination": self.destination.to_json(),
                "format": FORMAT,
                "input": _input_to_json(self.input),
                "output": self.output,
                "payload": self.payload.hex(),
                "publication": self.publication.to_json(),
                "receipt": self.receipt,
                "record": self.record.encoded.hex(),
                "standing": self.standing.to_json() if self.standing else None,
                "statement": self.statement,
            },
            max_depth=MAX_DEPTH,
        )

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Reads a proof file; raises ``Malformed`` for anything but its one canonical spelling."""
        value = read_object(canonical.decode(data, max_bytes=MAX_BYTES, max_depth=MAX_DEPTH), _NAMES, "proof")
        if value["format"] != FORMAT:
            raise Malformed("proof.format", f"expected {FORMAT!r}")
        batch = read_object(value["batch"], _BATCH, "proof.batch")
        receipt, statement, standing = value["receipt"], value["statement"], value["standing"]
        if not isinstance(statement, dict) or not (receipt is None or isinstance(receipt, dict)):
            raise Malformed("proof", "statement is an object, receipt an object or null")
        return cls(
            record=Record.decode(read_hex(value["record"], "proof.record")),
            statement=statement,
            input=_read_input(value["input"]),
            output=value["output"],
            payload=read_hex(value["payload"], "proof.payload"),
            publication=parse_publication(value["publication"]),
            standing=None if standing is None else parse_standing(standing),
            binding=Binding.parse(canonical.encode(value["binding"])),
            header=Header.decode(read_hex(batch["header"], "proof.batch.header")),
            index=read_integer(batch["index"], "proof.batch.index", 0, 2**32),
            path=parse_path(batch["path"], "proof.batch.path"),
            signatures=read_signatures(batch["signatures"], "proof.batch.signatures"),
            destination=parse_destination(value["destination"]),
            attestation=parse_attestation(value["attestation"]),
            receipt=receipt,
        )


def parse_attestation(value: JsonValue) -> Attestation:
    """Reads what ``Attestation.to_json`` writes; raises ``Malformed``. Checks no signature."""
    fields = read_object(value, _ATTESTATION, "attestation")
    destinations = read_list(
        fields["destinations"],
        lambda item: DestinationId(parse_word(item, "attestation.destinations")),
        "attestation.destinations",
        MAX_DESTINATIONS,
    )
    if list(destinations) != sorted(set(destinations)):
        raise Malformed("attestation.destinations", "expected ascending order without repetition")
    return Attestation(
        result=AttestationResult.decode(read_hex(fields["result"], "attestation.result")),
        destinations=destinations,
        signatures=read_signatures(fields["signatures"], "attestation.signatures"),
    )


def read_signatures(value: JsonValue, field: str) -> tuple[Signature, ...]:
    """Reads a list of signatures ascending by scheme and key, one a key, so that its spelling is unique."""
    signatures = read_list(value, parse_signature, field, MAX_SIGNATURES)
    order = [(item.scheme, item.key) for item in signatures]
    if order != sorted(set(order)):
        raise Malformed(field, "expected ascending order by scheme and key, one signature a key")
    return signatures


def _input_to_json(data: bytes) -> JsonObject:
    if not _is_canonical(data):
        return {"base64": base64.b64encode(data).decode()}
    return {"json": canonical.decode(data)}


def _read_input(value: JsonValue) -> bytes:
    if isinstance(value, dict) and set(value) == {"json"}:
        return canonical.encode(value["json"])
    data = read_base64(read_object(value, frozenset({"base64"}), "proof.input")["base64"], "proof.input")
    if _is_canonical(data):
        raise Malformed("proof.input", "canonical JSON is spelled as json, not as base64")
    return data


def _is_canonical(data: bytes) -> bool:
    try:
        canonical.decode(data)
    except Malformed:
        return False
    return True
