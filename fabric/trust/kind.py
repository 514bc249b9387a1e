"""What the enclave and the verifier need to know of a ledger kind: pure functions, found by entry point.

Each adapter's ``destination`` module offers one ``DestinationKind`` in the group
``cryptlet.destinations`` under the name that ``Destination.kind`` carries. No IO, no state.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from fabric.core.canonical import JsonObject, JsonValue
from fabric.trust.batch import Header
from fabric.trust.destination import Destination
from fabric.trust.message import Message


class Status(StrEnum):
    """How far a batch got on its ledger, as a receipt shows it.

    Never better than what was shown.
    """

    UNANCHORED = "unanchored"
    INCLUDED = "included"
    OPERATOR_FINAL = "operator-final"
    FINAL = "final"


class Source(StrEnum):
    """Whether the ledger's word was proven or only asserted by whoever wrote the proof."""

    PROVEN = "proven"
    ASSERTED = "asserted"


@dataclass(frozen=True)
class Anchorage:
    """What a receipt shows.

    Attributes:
        status: how far the batch got.
        source: proven or asserted.
        time: the ledger's time of the anchor, Unix seconds.
        position: block number or entry index.
        locator: where, for people.
    """

    status: Status
    source: Source
    time: int
    position: int
    locator: str


class Told(StrEnum):
    """What a mailbox tells of a message, as facts and statements spell it."""

    SENT = "sent"
    DELIVERED = "delivered"
    EXPIRED = "expired"


@dataclass(frozen=True)
class SourceEvent:
    """A mailbox event, as its material shows it.

    Attributes:
        told: what happened to the message.
        message: the message; of ``sent`` the ledger is its source, otherwise its destination.
        data: of ``sent`` the body, of ``delivered`` the recipient's result, otherwise nothing.
        anchorage: how far the event's block or entry got, proven or asserted.
    """

    told: Told
    message: Message
    data: bytes
    anchorage: Anchorage


class DestinationKind(Protocol):
    """The pure part of an adapter."""

    def check_codec(self, codec: Mapping[str, JsonValue]) -> None:
        """Refuses a codec that a binding cannot use; raises ``Malformed`` naming the field."""
        ...

    def encode_payload(self, codec: Mapping[str, JsonValue], output: JsonValue) -> bytes:
        """Returns the payload bytes that the codec makes of an output.

        Raises:
            Malformed: the output lacks a field that the codec names, or its value does not fit the
                type.
        """
        ...

    def check_receipt(
        self, destination: Destination, header: Header, material: JsonObject, trust: JsonObject
    ) -> Anchorage:
        """Verifies receipt material offline.

        Args:
            destination: the deployment.
            header: the batch header that must have been settled there.
            material: ``Receipt.material``.
            trust: the policy's entry for this destination (log keys, validators); ``{}`` without a
                policy, in which
                case only inner consistency is checked.

        Raises:
            VerificationError: step ``settlement``.
            Malformed: material or trust is ill-formed.
        """
        ...

    def check_event(self, destination: Destination, material: JsonObject, trust: JsonObject) -> SourceEvent:
        """Verifies the material of a mailbox event offline; arguments as in ``check_receipt``.

        Raises:
            VerificationError: step ``settlement``: it does not hold, or shows an event of another mailbox.
            Malformed: material or trust is ill-formed.
        """
        ...
