"""A backend behind a real gRPC door that answers what it is told to; as a program, a door in a process of its own.

``python -m tests.support.doors TARGET KEY [CALLER]`` serves until standard input ends.
"""

import asyncio
import hashlib
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from fabric.client import Answer, Call, InvokeReply, Result
from fabric.core import canonical
from fabric.core.errors import NotFound, Unauthorized
from fabric.core.ids import Account, BindingVersion, DestinationId, Digest, FabricId, InvocationId, Measurement, sha256
from fabric.core.model import Failure
from fabric.gateway.door import Door, serve
from fabric.gateway.endpoint import LOCAL_CALLER
from fabric.trust.message import Channel, End, Message, Shown
from fabric.wire.messages import (
    CallTaken,
    ChannelEnd,
    ChannelInfo,
    ChannelList,
    ListChannels,
    ListMessages,
    MessageCount,
    MessageInfo,
    MessageList,
    MessageStep,
    MessageTrace,
    RetryMessage,
    SubmitCall,
)
from fabric.wire.operators import (
    CodeRevoked,
    Halted,
    LedgerInfo,
    LedgerList,
    LedgerResumed,
    ListLedgers,
    ResumeLedger,
    RevocationState,
    RevokeCode,
)
from fabric.wire.service import Anchor, InvokeRequest
from fabric.wire.status import BindingStatus, EnclaveStatus, LedgerStatus, OutboxCount, StandingStatus, Status
from tests.support.trust_samples import word

KEY = "a key"
INVOCATION = InvocationId(word("invocation"))
DESTINATION = DestinationId(word("destination"))
CALL = Call("judge", b"{}", "key-1")
RESULT = Result(
    Answer(INVOCATION, None, Failure("cryptlet-raised", "no"), "never"),
    "cold-chain@1.0.0",
    (Anchor(DESTINATION, "native", "operator-final", "entry 7", word("batch"), "", "", {"gas": 3}),),
)

HALTED = Halted("block 7 is gone", 1_700_000_000)
LEDGER_STATUS: canonical.JsonObject = {
    "ledger": {"fee_cap_wei": "500", "head": 9},
    "outbox": {"settle": {"final": 3, "new": 1}},
    "newest_final_batch": "ab" * 32,
    "refused": [{"kind": "settle", "reason": "WrongEpoch: 1", "work": "cd" * 32}],
    "resumptions": [{"halted_at": 1, "halted_for": "x", "resumed_at": 2, "who": "local", "why": "restored"}],
}
LEDGERS = LedgerList(
    (
        LedgerInfo("ethereum", "ethereum", DESTINATION, HALTED, canonical.encode(LEDGER_STATUS)),
        LedgerInfo("native", "native", DestinationId(word("other")), None, canonical.encode(LEDGER_STATUS)),
    )
)
ACCOUNT = Account(word("account"))
CHANNEL = Channel.between(
    End(DESTINATION, ACCOUNT, BindingVersion(word("there")), Shown.PROVEN),
    End(DestinationId(word("other")), ACCOUNT, BindingVersion(word("here")), Shown.ASSERTED),
    word("salt"),
)
MESSAGE = Message(
    CHANNEL.id,
    CHANNEL.second.destination,
    CHANNEL.first.destination,
    ACCOUNT,
    ACCOUNT,
    sequence=7,
    expiry=1_700_000_600,
    body=sha256(b"body"),
)
INFO = MessageInfo(
    message=MESSAGE,
    source="ethereum",
    destination="native",
    state="sent",
    reason="channel-not-open",
    party="recipient",
    meaning="it is sent: the destination's end of the channel is not open",
    advice="open it",
    detail="channel is open on its source only",
    attempt=0,
    next_attempt=0,
    created=1_700_000_000,
    changed=1_700_000_100,
)


def _answer(call: Call) -> Answer:
    """Answers with the input, unless it says ``fail with CODE``."""
    _, asked, code = call.input.decode(errors="replace").strip('"').rpartition("fail with ")
    if asked:
        return Answer(INVOCATION, None, Failure(code, "it was asked to"), "never")
    return Answer(INVOCATION, call.input)


@dataclass
class StandIn:
    """A backend that answers what it is told to, and keeps what it was asked."""

    fails: Exception | None = None
    asked: list[Any] = field(default_factory=list)
    running: int = 0
    most: int = 0
    cancelled: int = 0
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    hold: Callable[[str], bool] = lambda _: False

    async def invoke(self, caller: str, request: InvokeRequest) -> InvokeReply:
        self.asked.append((caller, request))
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            if self.hold(request.binding):
                await self.gate.wait()
            if self.fails:
                raise self.fails
            return InvokeReply(tuple(map(_answer, request.calls)))
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.running -= 1

    async def result(self, caller: str, invocation: InvocationId) -> Result:
        self.asked.append((caller, invocation))
        if self.fails:
            raise self.fails
        return RESULT

    async def proof(self, caller: str, invocation: InvocationId, destination: DestinationId) -> bytes:
        self.asked.append((caller, invocation, destination))
        if self.fails:
            raise self.fails
        return b"proof"

    async def put_blob(self, caller: str, data: bytes) -> Digest:
        self.asked.append((caller, data))
        return sha256(data)

    async def put_binding(self, caller: str, document: bytes) -> BindingVersion:
        self.asked.append((caller, document))
        return BindingVersion(sha256(document))

    async def status(self, caller: str) -> Status:
        if caller != LOCAL_CALLER:
            raise Unauthorized(f"caller {caller!r} is no operator")
        return STATUS

    async def ledgers(self, caller: str, request: ListLedgers) -> LedgerList:
        self.asked.append((caller, request))
        if self.fails:
            raise self.fails
        return LEDGERS

    async def resume(self, caller: str, request: ResumeLedger) -> LedgerResumed:
        self.asked.append((caller, request))
        if self.fails:
            raise self.fails
        return LedgerResumed(HALTED, 3)

    async def revoke_code(self, caller: str, request: RevokeCode) -> CodeRevoked:
        self.asked.append((caller, request))
        if self.fails:
            raise self.fails
        states = (RevocationState("ethereum", "refused", "QuorumMissing: 1"), RevocationState("native", "final", ""))
        return CodeRevoked(request.since, states)


class StandInMessages:
    """Tells of one message that waits and of its channel, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    async def messages(self, request: ListMessages) -> MessageList:
        self.asked.append(request)
        counts = MessageCount("ethereum", "native", "sent", "channel-not-open", "recipient", 3, 1_700_000_000)
        return MessageList((INFO,), 5, (counts,))

    async def trace(self, name: str) -> MessageTrace:
        self.asked.append(name)
        if not MESSAGE.id.hex().startswith(name):
            raise NotFound(f"no message {name}")
        step = MessageStep(1_700_000_000, "sent", "", "nobody", "", 0, "ethereum", "block 7", 1_699_999_999, b"")
        return MessageTrace(INFO, (step,))

    async def retry(self, caller: str, request: RetryMessage) -> MessageInfo:
        self.asked.append((caller, request))
        return INFO

    async def channels(self, request: ListChannels) -> ChannelList:
        self.asked.append(request)
        first, second = CHANNEL.first.destination, CHANNEL.second.destination
        ends = (ChannelEnd("native", first, True, "entry 3", 2), ChannelEnd("ethereum", second, False, "", 0))  # noqa: FBT003
        return ChannelList((ChannelInfo(CHANNEL, ends),))

    async def submit_call(self, request: SubmitCall) -> CallTaken:
        self.asked.append(request)
        return CallTaken("entry 9", 9, 1_700_000_001)


STATUS = Status(
    fabric=FabricId(word("fabric")),
    ledgers=(
        LedgerStatus("native", "native", DESTINATION, "working", "", "active"),
        LedgerStatus("ethereum", "ethereum", DestinationId(word("other")), "halted", "a reorg beyond finality"),
    ),
    enclaves=(EnclaveStatus("1", word("key"), b"a" * 20, "zygote-ns+lock", 3, 77, "software"),),
    ray_jailed=True,
    bindings=(
        BindingStatus(
            "shipments", BindingVersion(word("binding")), "cold-chain@1.0.0", ("judge",), ("acme",), ("native",)
        ),
    ),
    succeeded=12,
    failed=1,
    outbox=(OutboxCount("native", "settle", "final", 3), OutboxCount("ethereum", "settle", "new", 2)),
    standings=(
        StandingStatus(Measurement(word("bundle")), "active", "", 1_800_000_000),
        StandingStatus(Measurement(word("other")), "revoked", "a stolen key", 1_800_000_000, "nothing of it starts"),
        StandingStatus(Measurement(word("third")), "", "", 0, "no registry vouches for it"),
    ),
)


def door_of(backend: StandIn, key: str = KEY, caller: str = "acme", messages: StandInMessages | None = None) -> Door:
    """Returns a door that knows a caller by a key."""
    callers = {"other": "00" * 32, caller: hashlib.sha256(key.encode()).hexdigest()}
    return Door(backend, backend, messages or StandInMessages(), callers)


async def main(target: str, key: str, caller: str = "acme") -> None:
    """Serves a stand-in until standard input ends."""
    opened = await serve(door_of(StandIn(), key, caller), target)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)
    await opened.close(0)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
