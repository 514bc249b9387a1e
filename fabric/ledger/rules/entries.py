"""Keys and values of the state, byte for byte (docs/spec/rules.md).

A key is a prefix and a word in hexadecimal digits, plain ASCII, since Hyperledger's keys are text. A value is a row of
32-byte words.
"""

from dataclasses import dataclass
from typing import Self

from fabric.core.errors import Malformed
from fabric.core.ids import (
    WORD_BYTES,
    Account,
    BatchId,
    BindingVersion,
    Digest,
    IntentId,
    InvocationId,
    Measurement,
)
from fabric.trust import words
from fabric.trust.attestation import Assurance, KeySet, KeyState
from fabric.trust.schemes import ED25519

REQUEST_COUNT: bytes = b"requests"
"""The key of the one shared counter, a word; absent is 0."""


def key_entry(signing_key: bytes) -> bytes:
    """Returns the state key of an enclave, named by its signing key (of the ledger's scheme) as one word."""
    return b"key/" + signing_key.rjust(WORD_BYTES, b"\0").hex().encode()


def code_entry(measurement: Measurement) -> bytes:
    """Returns the state key of revoked code; its value is one word, since when, absent is not revoked."""
    return b"code/" + measurement.hex().encode()


def batch_entry(batch: BatchId) -> bytes:
    """Returns the state key of a settled batch."""
    return b"batch/" + batch.hex().encode()


def intent_entry(intent: IntentId) -> bytes:
    """Returns the state key of a spent intent."""
    return b"intent/" + intent.hex().encode()


def nonce_entry(requester: Account) -> bytes:
    """Returns the state key of a requester's counter; its value is one word, absent is 0."""
    return b"nonce/" + requester.hex().encode()


def request_entry(index: int) -> bytes:
    """Returns the state key of a request by its index."""
    return b"request/" + words.uint(index).hex().encode()


def signing_key(keys: KeySet, scheme: str) -> bytes:
    """Returns the key of a key set that signs under a scheme."""
    return keys.ed25519 if scheme == ED25519 else keys.address


@dataclass(frozen=True)
class KeyEntry:
    """A registered key, nine words.

    Attributes:
        key_id: ``KeySet.id`` of its latest result.
        result: digest of its latest attestation result.
        state: active, retired or revoked.
        not_before: start of validity, Unix seconds.
        not_after: end of validity, Unix seconds.
        epoch: key epoch.
        assurance: what the evidence rests on.
        fabric: measurement of the fabric's code.
        deadline: last time at which it settles while retired, Unix seconds; 0 while active.
    """

    key_id: Digest
    result: Digest
    state: KeyState
    not_before: int
    not_after: int
    epoch: int
    assurance: Assurance
    fabric: Measurement
    deadline: int

    @property
    def encoded(self) -> bytes:
        """The nine words."""
        numbers = (int(self.state), self.not_before, self.not_after, self.epoch)
        return b"".join(
            (
                self.key_id,
                self.result,
                *map(words.uint, numbers),
                words.uint(int(self.assurance)),
                self.fabric,
                words.uint(self.deadline),
            )
        )

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Reads nine words; raises ``Malformed``."""
        row = read_row(data, 9, "key entry")
        state, start, end, epoch, assurance = (words.read_uint(word, "key entry") for word in row[2:7])
        if state not in list(KeyState) or assurance not in list(Assurance):
            raise Malformed(_ENTRY, f"key entry with state {state} and assurance {assurance}")
        return cls(
            Digest(row[0]),
            Digest(row[1]),
            KeyState(state),
            start,
            end,
            epoch,
            Assurance(assurance),
            Measurement(row[7]),
            words.read_uint(row[8], "key entry"),
        )


@dataclass(frozen=True)
class BatchEntry:
    """A settled batch, four words: count, root, time of the anchor, id of the key that signed."""

    count: int
    root: Digest
    time: int
    key_id: Digest

    @property
    def encoded(self) -> bytes:
        """The four words."""
        return b"".join((words.uint(self.count), self.root, words.uint(self.time), self.key_id))

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Reads four words; raises ``Malformed``."""
        count, root, time, key_id = read_row(data, 4, "batch entry")
        return cls(
            words.read_uint(count, "batch entry"),
            Digest(root),
            words.read_uint(time, "batch entry"),
            Digest(key_id),
        )


@dataclass(frozen=True)
class RequestEntry:
    """A request, eight words; the fields are those of the event ``Requested`` but its index, and the time."""

    invocation: InvocationId
    requester: Account
    nonce: int
    method: Digest
    input: Digest
    binding: BindingVersion
    state_version: int
    time: int

    @property
    def encoded(self) -> bytes:
        """The eight words."""
        return b"".join(
            (
                self.invocation,
                self.requester,
                words.uint(self.nonce),
                self.method,
                self.input,
                self.binding,
                words.uint(self.state_version),
                words.uint(self.time),
            )
        )

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Reads eight words; raises ``Malformed``."""
        row = read_row(data, 8, "request entry")
        return cls(
            InvocationId(row[0]),
            Account(row[1]),
            words.read_uint(row[2], "request entry"),
            Digest(row[3]),
            Digest(row[4]),
            BindingVersion(row[5]),
            words.read_uint(row[6], "request entry"),
            words.read_uint(row[7], "request entry"),
        )


_ENTRY = "state"


def read_row(data: bytes, count: int, name: str) -> list[bytes]:
    """Returns the words of a value; raises ``Malformed`` for another number of them."""
    if len(data) != count * WORD_BYTES:
        raise Malformed(_ENTRY, f"{name} of {count * WORD_BYTES} bytes expected, got {len(data)}")
    return [data[at : at + WORD_BYTES] for at in range(0, len(data), WORD_BYTES)]
