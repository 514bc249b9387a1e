"""A ledger in memory, its watcher and trigger, and a pipeline that answers everything at once."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest

from fabric.core.clock import FrozenClock
from fabric.core.errors import FabricError
from fabric.core.ids import Account, Digest, method_word, sha256
from fabric.core.model import Invocation, Outcome
from fabric.ledger.fakes.memory import MemoryLedger
from fabric.ledger.rules.operations import Request
from fabric.ledger.rules.state import Genesis
from fabric.ledger.watcher import Watcher, requests_of
from fabric.store.accepting import Acceptance
from fabric.store.store import Store, open_store
from fabric.store.values import Accepted, RequestRow, RequestState
from fabric.triggers.requests import RequestTrigger
from fabric.trust.binding import Binding, write_binding
from fabric.trust.schemes import ED25519
from tests.support.batches import APPRAISER, MEASUREMENT, METHOD, NOW, RECIPIENT, destination

HERE: Final = destination("a")


def binding(
    *, name: str = "shipments", requester: Account = RECIPIENT, where: str = "a", methods: tuple[str, ...] = (METHOD,)
) -> Binding:
    return write_binding(
        {
            "name": name,
            "cryptlet": "cold_chain@1.0.0",
            "measurement": MEASUREMENT.hex(),
            "methods": [*sorted(methods)],
            "callers": [],
            "requesters": [requester.hex()],
            "valid_seconds": 86_400,
            "destinations": [
                {"id": destination(where).id.hex(), "recipient": RECIPIENT.hex(), "consume": True, "codec": {}}
            ],
        }
    )


@dataclass
class World:
    """One ledger's requests and what answers them."""

    store: Store
    ledger: MemoryLedger
    clock: FrozenClock
    ran: list[list[Invocation]] = field(default_factory=list)
    failures: dict[str, FabricError] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.watched = requests_of(HERE.id, self.ledger)
        self.restart()

    def restart(self) -> None:
        self.trigger = RequestTrigger(self.watched, self.store, self.run, self.clock)
        self.watcher = Watcher(self.watched, self.store, self.trigger.accept, self.clock)

    async def run(self, bound: Binding, invocations: Sequence[Invocation]) -> None:
        if bound.name in self.failures:
            raise self.failures[bound.name]
        self.ran.append(list(invocations))
        accepted = [Accepted(one, Outcome(one.id, b"{}")) for one in invocations]
        await self.store.enqueue(Acceptance(accepted, (), set(), {}, NOW))

    async def put(self, data: bytes) -> Digest:
        digest = await self.store.blobs.put(data)
        await self.trigger.input_arrived(digest)
        return digest

    def ask(self, bound: Binding, data: bytes, *, method: str = METHOD, state_version: int = 3) -> bytes:
        words = (method_word(method), sha256(data), bound.version)
        return self.ledger.request(RECIPIENT, Request(*words, state_version))

    async def row(self, invocation: bytes) -> RequestRow:
        found = await self.store.requests.get(invocation)  # type: ignore[arg-type]
        assert found is not None
        return found

    async def is_answered(self, invocation: bytes) -> bool:
        return await self.state(invocation) is RequestState.ANSWERED

    async def state(self, invocation: bytes) -> RequestState:
        return (await self.row(invocation)).state


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    clock = FrozenClock(NOW)
    store = await open_store(tmp_path / "fabric.db", tmp_path / "blobs", clock)
    genesis = Genesis(HERE, (APPRAISER.public,), 1, ED25519)
    yield World(store, MemoryLedger(genesis, clock), clock)
    await store.aclose()
