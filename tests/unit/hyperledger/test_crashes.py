"""Crash anywhere, with peers that go away, an orderer that withholds, and a rival that is first: each effect once."""

import asyncio
import shutil
from collections import Counter
from typing import Final

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from typing_extensions import override

from adapters.hyperledger.client.blocks import VALID, read_block
from adapters.hyperledger.client.caller import Caller
from adapters.hyperledger.client.ledger import HyperledgerLedger
from adapters.hyperledger.client.plugin import connect
from fabric.core.clock import FrozenClock
from fabric.core.crashpoint import CrashPoint
from fabric.core.errors import LedgerError
from fabric.core.ids import Account
from fabric.ledger.dispatcher import Dispatcher, Pace
from fabric.ledger.port import Settle
from fabric.store.store import Store, open_store
from fabric.store.values import WorkState
from tests.support.batches import NOW, accept, acceptance, attest, sign
from tests.support.hl_channel import CHAINCODE, MemoryChannel
from tests.unit.ledger.test_crashes import Crash, make_folder, template

pytestmark = pytest.mark.fault

CRASHES: Final = st.sampled_from([None, CrashPoint.AFTER_PREPARE, CrashPoint.AFTER_SUBMIT, CrashPoint.BEFORE_CONFIRM])
AWAY: Final = st.sets(st.sampled_from(["Endorse", "Submit", "CommitStatus"]), max_size=2)
EFFECTS: Final = ("key/", "batch/", "intent/")


class Crashes(RuleBasedStateMachine):
    """Work is enqueued; rounds end by crashes, and meet peers that are away; the orderer makes blocks when it likes."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = make_folder()
        self.loop = asyncio.Runner()
        self.clock = FrozenClock(NOW)
        self.channel = MemoryChannel(self.clock)
        self.crash: CrashPoint | None = None
        self.wanted: set[str] = set()
        self.next = 0
        self.settles: list[Settle] = []
        shutil.copy(template(), self.folder / "fabric.db")
        self.store = self.loop.run(self._open())
        self.ledger, self.dispatcher = self._start()

    @initialize()
    def register(self) -> None:
        here = self.ledger.destination.id
        attestation = attest([here])
        self.wanted.add("key/" + attestation.body.result.keys.ed25519.hex())
        self.loop.run(self.store.attest(attestation, [here]))

    @rule(count=st.integers(1, 3))
    def enqueue(self, count: int) -> None:
        items = [accept(self.next + number) for number in range(count)]
        self.next += count
        batch = sign(items, self.ledger.destination, recipient=self._account())
        self.wanted.add("batch/" + batch.header.batch_id.hex())
        self.settles.append(Settle(batch.header, batch.signatures))
        self.wanted |= {"intent/" + entry.record.intent.hex() for entry in batch.entries}
        self.loop.run(self.store.enqueue(acceptance(items, [batch], consumed=True)))

    @rule(crash=CRASHES, away=AWAY)
    def go_round(self, crash: CrashPoint | None, away: set[str]) -> None:
        self.crash, self.channel.down = crash, away
        self._round()
        self.crash, self.channel.down = None, set()

    @rule(withheld=st.booleans())
    def withhold(self, *, withheld: bool) -> None:
        self.channel.withheld = withheld

    @rule()
    def cut(self) -> None:
        self.channel.cut()

    @rule()
    def drop(self) -> None:
        """The orderer forgets what it took: it lost its leader."""
        self.channel.waiting.clear()

    @rule()
    def send_twice(self) -> None:
        self.channel.waiting.extend(self.channel.waiting[:1])

    @rule()
    def rival(self) -> None:
        """Somebody else settles the newest batch, through the same orderer."""
        if self.settles:
            self.loop.run(self._send(self.settles[-1]))

    @rule(seconds=st.integers(1, 40))
    def wait(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @rule()
    def restart(self) -> None:
        self.loop.run(self.store.aclose())
        self.store = self.loop.run(self._open())
        self.ledger, self.dispatcher = self._start()

    @override
    def teardown(self) -> None:
        try:
            self._finish()
        finally:
            self.loop.run(self.store.aclose())
            self.loop.close()
            shutil.rmtree(self.folder)

    def _finish(self) -> None:
        self.channel.withheld = False
        for _ in range(200):
            self._round()
            self.channel.cut()
            self.clock.advance(31)
            if not self.loop.run(self.store.outbox.has_open(self.ledger.destination.id)):
                break
        blocks = [read_block(block, CHAINCODE) for block in self.channel.blocks]
        valid = [each for block in blocks for each in block.transactions if each.code == VALID]
        effects = Counter(key for each in valid for key in each.writes if key.startswith(EFFECTS))
        assert effects == Counter(self.wanted)
        counts = self.loop.run(self.store.outbox.counts())
        assert {state for _, _, state in counts} <= {WorkState.FINAL}
        assert sum(counts.values()) == len(self.wanted)

    def _round(self) -> None:
        try:
            self.loop.run(self.dispatcher.round())
        except Crash:
            self.ledger, self.dispatcher = self._start()
        except LedgerError:
            pass  # the peers were away; the next round goes on

    def _start(self) -> tuple[HyperledgerLedger, Dispatcher]:
        parts = connect(self.channel.settings, self.clock, self.channel.keys, self.channel)
        ledger = HyperledgerLedger(parts, self.clock)
        pace = Pace(window=5)
        return ledger, Dispatcher(ledger, self.store.outbox, self.clock, reached=self._reached, pace=pace)

    async def _send(self, work: Settle) -> None:
        ledger, _ = self._start()
        await ledger.submit(await ledger.prepare([work], []))

    def _account(self) -> Account:
        parts = connect(self.channel.settings, self.clock, self.channel.keys, self.channel)
        return Caller(parts.asking.peers, parts.asking.endorser).account

    def _reached(self, point: CrashPoint) -> None:
        if point is self.crash:
            raise Crash

    async def _open(self) -> Store:
        return await open_store(self.folder / "fabric.db", self.folder / "blobs", self.clock)


TestHyperledgerCrashes = Crashes.TestCase
TestHyperledgerCrashes.settings = settings(
    max_examples=min(settings.get_profile(settings._current_profile or "dev").max_examples // 10, 200),
    stateful_step_count=20,
    deadline=None,
)
