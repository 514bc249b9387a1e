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
from fabric.core.ids import BindingVersion, DestinationId, Digest, FabricId, InvocationId, sha256
from fabric.core.model import Failure
from fabric.gateway.door import Door, serve
from fabric.wire.service import Anchor, InvokeRequest
from fabric.wire.status import BindingStatus, EnclaveStatus, LedgerStatus, OutboxCount, Status
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
)


async def report() -> Status:
    """Returns ``STATUS``."""
    return STATUS


def door_of(backend: StandIn, key: str = KEY, caller: str = "acme") -> Door:
    """Returns a door that knows a caller by a key."""
    return Door(backend, {"other": "00" * 32, caller: hashlib.sha256(key.encode()).hexdigest()}, report)


async def main(target: str, key: str, caller: str = "acme") -> None:
    """Serves a stand-in until standard input ends."""
    opened = await serve(door_of(StandIn(), key, caller), target)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)
    await opened.close(0)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
