"""Appraisal policy: the lines that evidence must meet, as canonical JSON (docs/spec/attestation.md)."""

from dataclasses import dataclass
from typing import Final

from fabric.core import canonical
from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.errors import Malformed, Refused
from fabric.core.ids import DestinationId, Measurement, parse_word
from fabric.trust.appraisal.evidence import Claims
from fabric.trust.attestation import MAX_DESTINATIONS, Assurance
from fabric.trust.fields import read_choice, read_integer, read_list, read_object, read_text

FORMAT: Final = "cryptlet-fabric/appraisal-policy/v1"
MAX_BYTES: Final = 65_536
_MAX_SECONDS: Final = 10 * 366 * 86_400
_MAX_LINES: Final = 1024
_FIELD: Final = "appraisal policy"
_ASSURANCES: Final = {assurance.name.lower(): assurance for assurance in Assurance}
_NAMES: Final = frozenset(
    (
        "attesters",
        "destinations",
        "fabric_measurements",
        "format",
        "isolation",
        "minimum_assurance",
        "skew_seconds",
        "valid_seconds",
    )
)


@dataclass(frozen=True)
class AppraisalPolicy:
    """What an appraiser accepts; an empty set accepts nothing.

    Attributes:
        attesters: public keys of attesters that are believed.
        fabric_measurements: measurements of fabric code that may run.
        isolation: names of isolation levels that suffice.
        destinations: ids of destinations that results may name.
        minimum_assurance: the least that evidence must rest on.
        valid_seconds: how long a result holds.
        skew_seconds: how far before the appraiser's clock a result's validity starts, since a ledger's may lag.
    """

    attesters: frozenset[bytes]
    fabric_measurements: frozenset[Measurement]
    isolation: frozenset[str]
    destinations: frozenset[DestinationId]
    minimum_assurance: Assurance = Assurance.SOFTWARE
    valid_seconds: int = 30 * 86_400
    skew_seconds: int = 300

    def to_json(self) -> bytes:
        """Returns the canonical document."""
        return canonical.encode(
            {
                "attesters": _hexes(self.attesters),
                "destinations": _hexes(self.destinations),
                "fabric_measurements": _hexes(self.fabric_measurements),
                "format": FORMAT,
                "isolation": [*sorted(self.isolation)],
                "minimum_assurance": self.minimum_assurance.name.lower(),
                "skew_seconds": self.skew_seconds,
                "valid_seconds": self.valid_seconds,
            }
        )

    def check(self, claims: Claims, destinations: frozenset[DestinationId]) -> None:
        """Compares claims and the asked destinations with each line.

        Raises:
            Refused: names the first line that is not met, what it allows and what was found.
        """
        if claims.assurance < self.minimum_assurance:
            found = claims.assurance.name.lower()
            raise _refusal("minimum_assurance", f"{self.minimum_assurance.name.lower()} or more", found)
        if claims.attester not in self.attesters:
            raise _refusal("attesters", "a pinned key", claims.attester.hex())
        if claims.subject.fabric not in self.fabric_measurements:
            raise _refusal("fabric_measurements", "an accepted one", claims.subject.fabric.hex())
        if claims.subject.isolation not in self.isolation:
            raise _refusal("isolation", " or ".join(sorted(self.isolation)), claims.subject.isolation)
        if not 1 <= len(destinations) <= MAX_DESTINATIONS:
            raise _refusal("destinations", f"1 to {MAX_DESTINATIONS}", str(len(destinations)))
        for destination in sorted(destinations - self.destinations):
            raise _refusal("destinations", "an accepted one", destination.hex())


def parse_policy(document: bytes) -> AppraisalPolicy:
    """Reads a canonical policy document; raises ``Malformed``."""
    value = read_object(canonical.decode(document, max_bytes=MAX_BYTES), _NAMES, _FIELD)
    if value["format"] != FORMAT:
        raise Malformed(f"{_FIELD}.format", f"expected {FORMAT!r}")
    return AppraisalPolicy(
        attesters=frozenset(_words(value, "attesters")),
        fabric_measurements=frozenset(map(Measurement, _words(value, "fabric_measurements"))),
        isolation=frozenset(_texts(value, "isolation")),
        destinations=frozenset(map(DestinationId, _words(value, "destinations"))),
        minimum_assurance=_ASSURANCES[
            read_choice(value["minimum_assurance"], tuple(_ASSURANCES), f"{_FIELD}.minimum_assurance")
        ],
        valid_seconds=read_integer(value["valid_seconds"], f"{_FIELD}.valid_seconds", 1, _MAX_SECONDS),
        skew_seconds=read_integer(value["skew_seconds"], f"{_FIELD}.skew_seconds", 0, _MAX_SECONDS),
    )


def _refusal(line: str, expected: str, found: str) -> Refused:
    return Refused(f"policy line {line}: expected {expected or 'nothing (the line is empty)'}, got {found}")


def _hexes(values: frozenset[bytes]) -> list[JsonValue]:
    return [value.hex() for value in sorted(values)]


def _texts(value: JsonObject, name: str) -> tuple[str, ...]:
    field = f"{_FIELD}.{name}"
    texts = read_list(value[name], lambda item: read_text(item, field), field, _MAX_LINES)
    if list(texts) != sorted(set(texts)):
        raise Malformed(field, "expected ascending order without repetition")
    return texts


def _words(value: JsonObject, name: str) -> list[bytes]:
    return [parse_word(text, f"{_FIELD}.{name}") for text in _texts(value, name)]
