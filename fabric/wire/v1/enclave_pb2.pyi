from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class EnclaveRequest(_message.Message):
    __slots__ = ("describe", "evidence", "load", "run", "unload")
    DESCRIBE_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    LOAD_FIELD_NUMBER: _ClassVar[int]
    RUN_FIELD_NUMBER: _ClassVar[int]
    UNLOAD_FIELD_NUMBER: _ClassVar[int]
    describe: DescribeRequest
    evidence: EvidenceRequest
    load: LoadRequest
    run: RunRequest
    unload: UnloadRequest
    def __init__(self, describe: _Optional[_Union[DescribeRequest, _Mapping]] = ..., evidence: _Optional[_Union[EvidenceRequest, _Mapping]] = ..., load: _Optional[_Union[LoadRequest, _Mapping]] = ..., run: _Optional[_Union[RunRequest, _Mapping]] = ..., unload: _Optional[_Union[UnloadRequest, _Mapping]] = ...) -> None: ...

class EnclaveReply(_message.Message):
    __slots__ = ("failure", "describe", "evidence", "load", "run", "unload")
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    DESCRIBE_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    LOAD_FIELD_NUMBER: _ClassVar[int]
    RUN_FIELD_NUMBER: _ClassVar[int]
    UNLOAD_FIELD_NUMBER: _ClassVar[int]
    failure: EnclaveFailure
    describe: DescribeReply
    evidence: EvidenceReply
    load: LoadReply
    run: RunReply
    unload: UnloadReply
    def __init__(self, failure: _Optional[_Union[EnclaveFailure, _Mapping]] = ..., describe: _Optional[_Union[DescribeReply, _Mapping]] = ..., evidence: _Optional[_Union[EvidenceReply, _Mapping]] = ..., load: _Optional[_Union[LoadReply, _Mapping]] = ..., run: _Optional[_Union[RunReply, _Mapping]] = ..., unload: _Optional[_Union[UnloadReply, _Mapping]] = ...) -> None: ...

class EnclaveFailure(_message.Message):
    __slots__ = ("code", "message")
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    code: str
    message: str
    def __init__(self, code: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class DescribeRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class DescribeReply(_message.Message):
    __slots__ = ("ed25519_key", "address", "fabric_measurement", "isolation", "epoch", "pid")
    ED25519_KEY_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    FABRIC_MEASUREMENT_FIELD_NUMBER: _ClassVar[int]
    ISOLATION_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    ed25519_key: bytes
    address: bytes
    fabric_measurement: bytes
    isolation: str
    epoch: int
    pid: int
    def __init__(self, ed25519_key: _Optional[bytes] = ..., address: _Optional[bytes] = ..., fabric_measurement: _Optional[bytes] = ..., isolation: _Optional[str] = ..., epoch: _Optional[int] = ..., pid: _Optional[int] = ...) -> None: ...

class EvidenceRequest(_message.Message):
    __slots__ = ("nonce",)
    NONCE_FIELD_NUMBER: _ClassVar[int]
    nonce: bytes
    def __init__(self, nonce: _Optional[bytes] = ...) -> None: ...

class EvidenceReply(_message.Message):
    __slots__ = ("evidence",)
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    evidence: bytes
    def __init__(self, evidence: _Optional[bytes] = ...) -> None: ...

class LoadRequest(_message.Message):
    __slots__ = ("wheel", "publication", "dependencies")
    WHEEL_FIELD_NUMBER: _ClassVar[int]
    PUBLICATION_FIELD_NUMBER: _ClassVar[int]
    DEPENDENCIES_FIELD_NUMBER: _ClassVar[int]
    wheel: bytes
    publication: bytes
    dependencies: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, wheel: _Optional[bytes] = ..., publication: _Optional[bytes] = ..., dependencies: _Optional[_Iterable[bytes]] = ...) -> None: ...

class LoadReply(_message.Message):
    __slots__ = ("measurement",)
    MEASUREMENT_FIELD_NUMBER: _ClassVar[int]
    measurement: bytes
    def __init__(self, measurement: _Optional[bytes] = ...) -> None: ...

class UnloadRequest(_message.Message):
    __slots__ = ("measurement",)
    MEASUREMENT_FIELD_NUMBER: _ClassVar[int]
    measurement: bytes
    def __init__(self, measurement: _Optional[bytes] = ...) -> None: ...

class UnloadReply(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class RunInvocation(_message.Message):
    __slots__ = ("id", "caller", "method", "input", "as_of", "state_version", "deadline_ms")
    ID_FIELD_NUMBER: _ClassVar[int]
    CALLER_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    INPUT_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    STATE_VERSION_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_MS_FIELD_NUMBER: _ClassVar[int]
    id: bytes
    caller: bytes
    method: str
    input: bytes
    as_of: int
    state_version: int
    deadline_ms: int
    def __init__(self, id: _Optional[bytes] = ..., caller: _Optional[bytes] = ..., method: _Optional[str] = ..., input: _Optional[bytes] = ..., as_of: _Optional[int] = ..., state_version: _Optional[int] = ..., deadline_ms: _Optional[int] = ...) -> None: ...

class RunRequest(_message.Message):
    __slots__ = ("binding", "invocations")
    BINDING_FIELD_NUMBER: _ClassVar[int]
    INVOCATIONS_FIELD_NUMBER: _ClassVar[int]
    binding: bytes
    invocations: _containers.RepeatedCompositeFieldContainer[RunInvocation]
    def __init__(self, binding: _Optional[bytes] = ..., invocations: _Optional[_Iterable[_Union[RunInvocation, _Mapping]]] = ...) -> None: ...

class RunOutcome(_message.Message):
    __slots__ = ("id", "output", "failure_code", "failure_message")
    ID_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    FAILURE_CODE_FIELD_NUMBER: _ClassVar[int]
    FAILURE_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    id: bytes
    output: bytes
    failure_code: str
    failure_message: str
    def __init__(self, id: _Optional[bytes] = ..., output: _Optional[bytes] = ..., failure_code: _Optional[str] = ..., failure_message: _Optional[str] = ...) -> None: ...

class WireSignature(_message.Message):
    __slots__ = ("scheme", "key", "value")
    SCHEME_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    scheme: str
    key: bytes
    value: bytes
    def __init__(self, scheme: _Optional[str] = ..., key: _Optional[bytes] = ..., value: _Optional[bytes] = ...) -> None: ...

class SealedRecord(_message.Message):
    __slots__ = ("record", "statement", "payload")
    RECORD_FIELD_NUMBER: _ClassVar[int]
    STATEMENT_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    record: bytes
    statement: bytes
    payload: bytes
    def __init__(self, record: _Optional[bytes] = ..., statement: _Optional[bytes] = ..., payload: _Optional[bytes] = ...) -> None: ...

class RunBatch(_message.Message):
    __slots__ = ("header", "signatures", "entries")
    HEADER_FIELD_NUMBER: _ClassVar[int]
    SIGNATURES_FIELD_NUMBER: _ClassVar[int]
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    header: bytes
    signatures: _containers.RepeatedCompositeFieldContainer[WireSignature]
    entries: _containers.RepeatedCompositeFieldContainer[SealedRecord]
    def __init__(self, header: _Optional[bytes] = ..., signatures: _Optional[_Iterable[_Union[WireSignature, _Mapping]]] = ..., entries: _Optional[_Iterable[_Union[SealedRecord, _Mapping]]] = ...) -> None: ...

class RunReply(_message.Message):
    __slots__ = ("outcomes", "batches")
    OUTCOMES_FIELD_NUMBER: _ClassVar[int]
    BATCHES_FIELD_NUMBER: _ClassVar[int]
    outcomes: _containers.RepeatedCompositeFieldContainer[RunOutcome]
    batches: _containers.RepeatedCompositeFieldContainer[RunBatch]
    def __init__(self, outcomes: _Optional[_Iterable[_Union[RunOutcome, _Mapping]]] = ..., batches: _Optional[_Iterable[_Union[RunBatch, _Mapping]]] = ...) -> None: ...
