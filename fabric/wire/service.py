"""The caller's door: typed values to and from ``fabric_pb2``, and the table of methods that server and client share.

gRPC is told to (de)serialise with these functions, so neither side ever holds a generated class.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from fabric.core.errors import Malformed
from fabric.core.ids import DestinationId, Digest, InvocationId
from fabric.core.model import Failure
from fabric.wire import operators
from fabric.wire.messages import MESSAGE_METHODS
from fabric.wire.method import Method
from fabric.wire.reading import parse, word
from fabric.wire.status import decode_get_status, decode_status, encode_get_status, encode_status
from fabric.wire.v1 import fabric_pb2 as pb

SERVICE: Final = "fabric.v1.Fabric"
DESCRIPTOR: Final = pb.DESCRIPTOR
MAX_CALLS: Final = 1024
MAX_MESSAGE_BYTES: Final = 64 << 20


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a caller.

    Attributes:
        method: name of the method.
        input: JSON text, or the bytes of a file.
        idempotency_key: 1 to 200 characters, unique per caller.
        deadline_ms: longest run time; 0 takes the fabric's default.
    """

    method: str
    input: bytes
    idempotency_key: str
    deadline_ms: int = 0


@dataclass(frozen=True, slots=True)
class InvokeRequest:
    """1 to 1,024 calls under one binding, named by name or by version."""

    binding: str
    calls: tuple[Call, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one call.

    Attributes:
        invocation: its id; empty where it was refused before it had one.
        output: canonical JSON, None on failure.
        failure: None on success.
        retry: ``never``, ``safe`` or ``unknown`` on failure.
    """

    invocation: bytes
    output: bytes | None
    failure: Failure | None = None
    retry: str = ""


@dataclass(frozen=True, slots=True)
class InvokeReply:
    """One answer per call, in order."""

    answers: tuple[Answer, ...]


@dataclass(frozen=True, slots=True)
class Anchor:
    """How far one result got on one ledger; texts as in docs/spec/api.md."""

    destination: DestinationId
    ledger: str
    status: str
    locator: str
    batch: bytes
    consumption: str = ""
    consumption_locator: str = ""
    cost: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Result:
    """A stored result and its anchors."""

    answer: Answer
    cryptlet: str
    anchors: tuple[Anchor, ...]


@dataclass(frozen=True, slots=True)
class GetResult:
    """Ask for a result by its invocation."""

    invocation: InvocationId


@dataclass(frozen=True, slots=True)
class GetProof:
    """Ask for the proof of a result on one ledger."""

    invocation: InvocationId
    destination: DestinationId


@dataclass(frozen=True, slots=True)
class Blob:
    """Bytes to store, or stored."""

    data: bytes


@dataclass(frozen=True, slots=True)
class BlobName:
    """SHA-256 of stored bytes."""

    digest: Digest


def _encode_invoke(value: InvokeRequest) -> bytes:
    calls = [
        pb.Call(
            method=call.method, input=call.input, idempotency_key=call.idempotency_key, deadline_ms=call.deadline_ms
        )
        for call in value.calls
    ]
    return pb.InvokeRequest(binding=value.binding, calls=calls).SerializeToString()


def _decode_invoke(data: bytes) -> InvokeRequest:
    message = parse(pb.InvokeRequest, data)
    if not 1 <= len(message.calls) <= MAX_CALLS:
        raise Malformed("InvokeRequest.calls", f"expected 1 to {MAX_CALLS} calls, got {len(message.calls)}")
    calls = [Call(call.method, call.input, call.idempotency_key, call.deadline_ms) for call in message.calls]
    return InvokeRequest(message.binding, tuple(calls))


def _answer_to_pb(answer: Answer) -> pb.Answer:
    if answer.failure is None:
        return pb.Answer(invocation=answer.invocation, output=answer.output or b"")
    failure = pb.Failure(code=answer.failure.code, message=answer.failure.message, retry=answer.retry)
    return pb.Answer(invocation=answer.invocation, failure=failure)


def _answer(value: pb.Answer) -> Answer:
    if value.HasField("failure"):
        failure = Failure(value.failure.code, value.failure.message)
        return Answer(value.invocation, None, failure, value.failure.retry)
    return Answer(value.invocation, value.output)


def _encode_answers(value: InvokeReply) -> bytes:
    return pb.InvokeReply(answers=map(_answer_to_pb, value.answers)).SerializeToString()


def _decode_answers(data: bytes) -> InvokeReply:
    return InvokeReply(tuple(_answer(item) for item in parse(pb.InvokeReply, data).answers))


def _decode_get_result(data: bytes) -> GetResult:
    return GetResult(InvocationId(word(parse(pb.GetResultRequest, data).invocation, "GetResult.invocation")))


def _decode_get_proof(data: bytes) -> GetProof:
    message = parse(pb.GetProofRequest, data)
    return GetProof(
        InvocationId(word(message.invocation, "GetProof.invocation")),
        DestinationId(word(message.destination, "GetProof.destination")),
    )


def _encode_result(value: Result) -> bytes:
    anchors = [
        pb.Anchor(
            destination=item.destination,
            ledger=item.ledger,
            status=item.status,
            locator=item.locator,
            batch=item.batch,
            consumption=item.consumption,
            consumption_locator=item.consumption_locator,
            cost=dict(item.cost),
        )
        for item in value.anchors
    ]
    answer = _answer_to_pb(value.answer)
    return pb.Result(answer=answer, cryptlet=value.cryptlet, anchors=anchors).SerializeToString()


def _decode_result(data: bytes) -> Result:
    message = parse(pb.Result, data)
    anchors = [
        Anchor(
            DestinationId(word(item.destination, "Anchor.destination")),
            item.ledger,
            item.status,
            item.locator,
            item.batch,
            item.consumption,
            item.consumption_locator,
            dict(item.cost),
        )
        for item in message.anchors
    ]
    return Result(_answer(message.answer), message.cryptlet, tuple(anchors))


_INVOKE: Final = (_encode_invoke, _decode_invoke, _encode_answers, _decode_answers)

METHODS: Final[Mapping[str, Method]] = {
    "Invoke": Method(*_INVOKE),
    "InvokeStream": Method(*_INVOKE, streaming=True),
    "GetResult": Method(
        lambda value: pb.GetResultRequest(invocation=value.invocation).SerializeToString(),
        _decode_get_result,
        _encode_result,
        _decode_result,
    ),
    "GetProof": Method(
        lambda value: pb.GetProofRequest(
            invocation=value.invocation, destination=value.destination
        ).SerializeToString(),
        _decode_get_proof,
        lambda value: pb.ProofReply(proof=value.data).SerializeToString(),
        lambda data: Blob(parse(pb.ProofReply, data).proof),
    ),
    "PutBlob": Method(
        lambda value: pb.PutBlobRequest(data=value.data).SerializeToString(),
        lambda data: Blob(parse(pb.PutBlobRequest, data).data),
        lambda value: pb.PutBlobReply(digest=value.digest).SerializeToString(),
        lambda data: BlobName(Digest(word(parse(pb.PutBlobReply, data).digest, "PutBlob.digest"))),
    ),
    "PutBinding": Method(
        lambda value: pb.PutBindingRequest(document=value.data).SerializeToString(),
        lambda data: Blob(parse(pb.PutBindingRequest, data).document),
        lambda value: pb.PutBindingReply(version=value.digest).SerializeToString(),
        lambda data: BlobName(Digest(word(parse(pb.PutBindingReply, data).version, "PutBinding.version"))),
    ),
    "GetStatus": Method(encode_get_status, decode_get_status, encode_status, decode_status),
    **operators.METHODS,
    **MESSAGE_METHODS,
}
