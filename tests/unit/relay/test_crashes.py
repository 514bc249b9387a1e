"""Crashes at every durable step, faults, other carriers: a message is delivered xor expired, its sender told once."""

import asyncio
import shutil
from collections import Counter
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from typing_extensions import override

from fabric.core.crashpoint import CrashPoint
from fabric.core.errors import LedgerError, NoCapacity
from fabric.ledger.fakes.chain import Transaction
from fabric.ledger.rules import operations
from fabric.ledger.rules.events import Acknowledged, Delivered, Event, Expired
from fabric.store.mail import ENDED
from tests.support.relays import World, open_world
from tests.unit.ledger.test_crashes import Crash, make_folder

pytestmark = pytest.mark.fault

if TYPE_CHECKING:
    from pathlib import Path

    from fabric.trust.message import Message

POINTS: Final = list(CrashPoint)
SOME: Final = st.sampled_from([None, *POINTS])


def crash_at(world: World, point: CrashPoint | None, occasion: int = 1) -> None:
    """Has the process end when it passes a point for the given time."""
    left = [occasion]

    def reached(passed: CrashPoint) -> None:
        if passed is point:
            left[0] -= 1
            if not left[0]:
                raise Crash

    world.crash = reached


def told(world: World) -> Counter[tuple[str, bytes]]:
    """Returns how often each ending was told of each message, and each sender told of it."""
    events: list[Event] = [
        event
        for ledger in world.ledgers.values()
        for block in ledger.chain.blocks
        for one in block.executed
        for event in one.events
    ]
    endings = [(type(event).__name__, event.message.id) for event in events if isinstance(event, Delivered | Expired)]
    return Counter([*endings, *(("Acknowledged", one.message) for one in events if isinstance(one, Acknowledged))])


@pytest.mark.parametrize("occasion", [1, 2])
@pytest.mark.parametrize("point", POINTS, ids=str)
async def test_killed_at_a_durable_step(world: World, point: CrashPoint, occasion: int) -> None:
    await world.turn()  # the enclave is registered, the channels are known
    message, late = world.send(), world.send(life=20, body=b"late")
    crash_at(world, point, occasion)
    with pytest.raises(Crash):
        await world.turn(4)
    world.crash = lambda _point: None
    world.restart()
    await world.turn(4)
    assert await world.state(message) == await world.state(late) == ("acknowledged", "")
    expected = {(name, one.id) for name in ("Delivered", "Acknowledged") for one in (message, late)}
    assert told(world) == Counter(expected)
    assert len(world.enclave.ran) <= 6  # what was signed and not stored is signed again, nothing else


@pytest.mark.parametrize("point", [CrashPoint.AFTER_PREPARE, CrashPoint.AFTER_SUBMIT, CrashPoint.BEFORE_CONFIRM])
async def test_killed_while_a_tombstone_is_on_its_way(world: World, point: CrashPoint) -> None:
    await world.turn()
    world.enclave.fails = NoCapacity("every enclave is busy")
    message = world.send(life=5)
    await world.turn()
    world.clock.advance(6)
    world.enclave.fails = None
    crash_at(world, point)
    with pytest.raises(Crash):
        await world.turn(4)
    world.crash = lambda _point: None
    world.restart()
    await world.turn(4)
    assert await world.state(message) == ("refunded", "")
    assert told(world) == Counter([("Expired", message.id), ("Acknowledged", message.id)])


class Carrying(RuleBasedStateMachine):
    """Messages are sent, everything may end by a crash or fail for a while, and others carry too."""

    def __init__(self) -> None:
        super().__init__()
        self.folder: Path = make_folder()
        self.loop = asyncio.Runner()
        self.world = self.loop.run(open_world(self.folder))
        self.sent: list[Message] = []

    @initialize()
    def register(self) -> None:
        self.loop.run(self.world.register())
        self.loop.run(self.world.turn())

    @rule(life=st.integers(1, 60))
    def send(self, life: int) -> None:
        self.sent.append(self.world.send(life=life, body=str(len(self.sent)).encode()))

    @rule(point=SOME, occasion=st.integers(1, 2))
    def watch(self, point: CrashPoint | None, occasion: int) -> None:
        self._until_crash(point, occasion, "watch")

    @rule(point=SOME, occasion=st.integers(1, 2))
    def carry(self, point: CrashPoint | None, occasion: int) -> None:
        self._until_crash(point, occasion, "carry")

    @rule(point=SOME, occasion=st.integers(1, 2))
    def dispatch(self, point: CrashPoint | None, occasion: int) -> None:
        self._until_crash(point, occasion, "dispatch")

    @rule(seconds=st.integers(1, 40))
    def wait(self, seconds: int) -> None:
        self.world.clock.advance(seconds)

    @rule()
    def enclaves_are_busy(self) -> None:
        self.world.enclave.fails = NoCapacity("on purpose")

    @rule()
    def enclaves_are_idle(self) -> None:
        self.world.enclave.fails = None

    @rule(number=st.integers(0, 9))
    def another_expires(self, number: int) -> None:
        if number < len(self.sent):
            others = [Transaction(operations.Expire(self.sent[number]))]
            self.world.destination.chain.mine(self.world.clock.unix_seconds(), others)

    @invariant()
    def each_ends_once(self) -> None:
        counts = told(self.world)
        assert all(count == 1 for count in counts.values())
        for message in self.sent:
            assert counts["Delivered", message.id] + counts["Expired", message.id] <= 1

    @override
    def teardown(self) -> None:
        try:
            self._finish()
        finally:
            self.loop.run(self.world.store.aclose())
            self.loop.close()
            shutil.rmtree(self.folder)

    def _finish(self) -> None:
        self.world.enclave.fails = None
        self.loop.run(self.world.settle())
        counts = told(self.world)
        for message in self.sent:
            row = self.loop.run(self.world.row(message))
            assert row.passage.state in ENDED, row
            ended = "Delivered" if row.passage.state == "acknowledged" else "Expired"
            assert counts[ended, message.id] == counts["Acknowledged", message.id] == 1

    def _until_crash(self, point: CrashPoint | None, occasion: int, what: str) -> None:
        crash_at(self.world, point, occasion)
        try:
            self.loop.run(getattr(self.world, what)())
        except Crash:
            self.world.restart()
        except LedgerError:
            pass  # the ledger was away; the next round goes on
        self.world.crash = lambda _point: None


TestCarrying = Carrying.TestCase
TestCarrying.settings = settings(
    max_examples=min(settings.get_profile(settings._current_profile or "dev").max_examples // 10, 200),
    stateful_step_count=25,
    deadline=None,
)
