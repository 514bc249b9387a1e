"""Watch over the standing of code: asks the registries from poll to poll, and says what may start, bind or count.

A source that does not answer changes nothing until the last standing has expired; then nothing starts (fails closed).
See docs/spec/standing.md.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

import structlog

from fabric.bundles.source import StandingSource
from fabric.core.clock import Clock, utc_text
from fabric.core.errors import FabricError, NotVouched, PluginError, Refused, StoreError
from fabric.core.ids import Measurement
from fabric.invoke.standing import check_starts, objection
from fabric.trust.standing import BINDS, Registry, Standing, State, explain

ASK_SECONDS: Final = 60.0
"""How long a poll waits for the registries; what they answer later, the next poll takes."""
_LOG: Final = structlog.get_logger(__name__)
Ended = Callable[[Standing], Awaitable[None]]
"""Called once for each bundle whose standing became revoked, before anything else of the poll that found it."""

Met = Callable[[Registry], None]
"""Called with a registry whose word was taken, and the key that it signed with; often with the same."""


@dataclass(frozen=True)
class Concern:
    """How a bundle stands, for people.

    Attributes:
        measurement: the bundle.
        standing: the last one, None where there never was one.
        trouble: what a person should look at; empty where nothing is wrong.
    """

    measurement: Measurement
    standing: Standing | None
    trouble: str


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
        """Refuses a result of a bundle that may not start any more, since it would not count; as ``check_start``."""
        ...

    async def check_bind(self, measurement: Measurement) -> None:
        """Refuses a new binding of a bundle; raises ``Refused``, ``CodeRevoked`` and ``NotVouched``."""
        ...

    def listen(self, on_cleared: Callable[[], None]) -> None:
        """Has it called when work that was refused a start for a while may start again."""
        ...

    def concerns(self) -> tuple[Concern, ...]:
        """Returns how each watched bundle stands."""
        ...


class NoWatch:
    """Where bundles come from a source that vouches for none: everything may run, and proofs carry no standing."""

    def check_start(self, measurement: Measurement) -> None:
        """Lets everything start."""

    def check_result(self, measurement: Measurement) -> None:
        """Lets every result count."""

    async def check_bind(self, measurement: Measurement) -> None:
        """Lets everything be bound."""

    def listen(self, on_cleared: Callable[[], None]) -> None:
        """Never calls it: nothing was refused."""

    def concerns(self) -> tuple[Concern, ...]:
        """Returns nothing."""
        return ()


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
        self._refused: set[Measurement] = set()
        self._listeners: list[Callable[[], None]] = []
        self._turn = asyncio.Lock()
        self._asked: frozenset[Measurement] = frozenset()
        self._asking: asyncio.Task[Mapping[Measurement, Standing]] | None = None

    def listen(self, on_cleared: Callable[[], None]) -> None:
        """Has it called when work that was refused a start for a while may start again."""
        self._listeners.append(on_cleared)

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
            told = await self._ask()
        except FabricError as error:
            self._trouble = str(error)
            _LOG.warning("no standings", error=self._trouble)
        else:
            self._trouble = ""
            self._take([item for name, item in told.items() if self._is_news(name, item)])
        await self._settle()
        self._tell_of_cleared()
        for item in self.late():
            _LOG.error("standing not renewed", measurement=item.measurement.hex(), expires=utc_text(item.expires))

    async def _ask(self) -> Mapping[Measurement, Standing]:
        """Asks in a thread, one at a time. One that hangs holds up no alarm; the next poll waits for it again."""
        async with self._turn:
            if self._asking is None:
                self._asked = frozenset(self._watched)
                self._asking = asyncio.ensure_future(asyncio.to_thread(self._source.standings, self._asked))
            done, _ = await asyncio.wait([self._asking], timeout=ASK_SECONDS)
            if not done:
                raise StoreError(f"the registries have not answered within {ASK_SECONDS:.0f} s")
            asking, self._asking = self._asking, None
        if asking.exception() is None and not self._watched <= self._asked:
            return await self._ask()  # it was begun before a bundle that is to be bound was watched
        try:
            return asking.result()
        except FabricError:
            raise
        except Exception as error:  # a plug-in's mistake must not end the watch
            raise PluginError(f"the source of bundles failed: {error!r}") from error

    def _tell_of_cleared(self) -> None:
        cleared = {name for name in self._refused if not self._trouble_of(name)}
        self._refused -= cleared
        for listener in self._listeners if cleared else ():
            listener()

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
        """Acts before it keeps: what fails, or is cut off in between, is done again at the next poll or start.

        What fails for one bundle holds up no other: proofs of the others need their standings.
        """
        for measurement, item in list(self._unended.items()):
            try:
                await self._ended(item)
                self._unended.pop(measurement, None)
            except FabricError as error:
                _LOG.error("a standing is not acted on yet", standing=explain(item), error=str(error))
        ready = {name: item for name, item in self._unkept.items() if name not in self._unended}
        try:
            await self._keeper.put(list(ready.values()))
        except FabricError as error:
            _LOG.error("standings are not kept yet", error=str(error))
            return
        self._unkept = {name: item for name, item in self._unkept.items() if ready.get(name) is not item}

    def _is_news(self, name: Measurement, item: Standing) -> bool:
        """Says whether a standing is taken; one that should not have come is told of."""
        before = self._known.get(name)
        if before == item:
            return False
        asked = name in self._watched and item.measurement == name
        why = objection(item, before, self._clock.unix_seconds()) if asked else "nobody asked for it"
        if why:
            _LOG.error("standing not taken", measurement=name.hex(), registry=item.registry, why=why)
        return not why

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
        try:
            self._check_starts(measurement)
        except NotVouched:
            self._refused.add(measurement)
            raise

    def check_result(self, measurement: Measurement) -> None:
        """Refuses a result of a bundle that may not start any more; raises as ``check_start``.

        It would be anchored under that standing, no policy would ever take its proof, and its key would be spent: it is
        held back instead, and runs again.
        """
        self.check_start(measurement)

    def concerns(self) -> tuple[Concern, ...]:
        """Returns how each watched bundle stands, with what a person should look at."""
        late = {item.measurement: item for item in self.late()}
        found = []
        for name in sorted(self._watched):
            trouble = self._trouble_of(name)
            if not trouble and name in late:
                why = f" ({self._trouble})" if self._trouble else ""
                trouble = f"not renewed for half of its life{why}; nothing starts after {utc_text(late[name].expires)}"
            found.append(Concern(name, self._known.get(name), trouble))
        return tuple(found)

    def _trouble_of(self, measurement: Measurement) -> str:
        """Returns why nothing of a bundle starts, empty where it does."""
        try:
            self._check_starts(measurement)
        except FabricError as error:
            return str(error)
        return ""

    def _check_starts(self, measurement: Measurement) -> None:
        check_starts(measurement, self._known.get(measurement), self._clock.unix_seconds(), self._trouble)

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
