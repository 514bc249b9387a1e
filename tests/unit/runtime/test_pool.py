import asyncio
import contextlib
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fabric.core.clock import FrozenClock
from fabric.core.errors import ContainerLost, CryptletRaised, NoCapacity, Oversize, PlatformError, Refused
from fabric.core.model import Failure, Invocation, Outcome
from fabric.runtime.failures import CourierLost, DeadlinePassed, EnclaveLost
from fabric.runtime.pool import EnclaveHandle, Pool, PoolConfig
from fabric.runtime.profile import Profile
from fabric.wire.codec import Load, Loaded, Run, RunResult, Unload, encode_reply
from tests.unit.runtime.stand_in import MEASUREMENT, FakeCarrier, StandIn, run_of, success

LOAD = Load(b"wheel", b"publication")


@dataclass
class House:
    pool: Pool
    carrier: FakeCarrier
    lost: list[EnclaveHandle]
    clock: FrozenClock
    asked: list[bytes] = field(default_factory=list)

    def __getitem__(self, name: str) -> StandIn:
        return self.carrier.stand_ins[name]


async def house(*names: str) -> House:
    carrier = FakeCarrier({name: StandIn(name) for name in names})
    lost: list[EnclaveHandle] = []
    asked: list[bytes] = []

    async def bundles(binding: bytes) -> Load:
        asked.append(binding)
        return LOAD

    clock = FrozenClock()
    pool = Pool(PoolConfig(Profile(), {}), carrier, bundles, lost.append, clock)
    for stand_in in carrier.stand_ins.values():
        await pool.add(stand_in.handle)
    return House(pool, carrier, lost, clock, asked)


async def test_outcomes_come_in_the_order_of_the_invocations() -> None:
    home = await house("one")
    run = run_of(3, 1, 2)
    result = await home.pool.run(run)
    assert result.outcomes == tuple(success(call) for call in run.invocations)
    assert [batch.header.count for batch in result.batches] == [3, 3]


async def test_one_run_is_one_exchange() -> None:
    home = await house("one")
    await home.pool.run(run_of(*range(100)))
    assert len(home["one"].requests) == 1


async def test_the_enclave_with_the_least_work_is_taken() -> None:
    home = await house("one", "two")
    gate = asyncio.Event()
    exchange = home.carrier.exchange

    async def slow(courier: int, frame: bytes, seconds: float) -> bytes:
        await gate.wait()
        return await exchange(courier, frame, seconds)

    home.carrier.exchange = slow  # type: ignore[method-assign]
    runs = [asyncio.create_task(home.pool.run(run)) for run in (run_of(*range(9)), run_of(20), run_of(21, 22))]
    await asyncio.sleep(0)
    gate.set()
    await asyncio.gather(*runs)
    assert [len(request.invocations) for request in home["one"].requests if isinstance(request, Run)] == [9]
    assert [len(request.invocations) for request in home["two"].requests if isinstance(request, Run)] == [1, 2]


@pytest.mark.parametrize("error", [CourierLost("x"), PlatformError("x"), EnclaveLost("x")])
async def test_a_safe_failure_runs_again_on_another_enclave(error: Exception) -> None:
    home = await house("one", "two")
    home.carrier.faults["one"] = [error]
    result = await home.pool.run(run_of(1))
    assert result.outcomes[0].failure is None
    assert home["one"].requests == []
    assert len(home["two"].requests) == 1


async def test_a_lost_courier_is_tried_again_where_there_is_no_other_enclave() -> None:
    home = await house("one")
    home.carrier.faults["one"] = [CourierLost("x")]
    assert (await home.pool.run(run_of(1))).outcomes[0].failure is None


async def test_a_lost_enclave_is_reported_once_and_not_asked_again() -> None:
    home = await house("one", "two")
    home.carrier.faults["one"] = [EnclaveLost("x")]
    for number in range(3):
        await home.pool.run(run_of(number))
    assert [handle.name for handle in home.lost] == ["one"]
    assert [handle.name for handle in home.pool.enclaves] == ["two"]
    assert home.pool.slots == 2


async def test_an_enclave_without_a_sandbox_counts_as_lost() -> None:
    home = await house("one", "two")
    home["one"].refusal = Failure("sandbox", "no zygote")
    assert (await home.pool.run(run_of(1))).outcomes[0].failure is None
    assert [handle.name for handle in home.lost] == ["one"]


async def test_no_enclave_is_no_capacity() -> None:
    home = await house()
    with pytest.raises(NoCapacity, match="no enclave answers"):
        await home.pool.run(run_of(1))
    with pytest.raises(NoCapacity):
        await home.pool.load(LOAD)


async def test_attempts_are_bounded() -> None:
    home = await house("one")
    home.carrier.faults["one"] = [CourierLost("x") for _ in range(10)]
    with pytest.raises(NoCapacity, match="3 attempts"):
        await home.pool.run(run_of(1))
    assert len(home.carrier.faults["one"]) == 7


async def test_what_the_enclave_refuses_is_not_tried_elsewhere() -> None:
    home = await house("one", "two")
    for stand_in in home.carrier.stand_ins.values():
        stand_in.refusal = Failure("refused", "no such destination")
    with pytest.raises(Refused, match="no such destination"):
        await home.pool.run(run_of(1))


async def test_a_bundle_is_loaded_where_it_lacks_once_for_all_who_ask() -> None:
    home = await house("one")
    home["one"].loaded = False
    results = await asyncio.gather(*(home.pool.run(run_of(number)) for number in range(5)))
    assert all(result.outcomes[0].failure is None for result in results)
    assert [request for request in home["one"].requests if isinstance(request, Load)] == [LOAD]


async def test_load_reaches_every_enclave() -> None:
    home = await house("one", "two")
    assert await home.pool.load(LOAD) == MEASUREMENT
    assert home["one"].requests == home["two"].requests == [LOAD]


async def test_only_what_was_lost_with_its_container_runs_again() -> None:
    home = await house("one", "two")
    failed = Failure(ContainerLost.code, "gone")
    run = run_of(1, 2, 3)

    def outcome(call: Invocation) -> Outcome:
        return Outcome(call.id, None, failed) if call.id == run.invocations[1].id else success(call)

    home["one"].outcome = outcome
    result = await home.pool.run(run)
    assert result.outcomes == tuple(success(call) for call in run.invocations)
    assert [batch.header.count for batch in result.batches] == [2, 2, 1, 1]
    assert [request.invocations for request in home["two"].requests if isinstance(request, Run)] == [
        (run.invocations[1],)
    ]


async def test_what_an_enclave_did_not_begin_runs_again_as_long_as_it_gets_nearer() -> None:
    home = await house("one")
    run = run_of(*range(5))
    begun: list[Invocation] = []

    def outcome(call: Invocation) -> Outcome:
        """Two of each request are begun."""
        requests = sum(isinstance(request, Run) for request in home["one"].requests)
        if len(begun) < 2 * requests:
            begun.append(call)
            return success(call)
        return Outcome(call.id, None, Failure(NoCapacity.code, "not begun"))

    home["one"].outcome = outcome
    result = await home.pool.run(run)
    assert result.outcomes == tuple(success(call) for call in run.invocations)
    assert [batch.header.count for batch in result.batches] == [2, 2, 2, 2, 1, 1]


async def test_what_is_lost_again_and_again_is_told_to_the_caller() -> None:
    home = await house("one")
    lost = Failure(ContainerLost.code, "gone")
    home["one"].outcome = lambda call: Outcome(call.id, None, lost)
    result = await home.pool.run(run_of(1, 2))
    assert [item.failure for item in result.outcomes] == [lost, lost]
    assert len(home["one"].requests) == 2


async def test_an_enclave_that_hangs_is_waited_for_no_longer_than_one_call_can_take() -> None:
    home = await house("one")
    exchange, waited = home.carrier.exchange, []

    async def patient(courier: int, frame: bytes, seconds: float) -> bytes:
        waited.append(seconds)
        return await exchange(courier, frame, seconds)

    home.carrier.exchange = patient  # type: ignore[method-assign]
    run = run_of(*range(100))
    calls = tuple(replace(call, deadline_ms=5_000) for call in run.invocations)
    await home.pool.run(replace(run, invocations=calls))
    assert waited == [40]


async def test_the_cryptlets_own_failure_is_its_outcome() -> None:
    home = await house("one", "two")
    home["one"].outcome = lambda call: Outcome(call.id, None, Failure(CryptletRaised.code, "division by zero"))
    result = await home.pool.run(run_of(1))
    assert result == RunResult(
        (Outcome(run_of(1).invocations[0].id, None, Failure("cryptlet-raised", "division by zero")),), ()
    )
    assert home["two"].requests == []


async def test_a_reply_that_the_enclave_did_not_sign_is_asked_for_elsewhere() -> None:
    home = await house("one", "two")
    home["one"].key = Ed25519PrivateKey.generate()
    result = await home.pool.run(run_of(1))
    assert result.batches[0].signatures[0].key == home["two"].handle.description.keys.ed25519


async def test_a_reply_of_another_kind_or_of_rubbish_is_not_taken() -> None:
    home = await house("one")
    for tamper in (lambda _: b"\xff\xff", lambda _: encode_reply(Loaded(MEASUREMENT))):
        home.carrier.tamper = tamper
        with pytest.raises(NoCapacity, match="last:"):
            await home.pool.run(run_of(1))


async def test_the_time_of_a_run_is_for_all_attempts() -> None:
    home = await house("one", "two")

    async def late(courier: int, frame: bytes, seconds: float) -> bytes:  # noqa: ARG001
        home.clock.advance(6)
        raise CourierLost("x")

    home.carrier.exchange = late  # type: ignore[method-assign]
    with pytest.raises(DeadlinePassed):
        await home.pool.run(run_of(1), seconds=10)
    assert home.clock.monotonic_seconds() == FrozenClock().monotonic_seconds() + 12


async def test_a_request_beyond_the_limit_is_refused_before_it_is_sent() -> None:
    home = await house("one")
    call = replace(run_of(1).invocations[0], input=bytes(65 << 20))
    with pytest.raises(Oversize):
        await home.pool.run(Run(b"binding", (call,)))
    assert home["one"].requests == []


async def test_a_run_whose_reply_is_too_long_goes_in_halves() -> None:
    home = await house("one")
    exchange = home.carrier.exchange

    async def narrow(courier: int, frame: bytes, seconds: float) -> bytes:
        answer = await exchange(courier, frame, seconds)
        if len(answer) > 8192:
            raise Oversize("too long")
        return answer

    home.carrier.exchange = narrow  # type: ignore[method-assign]
    run = run_of(*range(20))
    result = await home.pool.run(run)
    assert result.outcomes == tuple(map(success, run.invocations))
    assert sum(batch.header.count for batch in result.batches) == 40
    assert len(result.batches) > 2


async def test_an_enclave_that_is_removed_gets_no_work() -> None:
    home = await house("one", "two")
    await home.pool.remove("one")
    await home.pool.remove("one")
    await home.pool.run(run_of(1))
    assert home["one"].requests == []
    assert list(home.carrier.hired.values()) == ["two"]


async def test_an_enclave_is_removed_though_ray_is_gone() -> None:
    home = await house("one", "two")

    async def gone(courier: int) -> None:  # noqa: ARG001
        raise CourierLost("Ray is not running")

    home.carrier.dismiss = gone  # type: ignore[method-assign]
    await home.pool.remove("one")
    assert [handle.name for handle in home.pool.enclaves] == ["two"]


async def test_whoever_waits_for_an_enclave_is_told_when_one_serves() -> None:
    home = await house("one")
    told: list[int] = []
    home.pool.listen(lambda: told.append(len(home.pool.enclaves)))
    home.carrier.stand_ins["two"] = StandIn("two")
    await home.pool.add(home["two"].handle)
    assert told == [2]
    await home.pool.move(home.carrier)
    assert told == [2, 2]


async def test_a_pool_moves_to_another_carrier() -> None:
    home = await house("one", "two")
    home.carrier.hired.clear()
    with pytest.raises(NoCapacity):
        await home.pool.run(run_of(1))
    other = FakeCarrier(home.carrier.stand_ins)
    await home.pool.move(other)
    assert (await home.pool.run(run_of(1))).outcomes[0].failure is None


@pytest.mark.parametrize("error", [CourierLost("x"), DeadlinePassed("x"), EnclaveLost("x")])
async def test_a_remote_enclave_is_lost_with_its_courier(error: Exception) -> None:
    home = await house("here")
    there = StandIn("there")
    home.carrier.stand_ins["there"] = there
    await home.pool.add(replace(there.handle, node="worker", is_remote=True))
    home.carrier.faults = {"here": [CourierLost("y")], "there": [error]}
    for run in (run_of(1), run_of(2)):
        with contextlib.suppress(DeadlinePassed):
            await home.pool.run(run)
    # The courier of one here is made again by Ray, and the enclave itself was never in question.
    assert [handle.name for handle in home.lost] == ["there"]
    assert [handle.name for handle in home.pool.enclaves] == ["here"]


async def test_a_remote_enclave_that_was_replaced_is_lost() -> None:
    home = await house()
    there = StandIn("there")
    home.carrier.stand_ins["there"] = StandIn("there")  # with keys of its own
    await home.pool.add(replace(there.handle, is_remote=True))
    with pytest.raises(NoCapacity):
        await home.pool.run(run_of(1))
    assert [handle.name for handle in home.lost] == ["there"]


async def test_remote_enclaves_are_lost_with_ray() -> None:
    home = await house("here")
    there = StandIn("there")
    await home.pool.add(replace(there.handle, is_remote=True), courier=9)
    fresh = FakeCarrier(home.carrier.stand_ins)
    await home.pool.move(fresh)
    assert [handle.name for handle in home.lost] == ["there"]
    assert list(fresh.hired.values()) == ["here"]


async def test_a_courier_runs_on_the_machine_of_its_enclave() -> None:
    home = await house()
    asked: list[Profile] = []

    async def hire(name: str, path: Path, profile: Profile) -> int:  # noqa: ARG001 - as the port has it
        asked.append(profile)
        return 1

    home.carrier.hire = hire  # type: ignore[method-assign]
    await home.pool.add(replace(StandIn("a").handle, node="gateway"))
    await home.pool.add(StandIn("b").handle)
    assert [profile.labels for profile in asked] == [{"cryptlet-node": "gateway"}, {}]


@pytest.mark.parametrize("error", [EnclaveLost("x"), CourierLost("x"), DeadlinePassed("x")])
async def test_a_bundle_is_unloaded_everywhere_and_who_does_not_answer_is_lost(error: Exception) -> None:
    """An enclave that may still run it is ended whole."""
    home = await house("one", "two")
    home.carrier.faults["two"] = [error]
    await home.pool.unload(MEASUREMENT)
    assert home["one"].requests == [Unload(MEASUREMENT)]
    assert [handle.name for handle in home.lost] == ["two"]
