"""Crash anywhere, with a ledger between which and us everything goes wrong: every effect once, none lost.

Also when blocks beyond finality are replaced, once a person has let the halted ledger go on.
"""

import asyncio
import atexit
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Final

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from typing_extensions import override

from fabric.core.clock import FrozenClock
from fabric.core.crashpoint import CrashPoint
from fabric.core.errors import LedgerError
from fabric.ledger.dispatcher import Dispatcher, Pace
from fabric.ledger.fakes.chain import effect_of
from fabric.ledger.fakes.faulty import Fault, FaultSource, FaultyLedger
from fabric.ledger.fakes.memory import MemoryLedger
from fabric.ledger.port import Ledger, Observation, Phase, Submission, Work
from fabric.ledger.resume import resume
from fabric.ledger.rules.state import Genesis
from fabric.store.database import open_database
from fabric.store.store import Store, open_store
from fabric.store.values import WorkState
from fabric.trust.schemes import ED25519
from tests.support.batches import APPRAISER, NOW, RECIPIENT, accept, acceptance, attest, destination, sign

pytestmark = [pytest.mark.fault, pytest.mark.timeout(300)]

HERE: Final = destination("a")
FINALITY: Final = 2
CRASHES: Final = st.sampled_from([None, CrashPoint.AFTER_PREPARE, CrashPoint.AFTER_SUBMIT, CrashPoint.BEFORE_CONFIRM])
EARLY: Final = (WorkState.SUBMITTED, WorkState.INCLUDED, WorkState.FINAL)
FAULTS: Final = st.lists(st.sampled_from([None, *Fault]), max_size=4)


# Processes crash here, machines do not: a file system in memory keeps what is synced, and is fast.
MEMORY: Final = Path("/dev/shm")  # noqa: S108 - only the parent of folders of our own


def make_folder() -> Path:
    return Path(tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else None))


class Crash(BaseException):
    """The process ends here. No ``except Exception`` may stop it."""


@cache
def template() -> Path:
    """Returns an empty database of the newest schema; migrating one for each example takes most of the time."""
    folder = make_folder()
    atexit.register(shutil.rmtree, folder)
    open_database(folder / "fabric.db").close()
    return folder / "fabric.db"


class Recorder(FaultyLedger):
    """Holds the dispatcher to the port's words: other bytes for the same work only after LOST or REFUSED."""

    def __init__(self, inner: Ledger, faults: FaultSource, reorg: Callable[[], None]) -> None:
        super().__init__(inner, faults, reorg)
        self._work: dict[str, bytes] = {}
        self._current: dict[bytes, str] = {}

    @override
    async def prepare(self, work: Sequence[Work], pending: Sequence[Submission]) -> Sequence[Submission]:
        made = await super().prepare(work, pending)
        self._work |= {one.locator: each.work_id for each, one in zip(work, made, strict=True)}
        return made

    @override
    async def submit(self, submissions: Sequence[Submission]) -> None:
        for one in submissions:
            assert self._current.setdefault(self._work[one.locator], one.locator) == one.locator
        await super().submit(submissions)

    @override
    async def observe(self, work: Sequence[tuple[Work, Submission | None]]) -> Sequence[Observation]:
        answers = await super().observe(work)
        for (each, _), answer in zip(work, answers, strict=True):
            if answer.phase in {Phase.LOST, Phase.REFUSED}:
                self._current.pop(each.work_id, None)
        return answers


class Crashes(RuleBasedStateMachine):
    """Work is enqueued; rounds end by crashes and meet faults; the chain is replaced up to its finality."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = make_folder()
        self.loop = asyncio.Runner()
        self.clock = FrozenClock(NOW)
        self.chain = MemoryLedger(
            Genesis(HERE, (APPRAISER.public,), 1, ED25519), self.clock, finality=FINALITY, mines_at_once=False
        )
        self.faults: list[Fault | None] = []
        self.crash: CrashPoint | None = None
        self.ledger = Recorder(
            self.chain,
            lambda: self.faults.pop() if self.faults else None,
            lambda: self.chain.reorg(1),
        )
        self.wanted: set[bytes] = set()
        self.next = 0
        self.pace = Pace(window=3)
        shutil.copy(template(), self.folder / "fabric.db")
        self.store = self.loop.run(self._open())
        self.dispatcher = self._start()

    @initialize(early=st.booleans())
    def register(self, *, early: bool) -> None:
        # Records right behind their settlement, as on a ledger that keeps the order, and may lose it after all.
        self.pace = Pace(window=3, consume_after=EARLY) if early else Pace(window=3)
        self.dispatcher = self._start()
        attestation = attest([HERE.id])
        self.wanted.add(attestation.body.result.digest)
        self.loop.run(self.store.attest(attestation, [HERE.id]))

    @rule(count=st.integers(1, 3))
    def enqueue(self, count: int) -> None:
        items = [accept(self.next + number) for number in range(count)]
        self.next += count
        batch = sign(items, HERE, recipient=RECIPIENT)
        self.wanted |= {batch.header.batch_id, *(entry.record.intent for entry in batch.entries)}
        self.loop.run(self.store.enqueue(acceptance(items, [batch], consumed=True)))

    @rule(crash=CRASHES, faults=FAULTS)
    def go_round(self, crash: CrashPoint | None, faults: list[Fault | None]) -> None:
        self.crash, self.faults = crash, faults
        self._round()
        self.crash, self.faults = None, []

    @rule(count=st.integers(1, 3))
    def mine(self, count: int) -> None:
        self.chain.mine(count)

    @rule(depth=st.integers(1, FINALITY))
    def reorg(self, depth: int) -> None:
        self.chain.reorg(depth)

    @rule(depth=st.integers(FINALITY + 1, 3 * FINALITY))
    def reorg_beyond_finality(self, depth: int) -> None:
        self.chain.reorg(depth)
        self.loop.run(self.store.halts.put(HERE.id, "blocks are gone", NOW))
        # What reads the ledger's requests would notice; here it is told, and a person lets the ledger go on.
        self.loop.run(resume(self.chain, self.store, self.clock, who="local", why="looked at"))
        self.dispatcher = self._start()

    @rule()
    def another_uses_the_account(self) -> None:
        self.chain.use_nonce()

    @rule(seconds=st.integers(1, 40))
    def wait(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @rule()
    def restart(self) -> None:
        self.loop.run(self.store.aclose())
        self.store = self.loop.run(self._open())
        self.dispatcher = self._start()

    @override
    def teardown(self) -> None:
        try:
            self._finish()
        finally:
            self.loop.run(self.store.aclose())
            self.loop.close()
            shutil.rmtree(self.folder)

    def _finish(self) -> None:
        for _ in range(200):
            self._round()
            self.chain.mine(FINALITY)
            self.clock.advance(31)
            if not self.loop.run(self.store.outbox.has_open(HERE.id)):
                break
        blocks = self.chain.chain.blocks
        effects = Counter(effect_of(event) for block in blocks for one in block.executed for event in one.events)
        assert effects == Counter(self.wanted)
        counts = self.loop.run(self.store.outbox.counts())
        assert {state for _, _, state in counts} <= {WorkState.FINAL}
        assert sum(counts.values()) == len(self.wanted)

    def _round(self) -> None:
        try:
            self.loop.run(self.dispatcher.round())
        except Crash:
            self.dispatcher = self._start()
        except LedgerError:
            pass  # the ledger was away; the next round goes on

    def _start(self) -> Dispatcher:
        return Dispatcher(self.ledger, self.store.outbox, self.clock, reached=self._reached, pace=self.pace)

    def _reached(self, point: CrashPoint) -> None:
        if point is self.crash:
            raise Crash

    async def _open(self) -> Store:
        return await open_store(self.folder / "fabric.db", self.folder / "blobs", self.clock)


TestCrashes = Crashes.TestCase
# A run of 25 steps takes a tenth of a second; the profile's number of examples is for tests of values.
TestCrashes.settings = settings(
    max_examples=min(settings.get_profile(settings._current_profile or "dev").max_examples // 5, 500),
    stateful_step_count=25,
    deadline=None,
)
