"""Testing: run a cryptlet in an author's own unit test, through the same checks as in a container, without one.

verdict = run(ColdChain, ColdChain.judge, Path("good.csv").read_bytes())
"""

import hashlib
from typing import Any, Final, TypeVar, overload

from pydantic import BaseModel

from fabric.core import canonical
from fabric.core.errors import AuthorError
from fabric.sdk.checks import Method
from fabric.sdk.context import Context
from fabric.sdk.cryptlet import Cryptlet
from fabric.sdk.runner import Loaded
from fabric.sdk.shapes import Marked

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
