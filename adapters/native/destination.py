"""The pure part of the native adapter: payload codec and receipts, for enclave and verifier."""

from collections.abc import Mapping
from typing import Final

from adapters.native.entry import Entry
from adapters.native.genesis import origin_of
from fabric.core.canonical import MAX_INTEGER, JsonObject, JsonValue
from fabric.core.errors import Malformed, VerificationError
from fabric.core.ids import WORD_BYTES
from fabric.ledger.rules.operations import Deliver, Expire, Operation, Send, Settle
from fabric.trust.batch import Header
from fabric.trust.checkpoint import MAX_NOTE_BYTES, Checkpoint, open_note
from fabric.trust.destination import Destination
from fabric.trust.fields import read_hex, read_integer, read_object, read_text
from fabric.trust.kind import Anchorage, Source, SourceEvent, Status, Told
from fabric.trust.letter import check_plain_codec, write_plain
from fabric.trust.merkle import leaf_hash, parse_path, root_from_inclusion

_STEP: Final = "settlement"
_MATERIAL: Final = frozenset({"checkpoint", "entry", "index", "path"})
_TRUST: Final = frozenset({"log_key", "origin"})


class Native:
    """``fabric.trust.kind.DestinationKind`` of native ledgers."""

    def check_codec(self, codec: Mapping[str, JsonValue]) -> None:
        """Accepts ``{"kind": "json"}`` and ``{"kind": "message"}``, nothing else; raises ``Malformed``."""
        check_plain_codec(codec)

    def encode_payload(self, codec: Mapping[str, JsonValue], output: JsonValue) -> bytes:
        """Returns the output's canonical JSON, or the letter that it describes; raises ``Malformed``."""
        return write_plain(codec, output)

    def check_receipt(
        self, destination: Destination, header: Header, material: JsonObject, trust: JsonObject
    ) -> Anchorage:
        """Verifies that a header was settled: refused calls are never logged, so a logged one took effect.

        Args:
            destination: the deployment, whose settlement is the sequencer's key.
            header: the batch header.
            material: ``checkpoint`` (a signed note), ``entry``, its ``index`` and its audit ``path``.
            trust: ``log_key`` and ``origin``; without them the key is the one that the destination names, which shows
                consistency alone, and the anchorage is asserted.

        Raises:
            VerificationError: step ``settlement``.
            Malformed: material or trust is ill-formed.
        """
        operation, anchorage = _prove(destination, material, trust)
        if not isinstance(operation, Settle) or operation.header.encoded != header.encoded:
            raise VerificationError(_STEP, "the entry does not settle this header")
        return anchorage

    def check_event(self, destination: Destination, material: JsonObject, trust: JsonObject) -> SourceEvent:
        """Verifies that a call of the mailbox took effect; arguments, errors and reasons as in ``check_receipt``."""
        operation, anchorage = _prove(destination, material, trust)
        match operation:
            case Send():
                return SourceEvent(Told.SENT, operation.message, operation.body, anchorage)
            case Deliver():
                # Accounts of this ledger run no code, so that no recipient returns anything.
                return SourceEvent(Told.DELIVERED, operation.delivery.message, b"", anchorage)
            case Expire():
                return SourceEvent(Told.EXPIRED, operation.message, b"", anchorage)
            case _:
                raise VerificationError(_STEP, "the entry is no event of a message")


def _prove(destination: Destination, material: JsonObject, trust: JsonObject) -> tuple[Operation, Anchorage]:
    """Returns the call of an entry that is under a checkpoint of the destination's log, and where it stands."""
    fields = read_object(material, _MATERIAL, "receipt")
    entry = Entry.parse(fields["entry"])
    if read_integer(fields["index"], "receipt.index", 0, MAX_INTEGER) != entry.index:
        raise VerificationError(_STEP, "the entry bears another index")
    checkpoint = _checkpoint(destination, read_text(fields["checkpoint"], "receipt", MAX_NOTE_BYTES), trust)
    path = parse_path(fields["path"], "receipt.path")
    root = root_from_inclusion(leaf_hash(entry.encoded), entry.index, checkpoint.size, path)
    if root != checkpoint.root:
        raise VerificationError(_STEP, "the entry is not under the checkpoint")
    return entry.envelope.operation, Anchorage(
        status=Status.OPERATOR_FINAL,
        source=Source.PROVEN if trust else Source.ASSERTED,
        time=entry.time,
        position=entry.index,
        locator=f"entry {entry.index} of {checkpoint.size}",
    )


def _checkpoint(destination: Destination, note: str, trust: JsonObject) -> Checkpoint:
    key, origin = destination.settlement, origin_of(destination)
    if trust:
        fields = read_object(trust, _TRUST, "trust")
        key = read_hex(fields["log_key"], "trust.log_key", WORD_BYTES)
        if fields["origin"] != origin:
            raise VerificationError(_STEP, "the policy trusts another log than this destination's")
    # A witness's line would be bytes that nobody here checks, and a proof holds none of those.
    if note.count("\n\u2014 ") != 1:
        raise VerificationError(_STEP, "the checkpoint has other signatures than the sequencer's")
    try:
        checkpoint = open_note(note, key)
    except Malformed as error:
        raise VerificationError(_STEP, str(error)) from error
    if checkpoint.origin != origin:
        raise VerificationError(_STEP, f"a checkpoint of {checkpoint.origin}")
    return checkpoint
