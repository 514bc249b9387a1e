from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Call(_message.Message):
    __slots__ = ("method", "input", "idempotency_key", "deadline_ms")
    METHOD_FIELD_NUMBER: _ClassVar[int]
    INPUT_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_MS_FIELD_NUMBER: _ClassVar[int]
    method: str
    input: bytes
    idempotency_key: str
    deadline_ms: int
    def __init__(self, method: _Optional[str] = ..., input: _Optional[bytes] = ..., idempotency_key: _Optional[str] = ..., deadline_ms: _Optional[int] = ...) -> None: ...

class InvokeRequest(_message.Message):
    __slots__ = ("binding", "calls")
    BINDING_FIELD_NUMBER: _ClassVar[int]
    CALLS_FIELD_NUMBER: _ClassVar[int]
    binding: str
    calls: _containers.RepeatedCompositeFieldContainer[Call]
    def __init__(self, binding: _Optional[str] = ..., calls: _Optional[_Iterable[_Union[Call, _Mapping]]] = ...) -> None: ...

class Failure(_message.Message):
    __slots__ = ("code", "message", "retry")
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    RETRY_FIELD_NUMBER: _ClassVar[int]
    code: str
    message: str
    retry: str
    def __init__(self, code: _Optional[str] = ..., message: _Optional[str] = ..., retry: _Optional[str] = ...) -> None: ...

class Answer(_message.Message):
    __slots__ = ("invocation", "output", "failure")
    INVOCATION_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    invocation: bytes
    output: bytes
    failure: Failure
    def __init__(self, invocation: _Optional[bytes] = ..., output: _Optional[bytes] = ..., failure: _Optional[_Union[Failure, _Mapping]] = ...) -> None: ...

class InvokeReply(_message.Message):
    __slots__ = ("answers",)
    ANSWERS_FIELD_NUMBER: _ClassVar[int]
    answers: _containers.RepeatedCompositeFieldContainer[Answer]
    def __init__(self, answers: _Optional[_Iterable[_Union[Answer, _Mapping]]] = ...) -> None: ...

class GetResultRequest(_message.Message):
    __slots__ = ("invocation",)
    INVOCATION_FIELD_NUMBER: _ClassVar[int]
    invocation: bytes
    def __init__(self, invocation: _Optional[bytes] = ...) -> None: ...

class Anchor(_message.Message):
    __slots__ = ("destination", "ledger", "status", "locator", "batch", "consumption", "consumption_locator", "cost")
    class CostEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    DESTINATION_FIELD_NUMBER: _ClassVar[int]
    LEDGER_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    LOCATOR_FIELD_NUMBER: _ClassVar[int]
    BATCH_FIELD_NUMBER: _ClassVar[int]
    CONSUMPTION_FIELD_NUMBER: _ClassVar[int]
    CONSUMPTION_LOCATOR_FIELD_NUMBER: _ClassVar[int]
    COST_FIELD_NUMBER: _ClassVar[int]
    destination: bytes
    ledger: str
    status: str
    locator: str
    batch: bytes
    consumption: str
    consumption_locator: str
    cost: _containers.ScalarMap[str, int]
    def __init__(self, destination: _Optional[bytes] = ..., ledger: _Optional[str] = ..., status: _Optional[str] = ..., locator: _Optional[str] = ..., batch: _Optional[bytes] = ..., consumption: _Optional[str] = ..., consumption_locator: _Optional[str] = ..., cost: _Optional[_Mapping[str, int]] = ...) -> None: ...

class Result(_message.Message):
    __slots__ = ("answer", "cryptlet", "anchors")
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    CRYPTLET_FIELD_NUMBER: _ClassVar[int]
    ANCHORS_FIELD_NUMBER: _ClassVar[int]
    answer: Answer
    cryptlet: str
    anchors: _containers.RepeatedCompositeFieldContainer[Anchor]
    def __init__(self, answer: _Optional[_Union[Answer, _Mapping]] = ..., cryptlet: _Optional[str] = ..., anchors: _Optional[_Iterable[_Union[Anchor, _Mapping]]] = ...) -> None: ...

class GetProofRequest(_message.Message):
    __slots__ = ("invocation", "destination")
    INVOCATION_FIELD_NUMBER: _ClassVar[int]
    DESTINATION_FIELD_NUMBER: _ClassVar[int]
    invocation: bytes
    destination: bytes
    def __init__(self, invocation: _Optional[bytes] = ..., destination: _Optional[bytes] = ...) -> None: ...

class ProofReply(_message.Message):
    __slots__ = ("proof",)
    PROOF_FIELD_NUMBER: _ClassVar[int]
    proof: bytes
    def __init__(self, proof: _Optional[bytes] = ...) -> None: ...

class PutBlobRequest(_message.Message):
    __slots__ = ("data",)
    DATA_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    def __init__(self, data: _Optional[bytes] = ...) -> None: ...

class PutBlobReply(_message.Message):
    __slots__ = ("digest",)
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    digest: bytes
    def __init__(self, digest: _Optional[bytes] = ...) -> None: ...

class PutBindingRequest(_message.Message):
    __slots__ = ("document",)
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    document: bytes
    def __init__(self, document: _Optional[bytes] = ...) -> None: ...

class PutBindingReply(_message.Message):
    __slots__ = ("version",)
    VERSION_FIELD_NUMBER: _ClassVar[int]
    version: bytes
    def __init__(self, version: _Optional[bytes] = ...) -> None: ...

class GetStatusRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class LedgerStatus(_message.Message):
    __slots__ = ("name", "kind", "destination", "state", "reason", "key_state")
    NAME_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    DESTINATION_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    KEY_STATE_FIELD_NUMBER: _ClassVar[int]
    name: str
    kind: str
    destination: bytes
    state: str
    reason: str
    key_state: str
    def __init__(self, name: _Optional[str] = ..., kind: _Optional[str] = ..., destination: _Optional[bytes] = ..., state: _Optional[str] = ..., reason: _Optional[str] = ..., key_state: _Optional[str] = ...) -> None: ...

class EnclaveStatus(_message.Message):
    __slots__ = ("name", "ed25519_key", "address", "isolation", "epoch", "pid", "assurance")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ED25519_KEY_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    ISOLATION_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    ASSURANCE_FIELD_NUMBER: _ClassVar[int]
    name: str
    ed25519_key: bytes
    address: bytes
    isolation: str
    epoch: int
    pid: int
    assurance: str
    def __init__(self, name: _Optional[str] = ..., ed25519_key: _Optional[bytes] = ..., address: _Optional[bytes] = ..., isolation: _Optional[str] = ..., epoch: _Optional[int] = ..., pid: _Optional[int] = ..., assurance: _Optional[str] = ...) -> None: ...

class BindingStatus(_message.Message):
    __slots__ = ("name", "version", "cryptlet", "methods", "callers", "ledgers")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    CRYPTLET_FIELD_NUMBER: _ClassVar[int]
    METHODS_FIELD_NUMBER: _ClassVar[int]
    CALLERS_FIELD_NUMBER: _ClassVar[int]
    LEDGERS_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: bytes
    cryptlet: str
    methods: _containers.RepeatedScalarFieldContainer[str]
    callers: _containers.RepeatedScalarFieldContainer[str]
    ledgers: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., version: _Optional[bytes] = ..., cryptlet: _Optional[str] = ..., methods: _Optional[_Iterable[str]] = ..., callers: _Optional[_Iterable[str]] = ..., ledgers: _Optional[_Iterable[str]] = ...) -> None: ...

class OutboxCount(_message.Message):
    __slots__ = ("ledger", "kind", "state", "count")
    LEDGER_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    ledger: str
    kind: str
    state: str
    count: int
    def __init__(self, ledger: _Optional[str] = ..., kind: _Optional[str] = ..., state: _Optional[str] = ..., count: _Optional[int] = ...) -> None: ...

class StandingStatus(_message.Message):
    __slots__ = ("measurement", "state", "reason", "expires", "trouble")
    MEASUREMENT_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_FIELD_NUMBER: _ClassVar[int]
    TROUBLE_FIELD_NUMBER: _ClassVar[int]
    measurement: bytes
    state: str
    reason: str
    expires: int
    trouble: str
    def __init__(self, measurement: _Optional[bytes] = ..., state: _Optional[str] = ..., reason: _Optional[str] = ..., expires: _Optional[int] = ..., trouble: _Optional[str] = ...) -> None: ...

class Status(_message.Message):
    __slots__ = ("fabric", "ledgers", "enclaves", "ray_jailed", "bindings", "succeeded", "failed", "outbox", "standings")
    FABRIC_FIELD_NUMBER: _ClassVar[int]
    LEDGERS_FIELD_NUMBER: _ClassVar[int]
    ENCLAVES_FIELD_NUMBER: _ClassVar[int]
    RAY_JAILED_FIELD_NUMBER: _ClassVar[int]
    BINDINGS_FIELD_NUMBER: _ClassVar[int]
    SUCCEEDED_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    OUTBOX_FIELD_NUMBER: _ClassVar[int]
    STANDINGS_FIELD_NUMBER: _ClassVar[int]
    fabric: bytes
    ledgers: _containers.RepeatedCompositeFieldContainer[LedgerStatus]
    enclaves: _containers.RepeatedCompositeFieldContainer[EnclaveStatus]
    ray_jailed: bool
    bindings: _containers.RepeatedCompositeFieldContainer[BindingStatus]
    succeeded: int
    failed: int
    outbox: _containers.RepeatedCompositeFieldContainer[OutboxCount]
    standings: _containers.RepeatedCompositeFieldContainer[StandingStatus]
    def __init__(self, fabric: _Optional[bytes] = ..., ledgers: _Optional[_Iterable[_Union[LedgerStatus, _Mapping]]] = ..., enclaves: _Optional[_Iterable[_Union[EnclaveStatus, _Mapping]]] = ..., ray_jailed: _Optional[bool] = ..., bindings: _Optional[_Iterable[_Union[BindingStatus, _Mapping]]] = ..., succeeded: _Optional[int] = ..., failed: _Optional[int] = ..., outbox: _Optional[_Iterable[_Union[OutboxCount, _Mapping]]] = ..., standings: _Optional[_Iterable[_Union[StandingStatus, _Mapping]]] = ...) -> None: ...

class ListLedgersRequest(_message.Message):
    __slots__ = ("name", "status")
    NAME_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    name: str
    status: bool
    def __init__(self, name: _Optional[str] = ..., status: _Optional[bool] = ...) -> None: ...

class LedgerInfo(_message.Message):
    __slots__ = ("name", "kind", "destination", "is_halted", "halted_for", "halted_at", "status")
    NAME_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    DESTINATION_FIELD_NUMBER: _ClassVar[int]
    IS_HALTED_FIELD_NUMBER: _ClassVar[int]
    HALTED_FOR_FIELD_NUMBER: _ClassVar[int]
    HALTED_AT_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    name: str
    kind: str
    destination: bytes
    is_halted: bool
    halted_for: str
    halted_at: int
    status: bytes
    def __init__(self, name: _Optional[str] = ..., kind: _Optional[str] = ..., destination: _Optional[bytes] = ..., is_halted: _Optional[bool] = ..., halted_for: _Optional[str] = ..., halted_at: _Optional[int] = ..., status: _Optional[bytes] = ...) -> None: ...

class ListLedgersReply(_message.Message):
    __slots__ = ("ledgers",)
    LEDGERS_FIELD_NUMBER: _ClassVar[int]
    ledgers: _containers.RepeatedCompositeFieldContainer[LedgerInfo]
    def __init__(self, ledgers: _Optional[_Iterable[_Union[LedgerInfo, _Mapping]]] = ...) -> None: ...

class ResumeLedgerRequest(_message.Message):
    __slots__ = ("name", "reason")
    NAME_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    name: str
    reason: str
    def __init__(self, name: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class ResumeLedgerReply(_message.Message):
    __slots__ = ("halted_for", "halted_at", "reopened")
    HALTED_FOR_FIELD_NUMBER: _ClassVar[int]
    HALTED_AT_FIELD_NUMBER: _ClassVar[int]
    REOPENED_FIELD_NUMBER: _ClassVar[int]
    halted_for: str
    halted_at: int
    reopened: int
    def __init__(self, halted_for: _Optional[str] = ..., halted_at: _Optional[int] = ..., reopened: _Optional[int] = ...) -> None: ...

class RevokeCodeRequest(_message.Message):
    __slots__ = ("measurement", "since", "reason")
    MEASUREMENT_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    measurement: bytes
    since: int
    reason: str
    def __init__(self, measurement: _Optional[bytes] = ..., since: _Optional[int] = ..., reason: _Optional[str] = ...) -> None: ...

class RevocationState(_message.Message):
    __slots__ = ("ledger", "state", "reason")
    LEDGER_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    ledger: str
    state: str
    reason: str
    def __init__(self, ledger: _Optional[str] = ..., state: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class RevokeCodeReply(_message.Message):
    __slots__ = ("since", "ledgers")
    SINCE_FIELD_NUMBER: _ClassVar[int]
    LEDGERS_FIELD_NUMBER: _ClassVar[int]
    since: int
    ledgers: _containers.RepeatedCompositeFieldContainer[RevocationState]
    def __init__(self, since: _Optional[int] = ..., ledgers: _Optional[_Iterable[_Union[RevocationState, _Mapping]]] = ...) -> None: ...

class MessageInfo(_message.Message):
    __slots__ = ("id", "words", "source", "destination", "state", "reason", "party", "meaning", "advice", "detail", "attempt", "next_attempt", "created", "changed")
    ID_FIELD_NUMBER: _ClassVar[int]
    WORDS_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    DESTINATION_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    PARTY_FIELD_NUMBER: _ClassVar[int]
    MEANING_FIELD_NUMBER: _ClassVar[int]
    ADVICE_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    NEXT_ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    id: bytes
    words: bytes
    source: str
    destination: str
    state: str
    reason: str
    party: str
    meaning: str
    advice: str
    detail: str
    attempt: int
    next_attempt: int
    created: int
    changed: int
    def __init__(self, id: _Optional[bytes] = ..., words: _Optional[bytes] = ..., source: _Optional[str] = ..., destination: _Optional[str] = ..., state: _Optional[str] = ..., reason: _Optional[str] = ..., party: _Optional[str] = ..., meaning: _Optional[str] = ..., advice: _Optional[str] = ..., detail: _Optional[str] = ..., attempt: _Optional[int] = ..., next_attempt: _Optional[int] = ..., created: _Optional[int] = ..., changed: _Optional[int] = ...) -> None: ...

class MessageStep(_message.Message):
    __slots__ = ("time", "state", "reason", "party", "detail", "attempt", "ledger", "locator", "ledger_time", "invocation")
    TIME_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    PARTY_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    LEDGER_FIELD_NUMBER: _ClassVar[int]
    LOCATOR_FIELD_NUMBER: _ClassVar[int]
    LEDGER_TIME_FIELD_NUMBER: _ClassVar[int]
    INVOCATION_FIELD_NUMBER: _ClassVar[int]
    time: int
    state: str
    reason: str
    party: str
    detail: str
    attempt: int
    ledger: str
    locator: str
    ledger_time: int
    invocation: bytes
    def __init__(self, time: _Optional[int] = ..., state: _Optional[str] = ..., reason: _Optional[str] = ..., party: _Optional[str] = ..., detail: _Optional[str] = ..., attempt: _Optional[int] = ..., ledger: _Optional[str] = ..., locator: _Optional[str] = ..., ledger_time: _Optional[int] = ..., invocation: _Optional[bytes] = ...) -> None: ...

class MessageTrace(_message.Message):
    __slots__ = ("message", "steps")
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    message: MessageInfo
    steps: _containers.RepeatedCompositeFieldContainer[MessageStep]
    def __init__(self, message: _Optional[_Union[MessageInfo, _Mapping]] = ..., steps: _Optional[_Iterable[_Union[MessageStep, _Mapping]]] = ...) -> None: ...

class MessageCount(_message.Message):
    __slots__ = ("source", "destination", "state", "reason", "party", "count", "oldest")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    DESTINATION_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    PARTY_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    OLDEST_FIELD_NUMBER: _ClassVar[int]
    source: str
    destination: str
    state: str
    reason: str
    party: str
    count: int
    oldest: int
    def __init__(self, source: _Optional[str] = ..., destination: _Optional[str] = ..., state: _Optional[str] = ..., reason: _Optional[str] = ..., party: _Optional[str] = ..., count: _Optional[int] = ..., oldest: _Optional[int] = ...) -> None: ...

class ListMessagesRequest(_message.Message):
    __slots__ = ("states", "channel", "limit", "page")
    STATES_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    states: _containers.RepeatedScalarFieldContainer[str]
    channel: bytes
    limit: int
    page: int
    def __init__(self, states: _Optional[_Iterable[str]] = ..., channel: _Optional[bytes] = ..., limit: _Optional[int] = ..., page: _Optional[int] = ...) -> None: ...

class ListMessagesReply(_message.Message):
    __slots__ = ("messages", "next_page", "counts")
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_FIELD_NUMBER: _ClassVar[int]
    COUNTS_FIELD_NUMBER: _ClassVar[int]
    messages: _containers.RepeatedCompositeFieldContainer[MessageInfo]
    next_page: int
    counts: _containers.RepeatedCompositeFieldContainer[MessageCount]
    def __init__(self, messages: _Optional[_Iterable[_Union[MessageInfo, _Mapping]]] = ..., next_page: _Optional[int] = ..., counts: _Optional[_Iterable[_Union[MessageCount, _Mapping]]] = ...) -> None: ...

class GetMessageRequest(_message.Message):
    __slots__ = ("message",)
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    message: str
    def __init__(self, message: _Optional[str] = ...) -> None: ...

class RetryMessageRequest(_message.Message):
    __slots__ = ("message", "reason")
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    message: str
    reason: str
    def __init__(self, message: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class ChannelEnd(_message.Message):
    __slots__ = ("ledger", "destination", "open", "locator", "next_sequence")
    LEDGER_FIELD_NUMBER: _ClassVar[int]
    DESTINATION_FIELD_NUMBER: _ClassVar[int]
    OPEN_FIELD_NUMBER: _ClassVar[int]
    LOCATOR_FIELD_NUMBER: _ClassVar[int]
    NEXT_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    ledger: str
    destination: bytes
    open: bool
    locator: str
    next_sequence: int
    def __init__(self, ledger: _Optional[str] = ..., destination: _Optional[bytes] = ..., open: _Optional[bool] = ..., locator: _Optional[str] = ..., next_sequence: _Optional[int] = ...) -> None: ...

class ChannelInfo(_message.Message):
    __slots__ = ("id", "words", "first", "second")
    ID_FIELD_NUMBER: _ClassVar[int]
    WORDS_FIELD_NUMBER: _ClassVar[int]
    FIRST_FIELD_NUMBER: _ClassVar[int]
    SECOND_FIELD_NUMBER: _ClassVar[int]
    id: bytes
    words: bytes
    first: ChannelEnd
    second: ChannelEnd
    def __init__(self, id: _Optional[bytes] = ..., words: _Optional[bytes] = ..., first: _Optional[_Union[ChannelEnd, _Mapping]] = ..., second: _Optional[_Union[ChannelEnd, _Mapping]] = ...) -> None: ...

class ListChannelsRequest(_message.Message):
    __slots__ = ("channel",)
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    channel: bytes
    def __init__(self, channel: _Optional[bytes] = ...) -> None: ...

class ListChannelsReply(_message.Message):
    __slots__ = ("channels",)
    CHANNELS_FIELD_NUMBER: _ClassVar[int]
    channels: _containers.RepeatedCompositeFieldContainer[ChannelInfo]
    def __init__(self, channels: _Optional[_Iterable[_Union[ChannelInfo, _Mapping]]] = ...) -> None: ...

class SubmitCallRequest(_message.Message):
    __slots__ = ("ledger", "call")
    LEDGER_FIELD_NUMBER: _ClassVar[int]
    CALL_FIELD_NUMBER: _ClassVar[int]
    ledger: str
    call: bytes
    def __init__(self, ledger: _Optional[str] = ..., call: _Optional[bytes] = ...) -> None: ...

class SubmitCallReply(_message.Message):
    __slots__ = ("locator", "position", "time")
    LOCATOR_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    locator: str
    position: int
    time: int
    def __init__(self, locator: _Optional[str] = ..., position: _Optional[int] = ..., time: _Optional[int] = ...) -> None: ...
