"""Pins: what the offline targets role says of the log, beside its delegation to the bins.

They stand in the metadata of the role ``targets`` under the name ``x-cryptlet``, as TUF lets unknown fields be
(docs/spec/registry.md, section 5): whoever trusts the root metadata knows the log's keys from there.
"""

from dataclasses import dataclass
from typing import Final

from tuf.api.metadata import Metadata, Targets

from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.ids import Digest, parse_word
from fabric.trust.fields import read_hex, read_object, read_text

FIELD: Final = "x-cryptlet"
BIN_BITS: Final = 8
BIN_PREFIX: Final = "bin"
_NAMES: Final = frozenset(("genesis", "log_key", "origin", "standing_key"))


@dataclass(frozen=True)
class Pins:
    """What the offline keys say of the log.

    Attributes:
        origin: name of the log.
        log_key: Ed25519 key of its checkpoints.
        standing_key: Ed25519 key of its standings.
        genesis: SHA-256 of the log's first leaf, which names the first authorities.
    """

    origin: str
    log_key: bytes
    standing_key: bytes
    genesis: Digest

    def to_json(self) -> JsonObject:
        """Returns them as a JSON object."""
        return {
            "genesis": self.genesis.hex(),
            "log_key": self.log_key.hex(),
            "origin": self.origin,
            "standing_key": self.standing_key.hex(),
        }


def parse_pins(value: JsonValue) -> Pins:
    """Reads what ``Pins.to_json`` writes; raises ``Malformed``."""
    fields = read_object(value, _NAMES, FIELD)
    return Pins(
        read_text(fields["origin"], "origin", 255),
        read_hex(fields["log_key"], "log_key", 32),
        read_hex(fields["standing_key"], "standing_key", 32),
        Digest(parse_word(fields["genesis"], "genesis")),
    )


def pins_of(targets: Metadata[Targets]) -> Pins:
    """Returns the pins in targets metadata, whose signatures somebody else checks; raises ``Malformed``."""
    return parse_pins(targets.signed.unrecognized_fields.get(FIELD))
