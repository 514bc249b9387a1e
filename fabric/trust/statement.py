"""Statement: the details of a record for people, canonical JSON whose digest the record carries.

Everything the record says is said again in the statement, with names instead of hashes where there
are names; the verifier compares the two field by field (docs/spec/statement.md). It holds nothing
that differs between two honest
members of a ring: no enclave, no clock, no measured time.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from fabric.core import canonical
from fabric.core.canonical import JsonObject, JsonValue
from fabric.core.errors import VerificationError
from fabric.core.ids import method_word
from fabric.trust.record import Record

FORMAT: Final = "cryptlet-fabric/statement/v1"
_STEP: Final = "statement"
_DIGESTS: Final = (
    "fabric",
    "destination",
    "recipient",
    "measurement",
    "binding",
    "caller",
    "invocation",
    "intent",
    "input",
    "output",
    "payload",
)
_NUMBERS: Final = ("state_version", "as_of", "not_after")


@dataclass(frozen=True)
class Details:
    """What a statement says beyond its record.

    Attributes:
        cryptlet: ``name@version``.
        method: the method's name.
        isolation: name of the isolation level that held while it ran.
        usage: sizes in bytes and counts; nothing measured in time.
        host_calls: every call to the host, in order.
        sources: every external source that was read.
    """

    cryptlet: str
    method: str
    isolation: str
    usage: JsonObject
    host_calls: tuple[JsonValue, ...] = ()
    sources: tuple[JsonValue, ...] = ()


def write_statement(fields: dict[str, bytes | int], details: Details) -> bytes:
    """Returns the canonical statement.

    Args:
        fields: the fields of the record but ``method`` and ``statement``, by name; bytes are one
            word.
        details: the rest.
    """
    spelled = {name: f'"{fields[name].hex()}"' for name in _DIGESTS}  # type: ignore[union-attr]
    spelled |= {name: str(fields[name]) for name in _NUMBERS}
    spelled |= {
        "format": f'"{FORMAT}"',
        "cryptlet": _spell_text(details.cryptlet),
        "method": _spell_text(details.method),
        "isolation": _spell_text(details.isolation),
        "usage": _spell(details.usage),
        "host_calls": _spell([*details.host_calls]) if details.host_calls else "[]",
        "sources": _spell([*details.sources]) if details.sources else "[]",
    }
    # Joining the members in the order of their names is the canonical form of the object, at a third of the cost.
    members = ",".join([f'"{name}":{spelled[name]}' for name in _ORDER])
    return f"{{{members}}}".encode()


@lru_cache(maxsize=1024)
def _spell_text(text: str) -> str:
    """Spells a name that is the same in every statement of a batch."""
    return _spell(text)


def _spell(value: JsonValue) -> str:
    return canonical.encode(value).decode()


_NAMES: Final = frozenset(
    (
        *_DIGESTS,
        *_NUMBERS,
        "format",
        "cryptlet",
        "method",
        "isolation",
        "usage",
        "host_calls",
        "sources",
    )
)


_ORDER: Final = tuple(sorted(_NAMES))


def check_statement(statement: JsonObject, record: Record) -> None:
    """Compares a statement with its record, field by field.

    Raises:
        VerificationError: step ``statement``, naming the first field that differs.
    """
    if set(statement) != _NAMES or statement["format"] != FORMAT:
        raise VerificationError(_STEP, f"expected format {FORMAT!r} and its names")
    for name in _DIGESTS:
        if statement[name] != getattr(record, name).hex():
            raise VerificationError(_STEP, f"{name} differs from the record's")
    for name in _NUMBERS:
        # A JSON true equals 1 in Python.
        if type(statement[name]) is not int or statement[name] != getattr(record, name):
            raise VerificationError(_STEP, f"{name} differs from the record's")
    method = statement["method"]
    if not isinstance(method, str) or method_word(method) != record.method:
        raise VerificationError(_STEP, "method differs from the record's")
