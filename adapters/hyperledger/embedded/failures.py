"""How calls fail: a gRPC status, its sentence, and details in the trailer, as clients of real peers know them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn, Protocol

import grpc
import grpc.aio

from adapters.hyperledger.proto import gateway_pb2, rpc_pb2

TRAILER = "grpc-status-details-bin"
_TYPE = "type.googleapis.com/gateway.ErrorDetail"


@dataclass(frozen=True)
class Detail:
    """What one peer or orderer says of a failure."""

    msp: str
    message: str


class Answering(Protocol):
    """The part of a call's context that fails it."""

    def set_trailing_metadata(self, metadata: Sequence[tuple[str, bytes]]) -> None:
        """Sets what follows the answer."""
        ...

    async def abort(self, code: grpc.StatusCode, details: str) -> NoReturn:
        """Fails the call."""
        ...


def unsatisfied(policy: str) -> str:
    """Returns what a peer says where an implicit policy of all organisations is satisfied by none."""
    return (
        "implicit policy evaluation failed - 0 sub-policies were satisfied,"
        f" but this policy requires 1 of the '{policy}' sub-policies to be satisfied"
    )


async def fail(
    context: Answering, code: grpc.StatusCode, message: str, details: Sequence[Detail] = (), address: str = ""
) -> NoReturn:
    """Fails a call."""
    if details:
        number: int = code.value[0]
        status = rpc_pb2.Status(code=number, message=message)
        for detail in details:
            given = gateway_pb2.ErrorDetail(address=address, msp_id=detail.msp, message=detail.message)
            status.details.add(type_url=_TYPE, value=given.SerializeToString())
        context.set_trailing_metadata(((TRAILER, status.SerializeToString()),))
    await context.abort(code, message)
