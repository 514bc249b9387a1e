"""Record: what every ring member signs identically about one invocation and one destination (docs/spec/record.md).

Seventeen words, 544 bytes; it names no enclave and no member's clock. The tree entry of a batch is
these bytes.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Final, Self

from fabric.core.ids import (
    Account,
    BindingVersion,
    DestinationId,
    Digest,
    FabricId,
    IntentId,
    InvocationId,
    Measurement,
    sha256,
    tag,
)
from fabric.trust import words

TAG: Final = tag("cryptlet-fabric/record/v1")
RECORD_BYTES: Final = 17 * 32


@dataclass(frozen=True)
class Record:
    """The fields in the order of their words.

    Attributes:
        fabric: deployment of the fabric that ran it.
        destination: the only destination this record can take effect on.
        recipient: the only account that may consume it; zero when nobody shall.
        measurement: identity of the cryptlet's bundle.
        binding: version of the binding under which it ran.
        method: SHA-256 of the method's name.
        caller: who asked.
        invocation: the invocation's id.
        intent: id of the one effect, ``intent_id(invocation, destination)``.
        input: SHA-256 of the canonical input.
        output: SHA-256 of the canonical output.
        payload: SHA-256 of what the destination's codec made of the output.
        statement: SHA-256 of the canonical statement.
        state_version: version of the contract's state it applies to.
        as_of: the invocation's time, Unix seconds, fixed before it ran.
        not_after: last ledger time at which it may be settled or consumed, Unix seconds.
    """

    fabric: FabricId
    destination: DestinationId
    recipient: Account
    measurement: Measurement
    binding: BindingVersion
    method: Digest
    caller: Account
    invocation: InvocationId
    intent: IntentId
    input: Digest
    output: Digest
    payload: Digest
    statement: Digest
    state_version: int
    as_of: int
    not_after: int

    @cached_property
    def encoded(self) -> bytes:
        """The 544 bytes."""
        return b"".join(
            (
                TAG,
                self.fabric,
                self.destination,
                self.recipient,
                self.measurement,
                self.binding,
                self.method,
                self.caller,
                self.invocation,
                self.intent,
                self.input,
                self.output,
                self.payload,
                self.statement,
                words.uint(self.state_version),
                words.uint(self.as_of),
                words.uint(self.not_after),
            )
        )

    @cached_property
    def digest(self) -> Digest:
        """SHA-256 of the encoded record."""
        return sha256(self.encoded)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Reads 544 bytes; raises ``Malformed`` for anything else. ``decode(r.encoded) == r``."""
        fields = words.split(data, TAG, 16, "record")
        numbers = [words.read_uint(word, "record") for word in fields[13:]]
        record = cls(*fields[:13], *numbers)  # type: ignore[arg-type]
        record.__dict__["encoded"] = data  # what was signed is kept, not rebuilt
        return record
