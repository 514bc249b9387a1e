"""The watch over standings: each state's effect, counted from polls on a clock that a test moves."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from fabric.core.clock import FrozenClock
from fabric.core.errors import CodeRevoked, FabricError, NotVouched, Refused, Retry, StoreError
from fabric.core.ids import Measurement
from fabric.invoke.watch import StandingWatch
from fabric.store.store import Store, open_store
from fabric.trust.standing import Registry as Registered
from fabric.trust.standing import Standing, State
from tests.support.proofs import sample_standing

CODE, OTHER = Measurement(b"\x01" * 32), Measurement(b"\x02" * 32)
LIFETIME = 600


@dataclass
class Registry:
    """Says what a test wants it to, of those who ask."""

    clock: FrozenClock
    states: dict[Measurement, tuple[State, int]] = field(default_factory=dict)
    is_cut: bool = False
    asked: list[frozenset[Measurement]] = field(default_factory=list)

    def say(self, state: State, position: int, code: Measurement = CODE) -> None:
        self.states[code] = (state, position)

    def standings(self, measurements: Collection[Measurement]) -> Mapping[Measurement, Standing]:
        self.asked.append(frozenset(measurements))
        if self.is_cut:
            raise StoreError("no answer from the registry")
        now = self.clock.unix_seconds()
        return {
            code: sample_standing(
                code,
                state=state,
                reason="" if state is State.ACTIVE else "leaks",
                position=position,
                issued=now,
                expires=now + LIFETIME,
            )
            for code, (state, position) in self.states.items()
            if code in measurements
        }


@dataclass
class World:
    """A watch on a real store.

    Attributes:
        ended: the bundles that were ended, in order.
        met: the registries whose word was taken.
        fails: whether ending fails.
    """

    clock: FrozenClock
    registry: Registry
    store: Store
    ended: list[Measurement] = field(default_factory=list)
    fails: bool = False
    met: set[Registered] = field(default_factory=set)

    def watch(self) -> StandingWatch:
        return StandingWatch(self.registry, self.store.standings, self.clock, self._end, self.met.add)

    async def _end(self, item: Standing) -> None:
        if self.fails:
            raise StoreError("full")
        self.ended.append(item.measurement)


@pytest.fixture
async def world(tmp_path: Path) -> World:
    clock = FrozenClock()
    store = await open_store(tmp_path / "fabric.db", tmp_path / "blobs", clock)
    made = World(clock, Registry(clock), store)
    made.registry.say(State.ACTIVE, 1)
    return made


async def _begun(world: World) -> StandingWatch:
    watch = world.watch()
    await watch.begin([CODE])
    watch.check_start(CODE)
    assert {item.origin for item in world.met} == {"registry.example/log"}
    return watch


async def test_a_revocation_stops_starts_and_ends_what_runs_at_the_next_poll(world: World) -> None:
    watch = await _begun(world)
    world.registry.say(State.REVOKED, 2)
    watch.check_start(CODE)  # nobody has asked yet
    await watch.poll()
    with pytest.raises(CodeRevoked, match=r"revoked since .*registry\.example/log.*leaks; bind another version"):
        watch.check_start(CODE)
    with pytest.raises(CodeRevoked):
        watch.check_result(CODE)
    with pytest.raises(CodeRevoked):
        await watch.check_bind(CODE)
    assert world.ended == [CODE]
    await watch.poll()
    assert world.ended == [CODE]  # once


async def test_what_could_not_be_ended_is_ended_at_a_later_poll(world: World) -> None:
    watch = await _begun(world)
    world.registry.say(State.REVOKED, 2)
    world.fails = True
    await watch.poll()
    with pytest.raises(CodeRevoked):
        watch.check_start(CODE)
    world.fails = False
    await watch.poll()
    assert world.ended == [CODE]


async def test_a_restart_before_it_was_kept_ends_it_again(world: World) -> None:
    watch = await _begun(world)
    world.registry.say(State.REVOKED, 2)
    world.fails = True
    await watch.poll()
    world.fails = False
    await world.watch().begin([CODE])
    assert world.ended == [CODE]


async def test_a_restart_that_is_cut_off_still_knows_a_revoked_bundle(world: World) -> None:
    watch = await _begun(world)
    world.registry.say(State.REVOKED, 2)
    await watch.poll()
    world.registry.is_cut = True
    again = world.watch()
    await again.begin([CODE])
    with pytest.raises(CodeRevoked):
        again.check_start(CODE)


async def test_quarantine_holds_starts_back_until_it_is_lifted(world: World) -> None:
    watch = await _begun(world)
    world.registry.say(State.QUARANTINED, 2)
    await watch.poll()
    with pytest.raises(NotVouched, match="nothing of it starts until the registry clears it") as refused:
        watch.check_start(CODE)
    assert refused.value.retry is Retry.SAFE
    watch.check_result(CODE)  # what had begun may end
    world.registry.say(State.ACTIVE, 3)
    await watch.poll()
    watch.check_start(CODE)
    assert world.ended == []


@pytest.mark.parametrize("state", [State.YANKED, State.DEPRECATED])
async def test_yanked_takes_no_new_binding_and_deprecated_does(world: World, state: State) -> None:
    watch = await _begun(world)
    world.registry.say(state, 2)
    await watch.poll()
    watch.check_start(CODE)
    if state is State.DEPRECATED:
        await watch.check_bind(CODE)
        return
    with pytest.raises(Refused, match="bindings that are there go on"):
        await watch.check_bind(CODE)


async def test_a_fabric_that_is_cut_off_goes_on_until_the_last_standing_expires(world: World) -> None:
    watch = await _begun(world)
    world.registry.is_cut = True
    world.clock.advance(LIFETIME // 2)
    await watch.poll()
    assert watch.late() == []
    world.clock.advance(1)
    await watch.poll()
    assert [item.measurement for item in watch.late()] == [CODE]  # the alarm, at half of its life
    world.clock.advance(LIFETIME // 2 - 1)
    watch.check_start(CODE)
    world.clock.advance(1)
    with pytest.raises(NotVouched, match=r"expired at .* and no newer one came \(no answer from the registry\)"):
        watch.check_start(CODE)
    world.registry.is_cut = False
    await watch.poll()
    watch.check_start(CODE)


async def test_nothing_that_no_registry_knows_starts(world: World) -> None:
    watch = await _begun(world)
    with pytest.raises(NotVouched, match="no registry vouches"):
        await watch.check_bind(OTHER)
    world.registry.say(State.ACTIVE, 5, OTHER)
    await watch.check_bind(OTHER)
    assert world.registry.asked[-1] == {CODE, OTHER}


async def test_a_registry_that_goes_back_is_not_followed(world: World) -> None:
    watch = await _begun(world)
    world.registry.say(State.REVOKED, 2)
    await watch.poll()
    world.registry.say(State.ACTIVE, 1)
    world.clock.advance(60)
    await watch.poll()
    with pytest.raises(CodeRevoked):
        watch.check_start(CODE)


async def test_a_forged_standing_is_none(world: World) -> None:
    watch = world.watch()

    def forged(measurements: Collection[Measurement]) -> Mapping[Measurement, Standing]:
        told = Registry.standings(world.registry, measurements)
        return {code: replace(item, expires=item.expires + 1) for code, item in told.items()}

    world.registry.standings = forged  # type: ignore[method-assign]
    await watch.begin([CODE])
    with pytest.raises(FabricError, match="no registry vouches"):
        watch.check_start(CODE)


async def test_one_row_covers_half_of_a_life(world: World) -> None:
    watch = await _begun(world)
    for _ in range(20):
        world.clock.advance(30)
        await watch.poll()
    kept = await world.store.standings.newest([CODE])
    assert kept[CODE].expires > world.clock.unix_seconds()
    count = await world.store._database.read(
        lambda connection: connection.exec_driver_sql("SELECT count(*) FROM standings").scalar()
    )
    assert count == 2
