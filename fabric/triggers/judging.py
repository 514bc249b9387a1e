"""Which requests are answered, and as what invocation: pure."""

from typing import Final

from fabric.core import canonical
from fabric.core.errors import Refused
from fabric.core.ids import DestinationId, method_word, request_id
from fabric.core.model import Invocation
from fabric.ledger.port import Request
from fabric.trust.binding import Binding

MAX_STATE_VERSION: Final = canonical.MAX_INTEGER
"""A statement says it as a JSON number."""


def judge(request: Request, destination: DestinationId, binding: Binding | None) -> str:
    """Returns the name of the method that a request asks for.

    Args:
        request: the request.
        destination: the ledger that made it.
        binding: the binding of the version that the request names, None where there is none here.

    Raises:
        Refused: it will not be answered; the message says why.
    """
    if binding is None:
        raise Refused(f"no binding of version {request.binding.hex()} is in force here")
    if request.requester not in binding.requesters:
        raise Refused(f"binding {binding.name!r} does not answer requester {request.requester.hex()}")
    if all(route.destination != destination for route in binding.routes):
        raise Refused(f"binding {binding.name!r} has no route to the ledger that asks")
    if request.state_version > MAX_STATE_VERSION:
        raise Refused(f"state version {request.state_version} is beyond {MAX_STATE_VERSION}")
    parts = (request.requester, request.nonce, request.method, request.input, request.binding)
    if request.invocation != request_id(destination, *parts):
        raise Refused("the invocation id is not the one that its parts give")
    for name in binding.methods:
        if method_word(name) == request.method:
            return name
    raise Refused(f"binding {binding.name!r} allows no method of digest {request.method.hex()}")


def invocation_of(request: Request, method: str, data: bytes) -> Invocation:
    """Returns the invocation of a request: everything in it is the ledger's word."""
    return Invocation(
        id=request.invocation,
        caller=request.requester,
        binding=request.binding,
        method=method,
        input=data,
        as_of=request.time,
        state_version=request.state_version,
    )
