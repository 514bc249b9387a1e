"""The pure part of the adapter: payload codecs, receipts and mailbox events by read-backs. No IO, no protobuf runtime.

Where a policy trusts no organisations, a read-back shows no more than that somebody endorsed it: ``included`` and
``asserted``. Endorsers of the policy's organisations make it ``final`` and ``proven``.
"""

from collections.abc import Mapping
from typing import Final

from adapters.hyperledger import readback
from adapters.hyperledger.endorsers import parse_trust
from adapters.hyperledger.readback import State, Stored
from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.errors import Malformed, VerificationError
from fabric.core.ids import sha256
from fabric.ledger.rules.entries import BatchEntry, batch_entry
from fabric.ledger.rules.mailbox_entries import DeliveryEntry, MessageEntry, delivery_entry, message_entry
from fabric.trust.batch import Header
from fabric.trust.destination import Destination
from fabric.trust.fields import read_base64, read_choice, read_hex, read_object
from fabric.trust.kind import Anchorage, Source, SourceEvent, Status, Told
from fabric.trust.letter import check_plain_codec, write_plain
from fabric.trust.message import MAX_BODY_BYTES, Ending, Message

_STEP: Final = "settlement"
_RECEIPT: Final = frozenset({"read"})
_EVENT: Final = frozenset({"told", "message", "data", "read"})
_ENDINGS: Final = {Told.DELIVERED: Ending.DELIVERED, Told.EXPIRED: Ending.EXPIRED}


class Hyperledger:
    """``fabric.trust.kind.DestinationKind`` of channels of Hyperledger Fabric; stateless."""

    def check_codec(self, codec: Mapping[str, JsonValue]) -> None:
        """Accepts ``{"kind": "json"}`` and ``{"kind": "message"}``, nothing else; raises ``Malformed``."""
        check_plain_codec(codec)

    def encode_payload(self, codec: Mapping[str, JsonValue], output: JsonValue) -> bytes:
        """Returns the output's canonical JSON, or the letter that it describes; raises ``Malformed``."""
        return write_plain(codec, output)

    def check_receipt(
        self, destination: Destination, header: Header, material: JsonObject, trust: JsonObject
    ) -> Anchorage:
        """Verifies that a header was settled: endorsers read it back from the state.

        Args:
            destination: the deployment.
            header: the batch header.
            material: ``{"read": <read-back>}``.
            trust: ``{}``, or channel, chaincode, organisations and endorsement policy.

        Raises:
            VerificationError: step ``settlement``.
            Malformed: material or trust is ill-formed.
        """
        fields = read_object(material, _RECEIPT, "receipt")
        stored = _stored(_read(destination, fields["read"], trust), batch_entry(header.batch_id))
        try:
            entry = BatchEntry.decode(stored.value)
        except Malformed as error:
            raise VerificationError(_STEP, str(error)) from error
        if (entry.count, entry.root) != (header.count, header.root):
            raise VerificationError(_STEP, "the stored batch has another count or root than the header")
        return _anchorage(stored, entry.time, trust)

    def check_event(self, destination: Destination, material: JsonObject, trust: JsonObject) -> SourceEvent:
        """Verifies what became of a message; arguments and errors as in ``check_receipt``."""
        fields = read_object(material, _EVENT, "event")
        told = Told(read_choice(fields["told"], tuple(Told), "event.told"))
        message = Message.decode(read_hex(fields["message"], "event.message"))
        data = read_base64(fields["data"], "event.data")
        state = _read(destination, fields["read"], trust)
        stored, time = (
            _sent(destination, state, message, data)
            if told is Told.SENT
            else _ended(destination, state, message, data, told)
        )
        return SourceEvent(told, message, data, _anchorage(stored, time, trust))


def _read(destination: Destination, value: JsonValue, trust: JsonObject) -> State:
    return readback.check(destination, readback.parse(value), parse_trust(trust))


def _stored(state: State, key: bytes) -> Stored:
    """Returns what a key holds. An invalid transaction in a block shows here: it left nothing."""
    stored = state.stored.get(key.decode())
    if stored is None:
        raise VerificationError(_STEP, f"the state holds nothing under {key.decode()}")
    return stored


def _sent(destination: Destination, state: State, message: Message, data: bytes) -> tuple[Stored, int]:
    if message.source != destination.id or sha256(data) != message.body or len(data) > MAX_BODY_BYTES:
        raise VerificationError(_STEP, "a message of another source, or another body than the message's")
    stored = _stored(state, message_entry(message.id))
    try:
        entry = MessageEntry.decode(stored.value)
    except Malformed as error:
        raise VerificationError(_STEP, str(error)) from error
    if entry.channel != message.channel:
        raise VerificationError(_STEP, "the stored message is of another channel")
    return stored, entry.sent


def _ended(destination: Destination, state: State, message: Message, data: bytes, told: Told) -> tuple[Stored, int]:
    # Accounts of this ledger run no code, so that no recipient returns anything.
    if message.destination != destination.id or data:
        raise VerificationError(_STEP, "a message for another destination, or data where there is none")
    stored = _stored(state, delivery_entry(message.id))
    try:
        entry = DeliveryEntry.decode(stored.value)
    except Malformed as error:
        raise VerificationError(_STEP, str(error)) from error
    if entry.ending is not _ENDINGS[told]:
        raise VerificationError(_STEP, f"the message was {entry.ending.name.lower()}")
    return stored, entry.time


def _anchorage(stored: Stored, time: int, trust: JsonObject) -> Anchorage:
    return Anchorage(
        status=Status.FINAL if trust else Status.INCLUDED,
        source=Source.PROVEN if trust else Source.ASSERTED,
        time=time,
        position=stored.block,
        locator=f"block {stored.block} transaction {stored.transaction}",
    )
