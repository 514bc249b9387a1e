"""Testing: run a cryptlet in an author's own unit test, through the same checks as in a container, without one.

verdict = run(ColdChain, ColdChain.judge, Path("good.csv").read_bytes())
letter = run(Relay, Relay.deliver, told("sent", b"a claim"))
"""

import base64
import hashlib
from typing import TYPE_CHECKING, Any, Final, TypeVar, overload

from pydantic import BaseModel

from fabric.core import canonical
from fabric.core.errors import AuthorError
from fabric.sdk.checks import Method
from fabric.sdk.context import Context
from fabric.sdk.cryptlet import Cryptlet
from fabric.sdk.runner import Loaded
from fabric.sdk.shapes import Marked

if TYPE_CHECKING:
    from fabric.sdk.messages import LedgerEvents, Told

AS_OF: Final = 1_767_225_600
"""2026-01-01T00:00:00Z, the time of a test that names none."""
_M = TypeVar("_M", bound=BaseModel)
_I = TypeVar("_I", bound=BaseModel | bytes)
_O = TypeVar("_O", bound=BaseModel)


def context(name: str = "test", *, as_of: int = AS_OF, state_version: int = 0) -> Context:
    """Returns a context whose id and entropy follow from a name.

    Args:
        name: any text; the same text gives the same entropy.
        as_of: Unix seconds.
        state_version: version of the contract's state.
    """
    digest = hashlib.sha256(name.encode()).digest()
    return Context.of(digest, as_of, hashlib.sha256(digest).digest(), state_version)


def told(event: "Told", data: bytes = b"", name: str = "test") -> "LedgerEvents":
    """Returns what a relay is given of one message: an event that its ledger proved.

    Args:
        event: what happened.
        data: of ``sent`` the message's body, of ``delivered`` the recipient's result.
        name: any text; another one is another message.
    """
    from fabric.sdk.messages import LedgerEvent, LedgerEvents, LedgerMessage  # noqa: PLC0415 - others do not pay for it

    def word(field: str) -> str:
        return hashlib.sha256(f"{name} {field}".encode()).hexdigest()

    message = LedgerMessage(
        channel=word("channel"),
        source=word("source"),
        destination=word("destination"),
        sender=word("sender"),
        recipient=word("recipient"),
        sequence=0,
        expiry=AS_OF + 3_600,
        body=hashlib.sha256(data if event == "sent" else b"").hexdigest(),
    )
    one = LedgerEvent(
        destination=message.source if event == "sent" else message.destination,
        event=event,
        message=message,
        data=base64.b64encode(data).decode(),
        time=AS_OF,
        position=1,
        status="final",
        source="proven",
    )
    return LedgerEvents(events=(one,))


@overload
def run(cryptlet: type[Cryptlet], method: Marked[_I, _O], value: _I, ctx: Context | None = None) -> _O: ...
@overload
def run(
    cryptlet: type[Cryptlet], method: str, value: BaseModel | bytes | canonical.JsonObject, ctx: Context | None = None
) -> canonical.JsonObject: ...
@overload
def run(
    cryptlet: type[Cryptlet],
    method: str,
    value: BaseModel | bytes | canonical.JsonObject,
    ctx: Context | None = None,
    *,
    output: type[_M],
) -> _M: ...
def run(
    cryptlet: type[Cryptlet],
    method: str | Marked[Any, BaseModel],
    value: BaseModel | bytes | canonical.JsonObject,
    ctx: Context | None = None,
    *,
    output: type[BaseModel] | None = None,
) -> BaseModel | canonical.JsonObject:
    """Runs one method of a cryptlet as a container does: JSON in, canonical JSON out.

    Args:
        cryptlet: the class.
        method: the method, such as ``ColdChain.judge``, so that a type checker knows input and output; or its name.
        value: a model, a JSON object, or the bytes of a raw file or a JSON text.
        ctx: the context; without one, ``context()``.
        output: model to read the output back into; without one, the method's own, or the JSON object of a method that
            was given by its name.

    Raises:
        FabricError: whatever a caller of the fabric would get, see ``Loaded.invoke``.
        AuthorError: the method is none of this class.
    """
    name = method if isinstance(method, str) else method.__name__
    if not isinstance(method, str):
        output = _own(cryptlet, method).output
    written = Loaded(cryptlet).invoke(name, _bytes(value), ctx or context())
    if output is None:
        return canonical.decode_object(written)
    return output.model_validate_json(written)


def _own(cryptlet: type[Cryptlet], method: Marked[Any, BaseModel]) -> Method:
    found = cryptlet.methods.get(method.__name__)
    given: object = method
    if found is None or found.function is not given:
        raise AuthorError(f"{method.__name__!r} is no method of {cryptlet.__name__}; put @method above it")
    return found


def _bytes(value: BaseModel | bytes | canonical.JsonObject) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, BaseModel):
        return value.model_dump_json(by_alias=True).encode()
    return canonical.encode(value)
