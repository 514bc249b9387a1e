"""Inspection: whether a reply is the enclave's word, before anyone acts on it.

Couriers are not trusted: what runs in Ray can answer whatever it likes. What an enclave signed, it cannot invent. Every
success must stand in one batch per destination of the binding, with this output and this input, below a root that the
enclave's key signed. A failure is not signed: that something failed is the courier's word, and costs a retry at most.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final

from fabric.core.errors import Malformed, PlatformError
from fabric.core.ids import DestinationId, InvocationId, intent_id, method_word, sha256
from fabric.core.model import Invocation, Outcome
from fabric.trust import eip712
from fabric.trust.attestation import KeySet
from fabric.trust.batch import Sealed, SignedBatch, tree_of
from fabric.trust.binding import Binding
from fabric.trust.destination import Destination
from fabric.trust.schemes import ED25519, EIP712, is_valid
from fabric.wire.codec import Run, RunResult

_method: Final = lru_cache(maxsize=256)(method_word)
Destinations = Mapping[DestinationId, Destination]
_NONE: Final[Destinations] = {}


class ForgedReply(PlatformError):
    """A reply that the enclave did not give; nothing of it may be used."""

    code = "forged-reply"


def inspect(run: Run, result: RunResult, keys: KeySet, destinations: Destinations = _NONE) -> None:
    """Holds a reply against its request and the enclave's keys.

    Args:
        run: what was asked.
        result: what came back.
        keys: of the enclave that was asked, as its attestation result names them.
        destinations: the ledgers, by id; the EIP-712 signature is checked where its ledger is among them.

    Raises:
        ForgedReply: it does not fit; the text says where.
    """
    _require(
        [item.invocation for item in result.outcomes] == [call.id for call in run.invocations], "other invocations"
    )
    _require(all((item.output is None) != (item.failure is None) for item in result.outcomes), "output and failure")
    asked = {
        call.id: _words(call, item)
        for call, item in zip(run.invocations, result.outcomes, strict=True)
        if item.failure is None
    }
    seen: dict[DestinationId, set[InvocationId]] = {}
    for batch in result.batches:
        _check_signed(batch, keys, destinations)
        names = seen.setdefault(batch.header.destination, set())
        for entry in batch.entries:
            name = entry.record.invocation
            if name in names or name not in asked:
                raise ForgedReply("a record of no success, or twice")
            _check_entry(entry, asked[name], batch.header.destination)
            names.add(name)
    expected = {destination: set(asked) for destination in _destinations(run.binding)} if asked else {}
    _require(seen == expected, "a success without a record for each destination")


def _check_signed(batch: SignedBatch, keys: KeySet, destinations: Destinations) -> None:
    header = batch.header
    records = [entry.record for entry in batch.entries]
    _require(len(records) == header.count and tree_of(records).root == header.root, "records of another batch")
    _require(any(item.scheme == ED25519 for item in batch.signatures), "no Ed25519 signature")
    own = {ED25519: keys.ed25519, EIP712: keys.address}
    for item in batch.signatures:
        _require(own.get(item.scheme) == item.key, "another enclave's key")
        destination = destinations.get(header.destination)
        if item.scheme == ED25519 or destination is not None:
            _require(is_valid(item, header.encoded, _digest(batch, destination)), f"no {item.scheme} signature")


def _digest(batch: SignedBatch, destination: Destination | None) -> Callable[[], bytes]:
    return lambda: b"" if destination is None else eip712.header_digest(batch.header, destination)


def _words(call: Invocation, outcome: Outcome) -> tuple[object, ...]:
    """Returns what the record of a success must say, whatever its destination."""
    return (
        call.binding,
        _method(call.method),
        call.caller,
        sha256(call.input),
        sha256(outcome.output or b""),
        call.state_version,
        call.as_of,
    )


def _check_entry(entry: Sealed, asked: tuple[object, ...], destination: DestinationId) -> None:
    record = entry.record
    said = (
        record.binding,
        record.method,
        record.caller,
        record.input,
        record.output,
        record.state_version,
        record.as_of,
    )
    own = (
        record.destination == destination,
        record.intent == intent_id(record.invocation, destination),
        record.payload == sha256(entry.payload),
        record.statement == sha256(entry.statement),
    )
    _require(said == asked and all(own), "a record that says something else than was asked and answered")


@lru_cache(maxsize=256)
def _destinations(binding: bytes) -> frozenset[DestinationId]:
    try:
        return frozenset(route.destination for route in Binding.parse(binding).routes)
    except Malformed as error:
        raise ForgedReply(f"results under a binding that is none: {error}") from error


def _require(holds: bool, reason: str) -> None:  # noqa: FBT001 - an assertion that is always on
    if not holds:
        raise ForgedReply(reason)
