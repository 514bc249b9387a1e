"""Testing: run a cryptlet in an author's own unit test, through the same checks as in a container, without one.

verdict = run(ColdChain, "judge", Path("good.csv").read_bytes())
"""

import hashlib
from typing import Final, TypeVar, overload

from pydantic import BaseModel

from fabric.core import canonical
from fabric.sdk.context import Context
from fabric.sdk.cryptlet import Cryptlet
from fabric.sdk.runner import Loaded

AS_OF: Final = 1_767_225_600
"""2026-01-01T00:00:00Z, the time of a test that names none."""
_M = TypeVar("_M", bound=BaseModel)


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
    method: str,
    value: BaseModel | bytes | canonical.JsonObject,
    ctx: Context | None = None,
    *,
    output: type[_M] | None = None,
) -> _M | canonical.JsonObject:
    """Runs one method of a cryptlet as a container does: JSON in, canonical JSON out.

    Args:
        cryptlet: the class.
        method: name of the method.
        value: a model, a JSON object, or the bytes of a raw file or a JSON text.
        ctx: the context; without one, ``context()``.
        output: model to read the output back into; without one, the JSON object is returned.

    Raises:
        FabricError: whatever a caller of the fabric would get, see ``Loaded.invoke``.
    """
    written = Loaded(cryptlet).invoke(method, _bytes(value), ctx or context())
    if output is None:
        return canonical.decode_object(written)
    return output.model_validate_json(written)


def _bytes(value: BaseModel | bytes | canonical.JsonObject) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, BaseModel):
        return value.model_dump_json(by_alias=True).encode()
    return canonical.encode(value)
