"""From outputs to records: pure, and the only place where a result becomes what a ledger will see.

An invocation gets a record for every destination of its binding or, when one codec cannot take its output, for none.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from fabric.core import canonical
from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.errors import CryptletRaised, Malformed
from fabric.core.ids import Digest, FabricId, intent_id, method_word, sha256
from fabric.core.model import Invocation
from fabric.trust.batch import Sealed
from fabric.trust.binding import Binding, Route
from fabric.trust.kind import DestinationKind
from fabric.trust.record import Record
from fabric.trust.sources import Witnessed
from fabric.trust.statement import Details, write_statement
from fabric.trust.words import MAX_UINT64

_method_word: Final = lru_cache(maxsize=1024)(method_word)


@dataclass(frozen=True)
class Recorder:
    """Makes the records of one binding; holds what they have in common.

    Attributes:
        fabric: id of the fabric.
        binding: the binding that the invocations run under.
        cryptlet: ``name@version`` from the measured bundle.
        isolation: name of the isolation level that holds.
        kinds: the pure part of the ledger kind of each route, in the order of the routes.
        binary_wheels: how many of them were unpacked for the cryptlet, under the binding's grant.
    """

    fabric: FabricId
    binding: Binding
    cryptlet: str
    isolation: str
    kinds: tuple[DestinationKind, ...]
    binary_wheels: int = 0

    def seal(self, invocation: Invocation, output: bytes, sources: Sequence[Witnessed] = ()) -> list[Sealed]:
        """Returns a record with its statement and payload for each route, in their order.

        Args:
            invocation: what ran.
            output: its canonical output.
            sources: the ledger events that it rests on.

        Raises:
            CryptletRaised: a destination's codec does not take the output; names the field.
            Malformed: the invocation's time is beyond every record's range.
        """
        payloads = self._payloads(canonical.parse(output))
        common = self._common(invocation, output)
        usage: JsonObject = {"input_bytes": len(invocation.input), "output_bytes": len(output)}
        if self.binary_wheels:
            usage["binary_wheels"] = self.binary_wheels
        told = tuple(one.summary for one in sources)
        details = Details(self.cryptlet, invocation.method, self.isolation, usage, sources=told)
        method = _method_word(invocation.method)
        return [
            _seal(common | _own(route, invocation, payload), details, method, payload)
            for route, payload in zip(self.binding.routes, payloads, strict=True)
        ]

    def _payloads(self, output: JsonValue) -> list[bytes]:
        try:
            return [
                kind.encode_payload(route.codec, output)
                for route, kind in zip(self.binding.routes, self.kinds, strict=True)
            ]
        except Malformed as error:
            message = f"the output does not fit the binding's codec: {error}"
            raise CryptletRaised(message) from error

    def _common(self, invocation: Invocation, output: bytes) -> dict[str, bytes | int]:
        """Returns the fields that the records of all destinations share."""
        not_after = invocation.as_of + self.binding.valid_seconds
        if not_after > MAX_UINT64 or not_after > canonical.MAX_INTEGER:
            raise Malformed("invocation.as_of", "beyond the time that a record can hold")
        if invocation.state_version > canonical.MAX_INTEGER:
            raise Malformed("invocation.state_version", "beyond the number that a statement can hold")
        return {
            "fabric": self.fabric,
            "measurement": self.binding.measurement,
            "binding": self.binding.version,
            "caller": invocation.caller,
            "invocation": invocation.id,
            "input": sha256(invocation.input),
            "output": sha256(output),
            "state_version": invocation.state_version,
            "as_of": invocation.as_of,
            "not_after": not_after,
        }


def _own(route: Route, invocation: Invocation, payload: bytes) -> dict[str, bytes | int]:
    """Returns the fields that only one destination's record has."""
    return {
        "destination": route.destination,
        "recipient": route.recipient,
        "intent": intent_id(invocation.id, route.destination),
        "payload": sha256(payload),
    }


def _seal(fields: dict[str, bytes | int], details: Details, method: Digest, payload: bytes) -> Sealed:
    statement = write_statement(fields, details)
    record = Record(**fields, method=method, statement=sha256(statement))  # type: ignore[arg-type]
    return Sealed(record, statement, payload)
