"""Destination: one settlement deployment on one ledger, named by a hash, so that a reset or forked ledger is another.

id = SHA-256 over six words: tag, kind, chain, genesis, settlement, salt (docs/spec/destination.md).
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.errors import Malformed
from fabric.core.ids import DestinationId, parse_word, sha256, tag

TAG: Final = tag("cryptlet-fabric/destination/v1")
KINDS: Final = ("native", "ethereum", "hyperledger")


@dataclass(frozen=True)
class Destination:
    """What a destination id commits to; each field but ``kind`` is one word.

    Attributes:
        kind: the ledger kind, one of ``KINDS``; also the name of the adapter's entry point.
        chain: EIP-155 chain id as an integer word, or SHA-256 of the ledger's or channel's name.
        genesis: hash of the genesis block; of the native ledger, SHA-256 of its genesis document.
        settlement: address of the settlement contract, left-padded; of the native ledger, the
            sequencer's key.
        salt: random, chosen at deployment; also the EIP-712 salt.
    """

    kind: str
    chain: bytes
    genesis: bytes
    settlement: bytes
    salt: bytes

    @cached_property
    def id(self) -> DestinationId:
        """The destination id."""
        words = (tag(self.kind), self.chain, self.genesis, self.settlement, self.salt)
        return DestinationId(sha256(TAG, *words))

    @property
    def chain_number(self) -> int:
        """The chain word as an integer (EIP-155 chain id)."""
        return int.from_bytes(self.chain, "big")

    def to_json(self) -> JsonObject:
        """Returns the descriptor as a JSON object."""
        return {"kind": self.kind} | {name: getattr(self, name).hex() for name in _WORDS}


_WORDS: Final = ("chain", "genesis", "salt", "settlement")


def parse_destination(value: JsonValue) -> Destination:
    """Reads a descriptor; raises ``Malformed`` for a missing, foreign or ill-formed field."""
    if not isinstance(value, dict) or set(value) != {"kind", *_WORDS}:
        raise Malformed("destination", f"expected an object with kind, {', '.join(_WORDS)}")
    kind = value["kind"]
    if kind not in KINDS:
        raise Malformed("destination.kind", f"expected one of {', '.join(KINDS)}")
    words = {name: parse_word(value[name], f"destination.{name}") for name in _WORDS}
    return Destination(kind=str(kind), **words)
