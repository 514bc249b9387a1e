"""Enclave protocol: typed values to and from protobuf bytes. The only user of ``enclave_pb2``.

Protobuf bytes are transport only: nothing that is signed or hashed is ever taken from a
    re-serialised message.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from fabric.core.errors import Malformed
from fabric.core.ids import Account, BindingVersion, InvocationId, Measurement, sha256
from fabric.core.model import Failure, Invocation, Outcome
from fabric.trust.attestation import KeySet
from fabric.trust.batch import Header, Sealed, SignedBatch
from fabric.trust.record import Record
from fabric.trust.schemes import Signature
from fabric.wire.reading import parse, word
from fabric.wire.v1 import enclave_pb2 as pb


@dataclass(frozen=True)
class Describe:
    """Ask an enclave who it is."""


@dataclass(frozen=True)
class MakeEvidence:
    """Ask for evidence over an appraiser's nonce."""

    nonce: bytes


@dataclass(frozen=True)
class Load:
    """Give the enclave a bundle: the wheel file, its publication as canonical JSON, and the wheels that it locks."""

    wheel: bytes
    publication: bytes
    dependencies: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class Run:
    """Run invocations under one binding; ``binding`` is the canonical document."""

    binding: bytes
    invocations: tuple[Invocation, ...]


@dataclass(frozen=True)
class Unload:
    """Have a bundle forgotten and its containers ended, also those that run."""

    measurement: Measurement


EnclaveRequest = Describe | MakeEvidence | Load | Run | Unload


@dataclass(frozen=True)
class Description:
    """Who an enclave says it is; proven only by an attestation result."""

    keys: KeySet
    fabric: Measurement
    isolation: str
    epoch: int
    pid: int


@dataclass(frozen=True)
class Evidence:
    """Evidence as canonical JSON (docs/spec/evidence.md)."""

    document: bytes


@dataclass(frozen=True)
class Loaded:
    """The measurement under which a bundle was loaded."""

    measurement: Measurement


@dataclass(frozen=True)
class RunResult:
    """Outcomes in the order of the invocations.

    One signed batch per destination with a success in it.
    """

    outcomes: tuple[Outcome, ...]
    batches: tuple[SignedBatch, ...]


@dataclass(frozen=True)
class Unloaded:
    """A bundle is forgotten; nothing of it runs."""


EnclaveReply = Failure | Description | Evidence | Loaded | RunResult | Unloaded


def encode_request(request: EnclaveRequest) -> bytes:
    """Returns the protobuf bytes of a request."""
    return _request_to_pb(request).SerializeToString()


def _request_to_pb(request: EnclaveRequest) -> pb.EnclaveRequest:
    match request:
        case Describe():
            return pb.EnclaveRequest(describe=pb.DescribeRequest())
        case MakeEvidence(nonce):
            return pb.EnclaveRequest(evidence=pb.EvidenceRequest(nonce=nonce))
        case Load(wheel, publication, wheels):
            load = pb.LoadRequest(wheel=wheel, publication=publication, dependencies=wheels)
            return pb.EnclaveRequest(load=load)
        case Run(binding, invocations):
            calls = [_invocation_to_pb(call) for call in invocations]
            return pb.EnclaveRequest(run=pb.RunRequest(binding=binding, invocations=calls))
        case Unload(measurement):
            return pb.EnclaveRequest(unload=pb.UnloadRequest(measurement=measurement))


def decode_request(data: bytes) -> EnclaveRequest:
    """Reads a request; raises ``Malformed``.

    The binding of each invocation is left to the enclave to compute.
    """
    message = parse(pb.EnclaveRequest, data)
    kind = message.WhichOneof("kind")
    if kind not in _REQUESTS:
        raise Malformed("enclave request", "no request in it")
    return _REQUESTS[kind](message)


def encode_reply(reply: EnclaveReply) -> bytes:
    """Returns the protobuf bytes of a reply."""
    return _reply_to_pb(reply).SerializeToString()


def _reply_to_pb(reply: EnclaveReply) -> pb.EnclaveReply:
    match reply:
        case Failure(code, text):
            return pb.EnclaveReply(failure=pb.EnclaveFailure(code=code, message=text))
        case Description():
            return pb.EnclaveReply(describe=_description_to_pb(reply))
        case Evidence(document):
            return pb.EnclaveReply(evidence=pb.EvidenceReply(evidence=document))
        case Loaded(measurement):
            return pb.EnclaveReply(load=pb.LoadReply(measurement=measurement))
        case RunResult(outcomes, batches):
            answers = [_outcome_to_pb(outcome) for outcome in outcomes]
            return pb.EnclaveReply(run=pb.RunReply(outcomes=answers, batches=map(_batch_to_pb, batches)))
        case Unloaded():
            return pb.EnclaveReply(unload=pb.UnloadReply())


def decode_reply(data: bytes) -> EnclaveReply:
    """Reads a reply; raises ``Malformed``."""
    message = parse(pb.EnclaveReply, data)
    kind = message.WhichOneof("kind")
    if kind not in _REPLIES:
        raise Malformed("enclave reply", "no reply in it")
    return _REPLIES[kind](message)


def _invocation_to_pb(call: Invocation) -> pb.RunInvocation:
    return pb.RunInvocation(
        id=call.id,
        caller=call.caller,
        method=call.method,
        input=call.input,
        as_of=call.as_of,
        state_version=call.state_version,
        deadline_ms=call.deadline_ms,
    )


def _invocation(call: pb.RunInvocation, binding: BindingVersion) -> Invocation:
    return Invocation(
        id=InvocationId(word(call.id, "invocation.id")),
        caller=Account(word(call.caller, "invocation.caller")),
        binding=binding,
        method=call.method,
        input=call.input,
        as_of=call.as_of,
        state_version=call.state_version,
        deadline_ms=call.deadline_ms,
    )


def _run(message: pb.EnclaveRequest) -> Run:
    binding = message.run.binding
    version = BindingVersion(sha256(binding))
    return Run(binding, tuple(_invocation(call, version) for call in message.run.invocations))


_REQUESTS: Final[dict[str, Callable[[pb.EnclaveRequest], EnclaveRequest]]] = {
    "describe": lambda _: Describe(),
    "evidence": lambda message: MakeEvidence(message.evidence.nonce),
    "load": lambda message: Load(message.load.wheel, message.load.publication, tuple(message.load.dependencies)),
    "run": _run,
    "unload": lambda message: Unload(Measurement(word(message.unload.measurement, "unload.measurement"))),
}


def _description_to_pb(value: Description) -> pb.DescribeReply:
    return pb.DescribeReply(
        ed25519_key=value.keys.ed25519,
        address=value.keys.address,
        fabric_measurement=value.fabric,
        isolation=value.isolation,
        epoch=value.epoch,
        pid=value.pid,
    )


def _description(message: pb.EnclaveReply) -> Description:
    value = message.describe
    if len(value.address) != 20:  # noqa: PLR2004 - an EVM address
        raise Malformed("description.address", "expected 20 bytes")
    return Description(
        keys=KeySet(word(value.ed25519_key, "description.ed25519_key"), value.address),
        fabric=Measurement(word(value.fabric_measurement, "description.fabric_measurement")),
        isolation=value.isolation,
        epoch=value.epoch,
        pid=value.pid,
    )


def _outcome_to_pb(outcome: Outcome) -> pb.RunOutcome:
    if outcome.failure is None:
        return pb.RunOutcome(id=outcome.invocation, output=outcome.output or b"")
    failure = outcome.failure
    return pb.RunOutcome(id=outcome.invocation, failure_code=failure.code, failure_message=failure.message)


def _outcome(value: pb.RunOutcome) -> Outcome:
    invocation = InvocationId(word(value.id, "outcome.id"))
    if value.failure_code:
        return Outcome(invocation, None, Failure(value.failure_code, value.failure_message))
    return Outcome(invocation, value.output)


def _batch_to_pb(batch: SignedBatch) -> pb.RunBatch:
    return pb.RunBatch(
        header=batch.header.encoded,
        signatures=[pb.WireSignature(scheme=item.scheme, key=item.key, value=item.value) for item in batch.signatures],
        entries=[
            pb.SealedRecord(record=entry.record.encoded, statement=entry.statement, payload=entry.payload)
            for entry in batch.entries
        ],
    )


def _batch(value: pb.RunBatch) -> SignedBatch:
    return SignedBatch(
        header=Header.decode(value.header),
        signatures=tuple(Signature(item.scheme, item.key, item.value) for item in value.signatures),
        entries=tuple(Sealed(Record.decode(entry.record), entry.statement, entry.payload) for entry in value.entries),
    )


_REPLIES: Final[dict[str, Callable[[pb.EnclaveReply], EnclaveReply]]] = {
    "failure": lambda message: Failure(message.failure.code, message.failure.message),
    "describe": _description,
    "evidence": lambda message: Evidence(message.evidence.evidence),
    "load": lambda message: Loaded(Measurement(word(message.load.measurement, "measurement"))),
    "run": lambda message: RunResult(
        tuple(_outcome(value) for value in message.run.outcomes),
        tuple(_batch(value) for value in message.run.batches),
    ),
    "unload": lambda _: Unloaded(),
}
