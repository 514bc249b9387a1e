"""The pure part of the adapter: what the enclave and the verifier need to know of an EVM ledger. No IO.

Where a policy pins no signers, a receipt shows no more than this: a block of the stated hash holds the settlement, and
whoever made the proof says that it is a block of that chain. So the status is ``included`` and the source ``asserted``;
nobody's header is taken for the chain's word. Seals of the pinned signers of a proof-of-authority chain, on the block
and on those that follow it, are what makes it ``final`` and ``proven``.
"""

from collections.abc import Mapping
from typing import Final

from eth_hash.auto import keccak

from adapters.ethereum import anchorage, codec, told
from adapters.ethereum.anchorage import Shown
from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.errors import Malformed, VerificationError
from fabric.trust.batch import Header
from fabric.trust.destination import Destination
from fabric.trust.kind import Anchorage, SourceEvent, Told
from fabric.trust.letter import is_message_codec, write_letter
from fabric.trust.message import Message

SETTLED: Final = keccak(b"Settled(bytes32,bytes32,uint256,bytes32)")
"""First topic of the event that settlement emits: batch id, key id, count, root."""


class Ethereum:
    """The ``fabric.trust.kind.DestinationKind`` of EVM ledgers; stateless."""

    def check_codec(self, codec_: Mapping[str, JsonValue]) -> None:
        """Refuses a codec that a binding cannot use; raises ``Malformed`` naming the field."""
        if not is_message_codec(codec_):
            codec.fields_of(codec_)

    def encode_payload(self, codec_: Mapping[str, JsonValue], output: JsonValue) -> bytes:
        """Returns the payload bytes that the codec makes of an output; raises ``Malformed``."""
        return write_letter(output) if is_message_codec(codec_) else codec.encode(codec_, output)

    def check_receipt(
        self, destination: Destination, header: Header, material: JsonObject, trust: JsonObject
    ) -> Anchorage:
        """Verifies receipt material offline: headers, seals, receipt trie, status and the ``Settled`` event.

        Args:
            destination: the deployment.
            header: the batch header that must have been settled there.
            material: see docs/spec/ethereum-receipt.md.
            trust: ``{}``, or ``{"engine": "clique", "signers": [...]}`` with the addresses that seal, ascending.

        Raises:
            VerificationError: step ``settlement``.
            Malformed: material is ill-formed, or the policy asks for what cannot be checked.
        """
        shown = anchorage.prove_event(destination, material, trust)
        if shown.event.log.topics[:2] != (SETTLED, header.batch_id):
            raise VerificationError("settlement", "the log does not settle this batch")
        return _anchorage(shown)

    def check_event(self, destination: Destination, material: JsonObject, trust: JsonObject) -> SourceEvent:
        """Verifies offline that a message was sent, delivered or expired; arguments and errors as ``check_receipt``."""
        shown = anchorage.prove_event(destination, material, trust)
        try:
            log = told.read(destination.id, shown.event.log.topics, shown.event.log.data)
        except Malformed as error:
            raise VerificationError("settlement", f"the log is no event of a message: {error}") from error
        if not isinstance(log.subject, Message):
            raise VerificationError("settlement", "the log is of a channel, not of a message")
        return SourceEvent(Told(log.name), log.subject, log.data, _anchorage(shown))


def _anchorage(shown: Shown) -> Anchorage:
    return Anchorage(shown.status, shown.source, shown.event.time, shown.position, shown.locator)
