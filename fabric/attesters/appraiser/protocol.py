"""Protocol of the appraiser's socket: canonical JSON frames, one answer a request (docs/spec/attestation.md).

``Answerer.answer`` maps any bytes to a reply, so that the socket's code has nothing to decide.
"""

from typing import Final

from fabric.attesters.appraiser.service import Appraiser
from fabric.core import canonical
from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.errors import FabricError, Malformed
from fabric.core.ids import DestinationId, parse_word
from fabric.trust.attestation import MAX_DESTINATIONS, KeyStatus
from fabric.trust.fields import read_choice, read_hex, read_list, read_object, read_text
from fabric.trust.revocation import CodeRevocation

MAX_FRAME_BYTES: Final = 256 << 10
_FIELD: Final = "appraiser request"


class Answerer:
    """Reads requests for one appraiser."""

    def __init__(self, appraiser: Appraiser) -> None:
        """Takes the appraiser that does the work."""
        self._appraiser = appraiser
        self._operations = {
            "describe": self._describe,
            "nonce": self._nonce,
            "appraise": self._appraise,
            "key_status": self._key_status,
            "code_revocation": self._code_revocation,
        }

    def answer(self, request: bytes) -> JsonObject:
        """Returns ``{"ok": value}`` or ``{"error": {"code", "message"}}``; never raises for what was asked."""
        try:
            value = canonical.decode_object(request, max_bytes=MAX_FRAME_BYTES)
            operation = read_choice(value.get("op"), tuple(self._operations), f"{_FIELD}.op")
            return {"ok": self._operations[operation](value)}
        except FabricError as error:
            return {"error": {"code": error.code, "message": str(error)}}

    def _describe(self, request: JsonObject) -> JsonValue:
        read_object(request, frozenset({"op"}), _FIELD)
        keys = self._appraiser.keys
        return {"address": keys.address.hex(), "ed25519": keys.ed25519.hex()}

    def _nonce(self, request: JsonObject) -> JsonValue:
        read_object(request, frozenset({"op"}), _FIELD)
        return self._appraiser.nonce().hex()

    def _appraise(self, request: JsonObject) -> JsonValue:
        fields = read_object(request, frozenset({"destinations", "evidence", "nonce", "op"}), _FIELD)
        nonce = parse_word(fields["nonce"], f"{_FIELD}.nonce")
        evidence = read_text(fields["evidence"], f"{_FIELD}.evidence", MAX_FRAME_BYTES).encode()
        destinations = read_list(fields["destinations"], _destination, f"{_FIELD}.destinations", MAX_DESTINATIONS)
        return self._appraiser.appraise(nonce, evidence, destinations).to_json()

    def _key_status(self, request: JsonObject) -> JsonValue:
        fields = read_object(request, frozenset({"op", "status"}), _FIELD)
        status = KeyStatus.decode(read_hex(fields["status"], f"{_FIELD}.status"))
        return [signature.to_json() for signature in self._appraiser.key_status(status)]

    def _code_revocation(self, request: JsonObject) -> JsonValue:
        fields = read_object(request, frozenset({"op", "revocation"}), _FIELD)
        revocation = CodeRevocation.decode(read_hex(fields["revocation"], f"{_FIELD}.revocation"))
        return [signature.to_json() for signature in self._appraiser.code_revocation(revocation)]


def _destination(value: JsonValue) -> DestinationId:
    word = parse_word(value, f"{_FIELD}.destinations")
    if not any(word):
        raise Malformed(f"{_FIELD}.destinations", "the zero word names no destination")
    return DestinationId(word)
