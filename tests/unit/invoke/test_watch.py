"""The watch over standings: each state's effect, counted from polls on a clock that a test moves."""

import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import structlog

from fabric.core.clock import FrozenClock
from fabric.core.errors import CodeRevoked, FabricError, NotVouched, Refused, Retry, StoreError
from fabric.core.ids import Measurement
from fabric.invoke import watch as module
from fabric.invoke.watch import NoWatch, StandingWatch
from fabric.store.store import Store, open_store
from fabric.trust.standing import SKEW_SECONDS, Standing, State
from fabric.trust.standing import Registry as Registered
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
    with pytest.raises(NotVouched):
        watch.check_result(CODE)  # its proof would count for nobody: it is held back, and runs again
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


FAR = "registry.example/other"


def told(world: World, origin: str, state: State, position: int, *, after: int = 0) -> Standing:
    """Returns what another registry than the usual one says."""
    now = world.clock.unix_seconds() + after
    reason = "" if state is State.ACTIVE else "leaks"
    times = {"issued": now, "expires": now + LIFETIME}
    return sample_standing(CODE, registry=origin, state=state, reason=reason, position=position, **times)


def answer(world: World, item: Standing) -> None:
    monkey: Any = world.registry
    monkey.standings = lambda _: {CODE: item}


async def test_positions_of_two_registries_are_not_compared(world: World) -> None:
    world.registry.say(State.ACTIVE, 500)
    watch = await _begun(world)
    world.clock.advance(30)
    item = told(world, FAR, State.ACTIVE, 3)
    answer(world, item)
    await watch.poll()
    assert watch.known[CODE] == item


async def test_another_registry_undoes_no_quarantine_before_it_has_expired(world: World) -> None:
    world.registry.say(State.QUARANTINED, 2)
    watch = world.watch()
    await watch.begin([CODE])
    for after, starts in ((LIFETIME, False), (1, True)):
        world.clock.advance(after)
        answer(world, told(world, FAR, State.ACTIVE, 9))
        await watch.poll()
        if starts:
            watch.check_start(CODE)
        else:
            with pytest.raises(NotVouched, match="quarantined"):
                watch.check_start(CODE)


@pytest.mark.parametrize("origin", ["registry.example/log", FAR], ids=["the same", "another"])
async def test_nobody_undoes_a_revocation(world: World, origin: str) -> None:
    """Not even who stole the key of the standings, nor after it has expired or the fabric was started anew."""
    watch = await _begun(world)
    world.registry.say(State.REVOKED, 2)
    await watch.poll()
    world.clock.advance(10 * LIFETIME)
    answer(world, told(world, origin, State.ACTIVE, 9))
    await watch.poll()
    again = world.watch()
    await again.begin([CODE])
    for each in (watch, again):
        with pytest.raises(CodeRevoked):
            each.check_start(CODE)
    assert [item.state for item in (await world.store.standings.newest([CODE])).values()] == [State.REVOKED]


async def test_what_is_still_to_come_is_not_taken(world: World) -> None:
    """A stolen key would else vouch for years, and no honest word could follow."""
    watch = await _begun(world)
    before = watch.known
    answer(world, told(world, "registry.example/log", State.ACTIVE, 1, after=SKEW_SECONDS + 1))
    with structlog.testing.capture_logs() as logs:
        await watch.poll()
    assert watch.known == before
    assert [entry["why"] for entry in logs if entry["event"] == "standing not taken"] == [
        "it was issued at 2023-11-14 22:18:21Z, which is still to come: see both clocks"
    ]


async def test_a_clock_that_was_set_back_is_named(world: World) -> None:
    watch = await _begun(world)
    world.clock.advance(-SKEW_SECONDS - 1)
    with pytest.raises(NotVouched, match="the clock of this machine"):
        watch.check_start(CODE)


async def test_who_waits_is_told_when_work_may_start_again(world: World) -> None:
    watch = await _begun(world)
    heard: list[str] = []
    watch.listen(lambda: heard.append("cleared"))
    world.registry.say(State.QUARANTINED, 2)
    await watch.poll()
    with pytest.raises(NotVouched):
        watch.check_start(CODE)
    await watch.poll()
    assert heard == []
    world.registry.say(State.ACTIVE, 3)
    for _ in range(2):
        await watch.poll()
    assert heard == ["cleared"]


async def test_one_bundle_that_cannot_be_ended_keeps_no_other_from_being_kept(world: World) -> None:
    """Proofs of the others need their standings."""
    world.registry.say(State.ACTIVE, 1, OTHER)
    watch = world.watch()
    await watch.begin([CODE, OTHER])
    world.registry.say(State.REVOKED, 2)
    world.fails = True
    world.clock.advance(LIFETIME)
    await watch.poll()
    kept = await world.store.standings.newest([CODE, OTHER])
    assert kept[OTHER] == watch.known[OTHER]
    assert kept[CODE].state is State.ACTIVE
    world.fails = False
    await watch.poll()
    assert (await world.store.standings.newest([CODE]))[CODE].state is State.REVOKED


async def test_a_source_that_breaks_is_a_silent_one(world: World) -> None:
    watch = await _begun(world)

    def broken(measurements: Collection[Measurement]) -> Mapping[Measurement, Standing]:
        raise ValueError(f"a mistake of the plug-in at {len(measurements)}")

    world.registry.standings = broken  # type: ignore[method-assign]
    await watch.poll()
    watch.check_start(CODE)
    world.clock.advance(LIFETIME + 1)
    with pytest.raises(NotVouched, match="a mistake of the plug-in"):
        watch.check_start(CODE)


async def test_a_registry_that_hangs_is_asked_once_and_holds_up_no_alarm(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = await _begun(world)
    gate, usual = threading.Event(), world.registry.standings

    def hanging(measurements: Collection[Measurement]) -> Mapping[Measurement, Standing]:
        found = usual(measurements)
        gate.wait()
        return found

    monkeypatch.setattr(module, "ASK_SECONDS", 0.01)
    world.registry.standings = hanging  # type: ignore[method-assign]
    world.clock.advance(LIFETIME // 2 + 1)
    with structlog.testing.capture_logs() as logs:
        for _ in range(2):
            await watch.poll()
    assert [entry["event"] for entry in logs].count("standing not renewed") == 2
    assert len(world.registry.asked) == 2  # the first poll's, and one that hangs
    monkeypatch.setattr(module, "ASK_SECONDS", 30)
    gate.set()
    world.registry.say(State.ACTIVE, 5, OTHER)
    await watch.check_bind(OTHER)  # what hung knows nothing of it: asked again
    assert world.registry.asked[2:] == [{CODE, OTHER}]
    assert watch.late() == []


async def test_how_bundles_stand_is_told_to_people(world: World) -> None:
    watch = await _begun(world)
    with pytest.raises(NotVouched):
        await watch.check_bind(OTHER)
    world.registry.is_cut = True
    world.clock.advance(LIFETIME // 2 + 1)
    await watch.poll()
    late, unknown = watch.concerns()
    assert (late.measurement, late.standing) == (CODE, watch.known[CODE])
    assert "not renewed for half of its life (no answer from the registry); nothing starts after" in late.trouble
    assert (unknown.measurement, unknown.standing) == (OTHER, None)
    assert "no registry vouches" in unknown.trouble
    world.registry.is_cut = False
    await watch.poll()
    assert watch.concerns()[0].trouble == ""


async def test_where_nobody_vouches_nothing_is_refused() -> None:
    watch = NoWatch()
    watch.check_start(CODE)
    watch.check_result(CODE)
    await watch.check_bind(CODE)
    watch.listen(lambda: None)
    assert watch.concerns() == ()
