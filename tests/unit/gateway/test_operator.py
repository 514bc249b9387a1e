"""What an operator sees of the ledgers, and that nobody else does; a halted one goes on by one call."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
import structlog

from fabric.core import canonical
from fabric.core.clock import FrozenClock
from fabric.core.errors import LedgerUnavailable, NotFound, Refused, Unauthorized
from fabric.gateway.endpoint import LOCAL_CALLER
from fabric.gateway.ledgers import Ledgers, Working
from fabric.gateway.operator import Operator
from fabric.gateway.revoking import Revoker
from fabric.ledger.dispatcher import Dispatcher
from fabric.ledger.fakes.memory import MemoryLedger
from fabric.ledger.rules.revocations import find_revocation
from fabric.ledger.rules.state import Genesis
from fabric.store.store import Store, open_store
from fabric.trust.revocation import CodeRevocation
from fabric.trust.schemes import ED25519, Signature
from fabric.wire.operators import Halted, ListLedgers, ResumeLedger, RevocationState, RevokeCode
from tests.support.batches import APPRAISER, MEASUREMENT, NOW, attest, destination
from tests.support.waiting import until

HERE = destination("a")


class Told(MemoryLedger):
    """A ledger that says how it is, or does not answer."""

    silent = False

    async def health(self) -> dict[str, Any]:
        if self.silent:
            raise LedgerUnavailable("no answer from the node")
        return {"head": self.chain.height}


async def signed(revocation: CodeRevocation) -> tuple[Signature, ...]:
    return APPRAISER.signatures(revocation.encoded, revocation.typed_digest)


@dataclass
class World:
    store: Store
    ledger: Told
    working: Working
    operator: Operator

    async def is_done(self) -> bool:
        return not await self.store.outbox.has_open(HERE.id)

    async def has_heeded(self) -> bool:
        """Calls the dispatcher; says whether it has ended."""
        self.working.dispatcher.wake()
        return await self.are_ended()

    async def are_ended(self) -> bool:
        return all(task.done() for task in self.working.tasks)

    async def status(self) -> Any:  # noqa: ANN401 - JSON
        (info,) = (await self.operator.ledgers(LOCAL_CALLER, ListLedgers("here", status=True))).ledgers
        return canonical.decode_object(info.status)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    clock = FrozenClock(NOW)
    store = await open_store(tmp_path / "fabric.db", tmp_path / "blobs", clock)
    ledger = Told(Genesis(HERE, (APPRAISER.public,), 1, ED25519), clock)
    dispatcher = Dispatcher(ledger, store.outbox, clock)
    working = Working("here", ledger, cast("Any", None), dispatcher, asserted=True)
    store.listen(HERE.id, dispatcher.wake)
    working.run("dispatcher", dispatcher.run)
    with structlog.testing.capture_logs():
        ledgers = Ledgers([working], store, clock)
        revoker = Revoker(signed, store, [HERE.id])
        yield World(store, ledger, working, Operator(ledgers, store, cast("Any", None), revoker, clock))
    await working.stop()
    await store.aclose()


async def test_only_the_operator_is_answered(world: World) -> None:
    with pytest.raises(Unauthorized, match="no operator"):
        await world.operator.ledgers("alice", ListLedgers())
    with pytest.raises(Unauthorized, match="no operator"):
        await world.operator.resume("alice", ResumeLedger("here", "because"))


async def test_an_unknown_ledger_is_named(world: World) -> None:
    with pytest.raises(NotFound, match="did you mean 'here'"):
        await world.operator.ledgers(LOCAL_CALLER, ListLedgers("her"))
    with pytest.raises(NotFound, match="'there'"):
        await world.operator.resume(LOCAL_CALLER, ResumeLedger("there", "because"))


async def test_ledgers_are_listed_with_their_halts(world: World) -> None:
    (info,) = (await world.operator.ledgers(LOCAL_CALLER, ListLedgers())).ledgers
    assert (info.name, info.kind, info.destination, info.halted) == ("here", HERE.kind, HERE.id, None)
    assert info.status == b"", "it was not asked for"
    await world.store.halts.put(HERE.id, "block 7 is gone", 5)
    (info,) = (await world.operator.ledgers(LOCAL_CALLER, ListLedgers())).ledgers
    assert info.halted == Halted("block 7 is gone", 5)


async def test_the_status_says_how_the_ledger_is_and_what_is_open(world: World) -> None:
    await world.store.attest(attest([HERE.id]), [HERE.id])
    await until(world.is_done)
    status = await world.status()
    assert status["ledger"] == {"head": 1}
    assert status["outbox"] == {"register": {"final": 1}}
    assert (status["newest_final_batch"], status["refused"], status["resumptions"]) == (None, [], [])
    world.ledger.silent = True
    assert (await world.status())["ledger"] == {"error": "no answer from the node"}


async def test_a_halted_ledger_goes_on_in_the_running_fabric(world: World) -> None:
    with pytest.raises(Refused, match="not halted"):
        await world.operator.resume(LOCAL_CALLER, ResumeLedger("here", "because"))
    await world.store.halts.put(HERE.id, "block 7 is gone", 5)
    # A round that has begun ends, and the next one does not begin, whenever it is called.
    await until(world.has_heeded)
    await world.store.attest(attest([HERE.id]), [HERE.id])
    assert not await world.is_done()
    resumed = await world.operator.resume(LOCAL_CALLER, ResumeLedger("here", "the node was restored"))
    assert (resumed.halted, resumed.reopened) == (Halted("block 7 is gone", 5), 0)
    await until(world.is_done)
    assert (await world.status())["resumptions"] == [
        {
            "halted_at": 5,
            "halted_for": "block 7 is gone",
            "resumed_at": NOW,
            "who": LOCAL_CALLER,
            "why": "the node was restored",
        }
    ]


async def test_two_who_resume_at_once_resume_once(world: World) -> None:
    await world.store.halts.put(HERE.id, "block 7 is gone", 5)
    asked = ResumeLedger("here", "because")
    both = (world.operator.resume(LOCAL_CALLER, asked), world.operator.resume(LOCAL_CALLER, asked))
    ends = await asyncio.gather(*both, return_exceptions=True)
    assert sorted(type(end).__name__ for end in ends) == ["LedgerResumed", "Refused"]
    assert len(await world.store.halts.resumptions(HERE.id)) == 1
    assert len(world.working.tasks) == 1


async def test_code_is_revoked_on_every_ledger_and_a_repeat_tells_how_far(world: World) -> None:
    asked = RevokeCode(MEASUREMENT, 100, "a leaked key")
    with pytest.raises(Unauthorized, match="no operator"):
        await world.operator.revoke_code("alice", asked)
    first = await world.operator.revoke_code(LOCAL_CALLER, asked)
    assert first.since == 100
    await until(world.is_done)
    again = await world.operator.revoke_code(LOCAL_CALLER, RevokeCode(MEASUREMENT, 200, "again"))
    assert (again.since, again.ledgers) == (100, (RevocationState("here", "final", ""),))
    assert find_revocation(world.ledger.chain.state, MEASUREMENT) == 100
    assert (await world.status())["outbox"] == {"revoke": {"final": 1}}
