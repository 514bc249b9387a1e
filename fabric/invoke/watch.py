"""Watch over the standing of code: asks the registries from poll to poll, and says what may start, bind or count.

A source that does not answer changes nothing until the last standing has expired; then nothing starts (fails closed).
See docs/spec/standing.md.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import Final, Protocol

import structlog

from fabric.bundles.source import StandingSource
from fabric.core.clock import Clock, utc_text
from fabric.core.errors import CodeRevoked, FabricError, NotVouched, Refused
from fabric.core.ids import Measurement
from fabric.trust.standing import BINDS, STARTS, Registry, Standing, State, explain

POLL_SECONDS: Final = 30
_LOG: Final = structlog.get_logger(__name__)
Ended = Callable[[Standing], Awaitable[None]]
"""Called once for each bundle whose standing became revoked, before anything else of the poll that found it."""

Met = Callable[[Registry], None]
"""Called with a registry whose word was taken, and the key that it signed with; often with the same."""


class Keeper(Protocol):
    """Where standings are kept (``fabric.store.standings``)."""

    async def put(self, items: Collection[Standing]) -> None:
        """Stores standings durably."""
        ...

    async def newest(self, measurements: Collection[Measurement]) -> dict[Measurement, Standing]:
        """Returns the newest stored standing of each bundle."""
        ...


class Watch(Protocol):
    """What the flow of invocations asks before it acts."""

    def check_start(self, measurement: Measurement) -> None:
        """Refuses to start work of a bundle; raises ``CodeRevoked`` and ``NotVouched``."""
        ...

    def check_result(self, measurement: Measurement) -> None:
        """Refuses a result of a bundle that was revoked while it ran; raises ``CodeRevoked``."""
        ...

    async def check_bind(self, measurement: Measurement) -> None:
        """Refuses a new binding of a bundle; raises ``Refused``, ``CodeRevoked`` and ``NotVouched``."""
        ...


class NoWatch:
    """Where bundles come from a source that vouches for none: everything may run, and proofs carry no standing."""

    def check_start(self, measurement: Measurement) -> None:
        """Lets everything start."""

    def check_result(self, measurement: Measurement) -> None:
        """Lets every result count."""

    async def check_bind(self, measurement: Measurement) -> None:
        """Lets everything be bound."""


class StandingWatch:
    """Watches the bundles that are bound."""

    def __init__(self, source: StandingSource, keeper: Keeper, clock: Clock, ended: Ended, met: Met) -> None:
        """Takes whom it asks, where it keeps what it is told, and whom it tells of revoked bundles and registries."""
        self._source = source
        self._keeper = keeper
        self._clock = clock
        self._ended = ended
        self._met = met
        self._known: dict[Measurement, Standing] = {}
        self._watched: set[Measurement] = set()
        self._unended: dict[Measurement, Standing] = {}
        self._unkept: dict[Measurement, Standing] = {}
        self._trouble = ""

    @property
    def known(self) -> dict[Measurement, Standing]:
        """The newest standing of each watched bundle that has one."""
        return dict(self._known)

    async def begin(self, measurements: Collection[Measurement]) -> None:
        """Watches bundles from what was kept, which may be all there is for a while; then polls."""
        self._watched |= set(measurements)
        kept = await self._keeper.newest(measurements)
        self._known |= kept
        self._meet(kept.values())
        await self.poll()

    async def poll(self) -> None:
        """Asks once for all watched bundles; what fails is logged, and changes nothing."""
        if not self._watched:
            return
        try:
            told = await asyncio.to_thread(self._source.standings, frozenset(self._watched))
        except FabricError as error:
            self._trouble = str(error)
            _LOG.warning("no standings", error=self._trouble)
        else:
            self._trouble = ""
            self._take([item for name, item in told.items() if self._is_news(name, item)])
        await self._settle()
        for item in self.late():
            _LOG.error("standing not renewed", measurement=item.measurement.hex(), expires=utc_text(item.expires))

    def _meet(self, items: Collection[Standing]) -> None:
        for registry in {Registry(item.registry, item.signature.key) for item in items}:
            self._met(registry)

    def _take(self, items: list[Standing]) -> None:
        self._meet(items)
        for item in items:
            before = self._known.get(item.measurement)
            self._known[item.measurement] = self._unkept[item.measurement] = item
            if item.state is State.REVOKED and (before is None or before.state is not State.REVOKED):
                self._unended[item.measurement] = item
            if before is not None and before.state is not item.state:
                _LOG.warning("standing changed", standing=explain(item))

    async def _settle(self) -> None:
        """Acts before it keeps: what fails, or is cut off in between, is done again at the next poll or start."""
        try:
            for measurement, item in list(self._unended.items()):
                await self._ended(item)
                del self._unended[measurement]
            await self._keeper.put(list(self._unkept.values()))
            self._unkept.clear()
        except FabricError as error:
            _LOG.error("a standing is not acted on yet", error=str(error))

    def _is_news(self, name: Measurement, item: Standing) -> bool:
        """A registry that goes back is not followed, nor one that answers what nobody asked."""
        before = self._known.get(name)
        is_newer = before is None or (item.position, item.issued) > (before.position, before.issued)
        return name in self._watched and item.measurement == name and item.is_signed() and is_newer

    def late(self) -> list[Standing]:
        """Returns the standings that are past half of their life, which a living registry never lets happen."""
        now = self._clock.unix_seconds()
        return [item for item in self._known.values() if now - item.issued > (item.expires - item.issued) / 2]

    async def run(self, seconds: float) -> None:
        """Polls for ever."""
        while True:
            await asyncio.sleep(seconds)
            await self.poll()

    def check_start(self, measurement: Measurement) -> None:
        """Refuses to start work of a bundle.

        Raises:
            CodeRevoked: it is revoked, for good.
            NotVouched: it is in quarantine, or no standing of it holds now; what was asked for may be asked again.
        """
        item = self._holding(measurement)
        if item.state not in STARTS:
            raise NotVouched(f"{explain(item)}; nothing of it starts until the registry clears it: try again later")

    def check_result(self, measurement: Measurement) -> None:
        """Refuses a result of a bundle that was revoked while it ran; raises ``CodeRevoked``."""
        self._refuse_revoked(measurement)

    async def check_bind(self, measurement: Measurement) -> None:
        """Refuses a new binding of a bundle, and watches what may be bound.

        Raises:
            CodeRevoked, NotVouched: as ``check_start``.
            Refused: it is yanked.
        """
        if measurement not in self._known:
            await self.begin([measurement])
        self.check_start(measurement)
        item = self._known[measurement]
        if item.state not in BINDS:
            raise Refused(f"{explain(item)}; bindings that are there go on, a new one takes another version")
        if item.state is State.DEPRECATED:
            _LOG.warning("a deprecated bundle is bound", standing=explain(item))

    def _holding(self, measurement: Measurement) -> Standing:
        self._refuse_revoked(measurement)
        item, now = self._known.get(measurement), self._clock.unix_seconds()
        why = f" ({self._trouble})" if self._trouble else ""
        if item is None:
            raise NotVouched(f"no registry vouches for bundle {measurement.hex()}{why}: publish it, then try again")
        if now > item.expires:
            ended = utc_text(item.expires)
            raise NotVouched(
                f"the last standing of bundle {measurement.hex()} from {item.registry} expired at {ended}, and no newer"
                f" one came{why}: reach the registry or bring a newer mirror, then try again"
            )
        return item

    def _refuse_revoked(self, measurement: Measurement) -> None:
        item = self._known.get(measurement)
        if item is not None and item.state is State.REVOKED:
            raise CodeRevoked(f"{explain(item)}; bind another version")
