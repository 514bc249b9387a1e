"""A request as canonical JSON, the form in which it is stored. Numbers of 64 bits are texts: JSON's end at 53."""

from typing import Final

from fabric.core import canonical
from fabric.core.errors import Malformed
from fabric.core.ids import Account, BindingVersion, Digest, InvocationId, parse_word
from fabric.ledger.port import Request

_WORDS: Final = ("invocation", "requester", "method", "input", "binding")
_NUMBERS: Final = ("index", "nonce", "state_version", "time")
_NAMES: Final = frozenset({*_WORDS, *_NUMBERS, "locator"})
_DIGITS: Final = 20
"""Of 2**64 - 1."""


def write_request(request: Request) -> bytes:
    """Returns the canonical JSON of a request."""
    fields: canonical.JsonObject = {name: getattr(request, name).hex() for name in _WORDS}
    fields |= {name: str(getattr(request, name)) for name in _NUMBERS}
    return canonical.encode(fields | {"locator": request.locator})


def read_request(data: bytes) -> Request:
    """Reads what ``write_request`` writes; raises ``Malformed`` for anything else."""
    fields = canonical.decode_object(data)
    if fields.keys() != _NAMES:
        raise Malformed("request", f"expected the names {', '.join(sorted(_NAMES))}")
    word = {name: parse_word(fields[name], f"request.{name}") for name in _WORDS}
    number = {name: _number(fields[name], f"request.{name}") for name in _NUMBERS}
    locator = fields["locator"]
    if not isinstance(locator, str):
        raise Malformed("request.locator", "expected a text")
    return Request(
        index=number["index"],
        invocation=InvocationId(word["invocation"]),
        requester=Account(word["requester"]),
        nonce=number["nonce"],
        method=Digest(word["method"]),
        input=Digest(word["input"]),
        binding=BindingVersion(word["binding"]),
        state_version=number["state_version"],
        time=number["time"],
        locator=locator,
    )


def _number(value: object, field: str) -> int:
    if not isinstance(value, str) or not value.isdecimal() or not value.isascii() or len(value) > _DIGITS:
        raise Malformed(field, f"expected at most {_DIGITS} decimal digits as a text")
    if str(int(value)) != value:
        raise Malformed(field, "leading zeros")
    return int(value)
