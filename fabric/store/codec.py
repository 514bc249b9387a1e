"""Column values that are small documents: signatures, destinations, receipts."""

from collections.abc import Sequence

from fabric.core import canonical
from fabric.core.canonical import JsonObject
from fabric.core.errors import Malformed
from fabric.core.ids import WORD_BYTES, DestinationId
from fabric.trust.schemes import Signature, parse_signature


def write_signatures(signatures: Sequence[Signature]) -> bytes:
    """Returns signatures as canonical JSON."""
    return canonical.encode([signature.to_json() for signature in signatures])


def read_signatures(data: bytes) -> tuple[Signature, ...]:
    """Reads what ``write_signatures`` writes; raises ``Malformed``."""
    value = canonical.decode(data)
    if not isinstance(value, list):
        raise Malformed("stored signatures", "expected a list")
    return tuple(map(parse_signature, value))


def write_destinations(destinations: Sequence[DestinationId]) -> bytes:
    """Returns destination ids one after the other."""
    return b"".join(destinations)


def read_destinations(data: bytes) -> tuple[DestinationId, ...]:
    """Reads what ``write_destinations`` writes."""
    return tuple(DestinationId(data[at : at + WORD_BYTES]) for at in range(0, len(data), WORD_BYTES))


def read_receipt(data: bytes | None) -> JsonObject | None:
    """Reads the column ``receipt``; raises ``Malformed``."""
    return None if data is None else canonical.decode_object(data, max_bytes=len(data))
