"""Code revocation: appraisers' word that a bundle's results do not count from a time on (docs/spec/attestation.md).

A ledger that knows it lets nobody act on what a fabric goes on to settle of that code, whether or not the fabric
listens to a registry.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Final, Self

from fabric.core.errors import Malformed
from fabric.core.ids import Digest, Measurement, sha256, tag
from fabric.trust import eip712, words

TAG: Final = tag("cryptlet-fabric/code-revoked/v1")
_TYPE: Final = b"CodeRevocation(bytes32 measurement,uint256 since)"
_NAME: Final = "code revocation"


@dataclass(frozen=True)
class CodeRevocation:
    """What appraisers decide about one bundle; two words after the tag. It holds on every ledger and is never undone.

    Attributes:
        measurement: identity of the bundle, word 4 of its records.
        since: first ledger time of settlement whose results do not count, Unix seconds, at least 1. Results of batches
            that were settled before it stay good; 1 leaves none.
    """

    measurement: Measurement
    since: int

    @cached_property
    def encoded(self) -> bytes:
        """The three words; also the Ed25519 message."""
        return TAG + self.measurement + words.uint(self.since)

    @cached_property
    def digest(self) -> Digest:
        """SHA-256 of the three words; names the work of writing it to a ledger."""
        return sha256(self.encoded)

    @property
    def typed_digest(self) -> Digest:
        """The EIP-712 digest, domain of name and version only."""
        return eip712.typed_digest(eip712.plain_domain_separator(), eip712.struct_hash(_TYPE, self.encoded[32:]))

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Reads three words; raises ``Malformed``."""
        measurement, word = words.split(data, TAG, 2, _NAME)
        since = words.read_uint(word, _NAME)
        if not since:
            raise Malformed(f"{_NAME}.since", "expected at least 1, got 0, which stands for code that is not revoked")
        return cls(Measurement(measurement), since)
