"""Attestation result: appraisers' word on one enclave's keys (RATS, RFC 9334; docs/spec/attestation.md).

The result is eleven words; appraisers sign them m-of-n with Ed25519 and with EIP-712. Also here:
key status (retire, revoke), and the report data that binds evidence to keys.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from typing import Final, Self

from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.errors import Malformed
from fabric.core.ids import WORD_BYTES, DestinationId, Digest, Measurement, sha256, tag
from fabric.trust import eip712, words
from fabric.trust.fields import read_hex, read_list, read_object
from fabric.trust.schemes import ADDRESS_BYTES

TAG: Final = tag("cryptlet-fabric/attestation/v1")
STATUS_TAG: Final = tag("cryptlet-fabric/key-status/v1")
REPORT_DOMAIN: Final = b"cryptlet-fabric/report-data/v1\0"
MAX_DESTINATIONS: Final = 64
_TYPE: Final = (
    b"Attestation(bytes32 signingKey,address account,bytes32 fabricMeasurement,bytes32 isolation,"
    b"uint256 assurance,uint256 epoch,uint256 notBefore,uint256 notAfter,bytes32 destinations,bytes32 evidence)"
)
_STATUS_TYPE: Final = b"KeyStatus(bytes32 signingKey,address account,uint256 status,uint256 deadline)"


class Assurance(IntEnum):
    """What the evidence rests on; the order is the order of trust."""

    SIMULATED = 0
    SOFTWARE = 1
    HARDWARE = 2


class KeyState(IntEnum):
    """Life of an enclave's key on a ledger; it only moves forward."""

    ACTIVE = 1
    RETIRED = 2
    """Settles until a deadline."""
    REVOKED = 3
    """Settles nothing more."""


@dataclass(frozen=True)
class KeySet:
    """The public keys of one enclave: Ed25519 key (32 bytes) and secp256k1 address (20 bytes)."""

    ed25519: bytes
    address: bytes

    @property
    def id(self) -> Digest:
        """SHA-256 of the two keys as words; names the enclave on every ledger."""
        return sha256(self.ed25519, _pad(self.address))

    def to_json(self) -> JsonObject:
        """Returns the keys as ``parse_key_sets`` reads them."""
        return {"address": self.address.hex(), "ed25519": self.ed25519.hex()}


def parse_key_sets(value: JsonValue, field: str, limit: int) -> tuple[KeySet, ...]:
    """Reads the appraisers of a genesis document, at least one, by ascending Ed25519 keys; raises ``Malformed``."""
    found = read_list(value, lambda each: _key_set(each, field), field, limit)
    keys = [one.ed25519 for one in found]
    if not keys or keys != sorted(set(keys)):
        raise Malformed(field, "expected ascending Ed25519 keys, each once, at least one")
    return found


def _key_set(value: JsonValue, field: str) -> KeySet:
    fields = read_object(value, frozenset({"address", "ed25519"}), field)
    return KeySet(
        read_hex(fields["ed25519"], f"{field}.ed25519", WORD_BYTES),
        read_hex(fields["address"], f"{field}.address", ADDRESS_BYTES),
    )


@dataclass(frozen=True)
class AttestationResult:
    """What the appraisers state, in the order of the words.

    Attributes:
        keys: the enclave's keys.
        fabric: measurement of the fabric's code that the enclave runs.
        isolation: name of the isolation level, at most 32 ASCII bytes.
        assurance: what the evidence rests on.
        epoch: key epoch; every header of these keys carries it.
        not_before: start of validity, Unix seconds.
        not_after: end of validity, Unix seconds.
        destinations: digest of the sorted destination ids it holds for, see
            ``destinations_digest``.
        evidence: SHA-256 of the appraised evidence.
    """

    keys: KeySet
    fabric: Measurement
    isolation: str
    assurance: Assurance
    epoch: int
    not_before: int
    not_after: int
    destinations: Digest
    evidence: Digest

    @cached_property
    def encoded(self) -> bytes:
        """The eleven words; also the Ed25519 message."""
        numbers = (int(self.assurance), self.epoch, self.not_before, self.not_after)
        return b"".join(
            (
                TAG,
                self.keys.ed25519,
                _pad(self.keys.address),
                self.fabric,
                tag(self.isolation),
                *map(words.uint, numbers),
                self.destinations,
                self.evidence,
            )
        )

    @cached_property
    def digest(self) -> Digest:
        """SHA-256 of the encoded result."""
        return sha256(self.encoded)

    @property
    def typed_digest(self) -> Digest:
        """The EIP-712 digest.

        Its domain has name and version only, since the result holds on every ledger.
        """
        return eip712.typed_digest(eip712.plain_domain_separator(), eip712.struct_hash(_TYPE, self.encoded[32:]))

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Reads eleven words; raises ``Malformed``."""
        fields = words.split(data, TAG, 10, "attestation result")
        assurance, epoch, start, end = (words.read_uint(word, "attestation result") for word in fields[4:8])
        if assurance not in list(Assurance):
            raise Malformed("attestation result.assurance", f"expected 0 to 2, got {assurance}")
        return cls(
            KeySet(fields[0], _unpad(fields[1])),
            Measurement(fields[2]),
            _read_tag(fields[3]),
            Assurance(assurance),
            epoch,
            start,
            end,
            Digest(fields[8]),
            Digest(fields[9]),
        )


@dataclass(frozen=True)
class KeyStatus:
    """Appraisers' decision that a key retires or is revoked; four words after the tag.

    Attributes:
        keys: the enclave's keys.
        state: RETIRED or REVOKED.
        deadline: last ledger time at which a retired key settles, Unix seconds; 0 when revoked.
    """

    keys: KeySet
    state: KeyState
    deadline: int

    @cached_property
    def encoded(self) -> bytes:
        """The five words; also the Ed25519 message."""
        numbers = (words.uint(int(self.state)), words.uint(self.deadline))
        return b"".join((STATUS_TAG, self.keys.ed25519, _pad(self.keys.address), *numbers))

    @property
    def typed_digest(self) -> Digest:
        """The EIP-712 digest, domain of name and version only."""
        return eip712.typed_digest(eip712.plain_domain_separator(), eip712.struct_hash(_STATUS_TYPE, self.encoded[32:]))

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Reads five words; raises ``Malformed``."""
        fields = words.split(data, STATUS_TAG, 4, "key status")
        state, deadline = (words.read_uint(word, "key status") for word in fields[2:])
        if state not in (KeyState.RETIRED, KeyState.REVOKED):
            raise Malformed("key status.state", f"expected 2 or 3, got {state}")
        return cls(KeySet(fields[0], _unpad(fields[1])), KeyState(state), deadline)


def destinations_digest(destinations: Sequence[DestinationId]) -> Digest:
    """Returns SHA-256 over the ids in ascending order without repetition."""
    return sha256(*sorted(set(destinations)))


def report_data(nonce: bytes, keys: KeySet, fabric: Measurement, isolation: str) -> bytes:
    """Returns the 64 bytes that evidence must carry.

    SHA-512(domain, nonce, keys, fabric measurement, isolation).
    """
    parts = (REPORT_DOMAIN, nonce, keys.ed25519, _pad(keys.address), fabric, tag(isolation))
    return hashlib.sha512(b"".join(parts)).digest()


def _pad(address: bytes) -> bytes:
    return address.rjust(32, b"\0")


def _unpad(word: bytes) -> bytes:
    if any(word[: 32 - ADDRESS_BYTES]):
        raise Malformed("address", "the upper twelve bytes are not zero")
    return word[32 - ADDRESS_BYTES :]


def _read_tag(word: bytes) -> str:
    raw = word.rstrip(b"\0")
    if not raw or not raw.isascii() or b"\0" in raw:
        raise Malformed("tag", "expected ASCII, zero-padded on the right")
    return raw.decode()
