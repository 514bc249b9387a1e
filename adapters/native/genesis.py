"""Genesis document of a native ledger: what it pins for ever, and the destination that follows from it."""

from dataclasses import dataclass
from functools import cached_property
from typing import Final, Self

from fabric.core import canonical
from fabric.core.canonical import MAX_INTEGER, JsonObject, JsonValue
from fabric.core.errors import Malformed
from fabric.core.ids import WORD_BYTES, sha256
from fabric.ledger.rules.state import Genesis
from fabric.trust.attestation import KeySet, parse_key_sets
from fabric.trust.destination import Destination
from fabric.trust.fields import read_choice, read_hex, read_integer, read_object, read_text
from fabric.trust.schemes import ED25519

FORMAT: Final = "cryptlet-fabric/native-genesis/v1"
MAX_APPRAISERS: Final = 64
MAX_NAME: Final = 64
MAX_BYTES: Final = 65_536
_NAMES: Final = frozenset({"appraisers", "created", "format", "name", "salt", "sequencer", "threshold"})


@dataclass(frozen=True)
class GenesisDocument:
    """The fields of the document.

    Attributes:
        name: the ledger's name, 1 to 64 printable ASCII characters.
        sequencer: the Ed25519 key that signs checkpoints.
        appraisers: whose word makes an enclave's keys known, in ascending order of their Ed25519 keys.
        threshold: how many of them must sign.
        salt: a random word.
        created: when the ledger was made, Unix seconds.
    """

    name: str
    sequencer: bytes
    appraisers: tuple[KeySet, ...]
    threshold: int
    salt: bytes
    created: int

    @property
    def fields(self) -> JsonObject:
        """The document as a JSON object."""
        return {
            "format": FORMAT,
            "name": self.name,
            "sequencer": self.sequencer.hex(),
            "appraisers": [keys.to_json() for keys in self.appraisers],
            "threshold": self.threshold,
            "salt": self.salt.hex(),
            "created": self.created,
        }

    @cached_property
    def encoded(self) -> bytes:
        """The canonical JSON document."""
        return canonical.encode(self.fields)

    @cached_property
    def destination(self) -> Destination:
        """The destination: chain is SHA-256 of the name, genesis of the document; settlement is the sequencer's key."""
        return Destination(
            kind="native",
            chain=sha256(self.name.encode()),
            genesis=sha256(self.encoded),
            settlement=self.sequencer,
            salt=self.salt,
        )

    @property
    def rules(self) -> Genesis:
        """What the rule set needs of it."""
        return Genesis(self.destination, self.appraisers, self.threshold, ED25519)

    @property
    def origin(self) -> str:
        """Name of the log in its checkpoints."""
        return origin_of(self.destination)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Reads a canonical document; raises ``Malformed``."""
        return cls.parse(canonical.decode(data, max_bytes=MAX_BYTES))

    @classmethod
    def parse(cls, value: JsonValue) -> Self:
        """Reads the object of a document; raises ``Malformed``."""
        fields = read_object(value, _NAMES, "genesis")
        read_choice(fields["format"], (FORMAT,), "genesis.format")
        appraisers = parse_key_sets(fields["appraisers"], "genesis.appraisers", MAX_APPRAISERS)
        return cls(
            name=_name(fields["name"]),
            sequencer=read_hex(fields["sequencer"], "genesis.sequencer", WORD_BYTES),
            appraisers=appraisers,
            threshold=read_integer(fields["threshold"], "genesis.threshold", 1, len(appraisers)),
            salt=read_hex(fields["salt"], "genesis.salt", WORD_BYTES),
            created=read_integer(fields["created"], "genesis.created", 0, MAX_INTEGER),
        )


def origin_of(destination: Destination) -> str:
    """Returns the name of a native ledger's log; it commits to the genesis."""
    return f"cryptlet-fabric/native/{destination.id.hex()}"


def _name(value: JsonValue) -> str:
    name = read_text(value, "genesis.name", MAX_NAME)
    if not (name.isascii() and name.isprintable()):
        raise Malformed("genesis.name", "expected printable ASCII characters")
    return name
