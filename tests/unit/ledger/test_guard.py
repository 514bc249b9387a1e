"""The guard fails closed: what cannot be read counts as halted, what cannot be stored holds its loop."""

from dataclasses import dataclass, field

import structlog

from fabric.core.clock import FrozenClock
from fabric.core.errors import Reorged, StoreError
from fabric.core.ids import DestinationId
from fabric.ledger.guard import Guard
from fabric.store.halts import Halt
from tests.support.batches import destination

HERE = destination("a").id


@dataclass
class Failing:
    """Halts that fail a number of times."""

    failures: int
    stored: list[str] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)

    async def of(self, _place: DestinationId) -> Halt | None:
        self._fail()
        return Halt(self.stored[0], 0) if self.stored else None

    async def put(self, _place: DestinationId, reason: str, _created: int) -> None:
        self._fail()
        self.stored.append(reason)

    async def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)

    def _fail(self) -> None:
        if self.failures:
            self.failures -= 1
            raise StoreError("on purpose")

    def guard(self) -> Guard:
        return Guard(self, HERE, FrozenClock(), self.pause)  # type: ignore[arg-type]


async def test_it_does_not_say_that_work_may_go_on_before_it_can_read_it() -> None:
    halts = Failing(3)
    with structlog.testing.capture_logs() as logs:
        assert await halts.guard().halt() is None
    assert [entry["event"] for entry in logs] == ["halt not readable"] * 3
    assert halts.pauses == sorted(halts.pauses)
    assert len(halts.pauses) == 3


async def test_it_does_not_return_before_the_halt_is_stored() -> None:
    halts = Failing(3)
    with structlog.testing.capture_logs() as logs:
        await halts.guard().close(Reorged("block 7 is gone"))
    assert halts.stored == ["block 7 is gone"]
    assert [entry["event"] for entry in logs] == ["halt not stored"] * 3 + ["ledger halted"]
    assert await halts.guard().halt() == Halt("block 7 is gone", 0)
