"""Identifiers: 32-byte values that may not be swapped for one another.

Every id is a SHA-256 digest or a value padded to one 32-byte word, so that a contract can hold it
in one slot. In JSON an id is 64 lower-case hexadecimal digits without prefix.
"""

import hashlib
import re
from typing import Final, NewType

from fabric.core.errors import Malformed

Digest = NewType("Digest", bytes)
"""SHA-256 of some bytes."""
FabricId = NewType("FabricId", bytes)
"""Names one deployment of the fabric."""
DestinationId = NewType("DestinationId", bytes)
"""Names one settlement deployment on one ledger, see ``fabric.trust.destination``."""
Measurement = NewType("Measurement", bytes)
"""Identity of a bundle (or of the fabric's own code)."""
BindingVersion = NewType("BindingVersion", bytes)
"""SHA-256 of a binding's canonical JSON."""
InvocationId = NewType("InvocationId", bytes)
"""Names one invocation, whatever the number of its destinations."""
IntentId = NewType("IntentId", bytes)
"""Names the one effect of an invocation on one destination."""
BatchId = NewType("BatchId", bytes)
"""SHA-256 of a batch header."""
ChannelId = NewType("ChannelId", bytes)
"""Names a channel between two ledgers: SHA-256 of its words."""
MessageId = NewType("MessageId", bytes)
"""Names a message between two ledgers: SHA-256 of its words."""
Account = NewType("Account", bytes)
"""A caller or recipient as one word: an EVM address left-padded, or a digest."""

WORD_BYTES: Final = 32
ZERO_WORD: Final = bytes(WORD_BYTES)
NOBODY: Final = Account(ZERO_WORD)
"""The recipient of a record that is anchored and never consumed."""

_HEX_WORD: Final = re.compile(r"[0-9a-f]{64}")


def sha256(*parts: bytes) -> Digest:
    """Returns the SHA-256 digest of the concatenated parts (FIPS 180-4)."""
    return Digest(hashlib.sha256(b"".join(parts)).digest())


def tag(text: str) -> bytes:
    """Returns an ASCII name as one word, zero-padded on the right, as Solidity spells ``bytes32("text")``.

    Raises:
        ValueError: the name is empty, not ASCII, or longer than 32 bytes; a programming mistake.
    """
    raw = text.encode("ascii")
    if not 0 < len(raw) <= WORD_BYTES:
        message = f"a tag takes 1 to {WORD_BYTES} ASCII bytes, got {len(raw)}"
        raise ValueError(message)
    return raw.ljust(WORD_BYTES, b"\0")


def parse_word(text: object, field: str) -> bytes:
    """Reads 64 lower-case hexadecimal digits.

    Raises:
        Malformed: anything else.
    """
    if not isinstance(text, str) or not _HEX_WORD.fullmatch(text):
        raise Malformed(field, "expected 64 lower-case hexadecimal digits")
    return bytes.fromhex(text)


def method_word(name: str) -> Digest:
    """Returns the word by which a record and a contract name a method.

    SHA-256 of its UTF-8 name.
    """
    return sha256(name.encode())


def caller_account(name: str) -> Account:
    """Returns the account word of a named caller: SHA-256 of its UTF-8 name."""
    return Account(sha256(b"cryptlet-fabric/caller/v1\0", name.encode()))


_INVOCATION_TAG: Final = tag("cryptlet-fabric/invocation/v1")
_REQUEST_TAG: Final = tag("cryptlet-fabric/request/v1")
_INTENT_TAG: Final = tag("cryptlet-fabric/intent/v1")
_DELIVERY_TAG: Final = tag("cryptlet-fabric/delivered/v1")
_EXPIRY_TAG: Final = tag("cryptlet-fabric/expired/v1")
_ACKNOWLEDGEMENT_TAG: Final = tag("cryptlet-fabric/acked/v1")


def invocation_id(fabric: FabricId, caller: Account, idempotency_key: str) -> InvocationId:
    """Returns the id of an invocation that a caller asked for (docs/spec/ids.md)."""
    return InvocationId(sha256(_INVOCATION_TAG, fabric, caller, sha256(idempotency_key.encode())))


def request_id(
    destination: DestinationId,
    requester: Account,
    nonce: int,
    method: Digest,
    input_digest: Digest,
    binding: BindingVersion,
) -> InvocationId:
    """Returns the id of an event-born invocation, as the requesting ledger computes it (docs/spec/ids.md)."""
    words = (
        destination,
        requester,
        nonce.to_bytes(WORD_BYTES, "big"),
        method,
        input_digest,
        binding,
    )
    return InvocationId(sha256(_REQUEST_TAG, *words))


def intent_id(invocation: InvocationId, destination: DestinationId) -> IntentId:
    """Returns the id of the one effect of an invocation on a destination (docs/spec/ids.md)."""
    return IntentId(sha256(_INTENT_TAG, invocation, destination))


def delivery_id(message: MessageId) -> Digest:
    """Returns the id of the effect that a message reached its recipient (docs/spec/ids.md)."""
    return sha256(_DELIVERY_TAG, message)


def expiry_id(message: MessageId) -> Digest:
    """Returns the id of the effect that a message's tombstone stands (docs/spec/ids.md)."""
    return sha256(_EXPIRY_TAG, message)


def acknowledgement_id(message: MessageId, ending: int) -> Digest:
    """Returns the id of the effect that a message's sender knows that it ended so (docs/spec/ids.md)."""
    return sha256(_ACKNOWLEDGEMENT_TAG, message, ending.to_bytes(WORD_BYTES, "big"))
