"""Genesis document of a deployment on a channel: what it pins for ever, and the destination that follows. Pure."""

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Self

from adapters.hyperledger.names import CHAINCODE, CHANNEL_ID
from fabric.core import canonical
from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.errors import Malformed
from fabric.core.ids import WORD_BYTES, sha256
from fabric.ledger.rules.state import Genesis
from fabric.trust.attestation import KeySet, parse_key_sets
from fabric.trust.destination import Destination
from fabric.trust.fields import read_choice, read_hex, read_integer, read_object
from fabric.trust.schemes import ED25519

KIND: Final = "hyperledger"
FORMAT: Final = "cryptlet-fabric/hyperledger-genesis/v1"
MAX_APPRAISERS: Final = 64
MAX_SKEW: Final = 3_600
MAX_BYTES: Final = 65_536
_NAMES: Final = frozenset({"appraisers", "block", "chaincode", "channel", "format", "salt", "skew", "threshold"})


@dataclass(frozen=True)
class GenesisDocument:
    """The fields of the document.

    Attributes:
        channel: the channel's id.
        chaincode: the chaincode's name on the channel.
        block: hash of the channel's block 0.
        appraisers: whose word makes an enclave's keys known, in ascending order of their Ed25519 keys.
        threshold: how many of them must sign.
        skew: seconds by which a transaction's timestamp may differ from an endorser's clock.
        salt: a random word.
    """

    channel: str
    chaincode: str
    block: bytes
    appraisers: tuple[KeySet, ...]
    threshold: int
    skew: int
    salt: bytes

    @property
    def fields(self) -> JsonObject:
        """The document as a JSON object."""
        return {
            "format": FORMAT,
            "channel": self.channel,
            "chaincode": self.chaincode,
            "block": self.block.hex(),
            "appraisers": [keys.to_json() for keys in self.appraisers],
            "threshold": self.threshold,
            "skew": self.skew,
            "salt": self.salt.hex(),
        }

    @cached_property
    def encoded(self) -> bytes:
        """The canonical JSON document."""
        return canonical.encode(self.fields)

    @cached_property
    def destination(self) -> Destination:
        """The destination that the document names."""
        return Destination(
            kind=KIND,
            chain=name_word(self.channel),
            genesis=self.block,
            settlement=name_word(self.chaincode),
            salt=self.salt,
        )

    @cached_property
    def rules(self) -> Genesis:
        """What the rule set needs of it."""
        return Genesis(self.destination, self.appraisers, self.threshold, ED25519)

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
            channel=read_name(fields["channel"], CHANNEL_ID, "genesis.channel"),
            chaincode=read_name(fields["chaincode"], CHAINCODE, "genesis.chaincode"),
            block=read_hex(fields["block"], "genesis.block", WORD_BYTES),
            appraisers=appraisers,
            threshold=read_integer(fields["threshold"], "genesis.threshold", 1, len(appraisers)),
            skew=read_integer(fields["skew"], "genesis.skew", 1, MAX_SKEW),
            salt=read_hex(fields["salt"], "genesis.salt", WORD_BYTES),
        )


def name_word(name: str) -> bytes:
    """Returns the word by which a destination names a channel or a chaincode."""
    return sha256(name.encode())


def read_name(value: JsonValue, pattern: re.Pattern[str], field: str) -> str:
    """Returns a name of Hyperledger's spelling; raises ``Malformed``."""
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise Malformed(field, "not a name that Hyperledger takes")
    return value
