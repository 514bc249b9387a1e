import asyncio
from collections.abc import Callable

import pytest

from fabric.core.errors import NoCapacity, Refused, StoreError
from fabric.runtime.batcher import Batcher, Limits


class Runner:
    """Notes the batches; answers when its gate is open."""

    def __init__(self) -> None:
        self.batches: list[tuple[str, tuple[int, ...]]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.most = 0
        self.now = 0

    async def run(self, key: str, items: tuple[int, ...]) -> list[str]:
        self.batches.append((key, items))
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await self.gate.wait()
        finally:
            self.now -= 1
        return [f"{key}{item}" for item in items]


def batcher(runner: Runner, slots: int = 1, limits: Limits | None = None) -> Batcher[str, int, str]:
    return Batcher(runner.run, lambda item: item, lambda: slots, limits)


async def test_an_idle_batcher_takes_a_single_item_at_once() -> None:
    runner = Runner()
    runner.gate.clear()
    waits = batcher(runner)
    answer = waits.submit("a", [1])
    await asyncio.sleep(0)  # the turn in which it came
    await asyncio.sleep(0)  # the batch's own first step
    assert runner.batches == [("a", (1,))]
    runner.gate.set()
    assert await answer == ("a1",)


async def test_what_comes_in_one_turn_travels_together() -> None:
    runner = Runner()
    waits = batcher(runner)
    answers = await asyncio.gather(*(waits.submit("a", [number]) for number in range(64)))
    assert answers == [(f"a{number}",) for number in range(64)]
    assert len(runner.batches) == 1


async def test_batches_grow_while_the_slots_are_busy() -> None:
    runner = Runner()
    runner.gate.clear()
    waits = batcher(runner)
    answers = [waits.submit("a", [0])]
    for number in range(1, 10):
        await asyncio.sleep(0)
        answers.append(waits.submit("a", [number]))
    assert waits.in_flight == 1
    assert waits.waiting == 9
    runner.gate.set()
    await asyncio.gather(*answers)
    assert runner.batches == [("a", (0,)), ("a", tuple(range(1, 10)))]


async def test_no_more_batches_fly_than_there_are_slots() -> None:
    runner = Runner()
    runner.gate.clear()
    waits = batcher(runner, slots=3, limits=Limits(count=2))
    answer = waits.submit("a", range(20))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert waits.in_flight == 3
    runner.gate.set()
    await answer
    assert runner.most == 3
    assert [len(items) for _, items in runner.batches] == [2] * 10


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.mark.parametrize("company", [1, 3])
async def test_beside_a_batch_in_flight_a_further_one_leaves_when_it_is_worth_it(company: int) -> None:
    runner = Runner()
    runner.gate.clear()
    waits = batcher(runner, slots=2, limits=Limits(eager=4, delay_seconds=3600))
    answers = [waits.submit("a", [0])]
    await turns()
    answers += [waits.submit("a", [1]), waits.submit("a", range(2, 2 + company))]
    await turns()
    assert waits.in_flight == (2 if company == 3 else 1)
    runner.gate.set()
    await asyncio.gather(*answers)  # what did not leave then leaves when the slot is the only one
    assert [len(items) for _, items in runner.batches] == [1, 1 + company]


async def test_a_small_batch_leaves_after_the_delay() -> None:
    runner = Runner()
    runner.gate.clear()
    waits = batcher(runner, slots=2, limits=Limits(eager=4, delay_seconds=0))
    answers = [waits.submit("a", [0])]
    await turns()
    answers.append(waits.submit("a", [1]))
    await turns()
    assert waits.in_flight == 2
    runner.gate.set()
    await asyncio.gather(*answers)


async def test_a_group_is_answered_whole_and_in_order_though_it_travels_apart() -> None:
    runner = Runner()
    waits = batcher(runner, slots=4, limits=Limits(count=3))
    assert await waits.submit("a", range(10)) == tuple(f"a{number}" for number in range(10))


async def test_bytes_bound_a_batch_and_a_larger_item_travels_alone() -> None:
    runner = Runner()
    waits = batcher(runner, limits=Limits(size=10))
    await waits.submit("a", [4, 6, 1, 99, 2, 3])
    assert [items for _, items in runner.batches] == [(4, 6), (1,), (99,), (2, 3)]


async def test_bindings_take_turns() -> None:
    runner = Runner()
    waits = batcher(runner, limits=Limits(count=2))
    await asyncio.gather(waits.submit("a", range(6)), waits.submit("b", range(2)))
    assert [key for key, _ in runner.batches] == ["a", "b", "a", "a"]


async def test_an_error_of_ours_is_the_result_of_each_item_of_its_batch_only() -> None:
    async def run(_: str, items: tuple[int, ...]) -> list[int]:
        if 2 in items:
            raise StoreError("disk full")
        return list(items)

    waits: Batcher[str, int, int] = Batcher(run, lambda _: 1, lambda: 1, Limits(count=2))
    first, second, third, fourth = await waits.submit("a", range(4))
    assert (first, second) == (0, 1)
    assert isinstance(third, StoreError)
    assert isinstance(fourth, StoreError)


@pytest.mark.parametrize("wrong", [lambda _: 1 / 0, lambda items: items[1:]], ids=["raises", "too few"])
async def test_a_bug_in_the_run_reaches_the_caller(wrong: Callable[[tuple[int, ...]], tuple[int, ...]]) -> None:
    async def run(_: str, items: tuple[int, ...]) -> tuple[int, ...]:
        return wrong(items)

    waits: Batcher[str, int, int] = Batcher(run, lambda _: 1, lambda: 1)
    with pytest.raises((ZeroDivisionError, ValueError)):
        await waits.submit("a", [1, 2])


async def test_a_caller_that_gave_up_costs_no_run() -> None:
    runner = Runner()
    runner.gate.clear()
    waits = batcher(runner)
    first = waits.submit("a", [0])
    await asyncio.sleep(0)
    given_up = waits.submit("a", [1])
    given_up.cancel()
    kept = waits.submit("a", [2])
    runner.gate.set()
    await asyncio.gather(first, kept)
    assert given_up.cancelled()
    assert runner.batches == [("a", (0,)), ("a", (2,))]
    assert waits.waiting == 0


async def test_a_full_queue_refuses_at_once() -> None:
    runner = Runner()
    waits = batcher(runner, slots=0, limits=Limits(waiting=3))
    first = waits.submit("a", [1, 2])
    with pytest.raises(NoCapacity):
        await waits.submit("a", [3, 4])
    assert waits.waiting == 2
    await waits.close()
    assert all(isinstance(item, NoCapacity) for item in await first)


async def test_waiting_items_go_when_slots_come() -> None:
    slots = 0
    runner = Runner()
    waits: Batcher[str, int, str] = Batcher(runner.run, lambda _: 1, lambda: slots)
    answer = waits.submit("a", [1])
    await asyncio.sleep(0)
    assert runner.batches == []
    slots = 1
    waits.wake()
    assert await answer == ("a1",)


async def test_closing_refuses_what_waits_and_finishes_what_runs() -> None:
    runner = Runner()
    runner.gate.clear()
    waits = batcher(runner)
    runs = waits.submit("a", [1])
    await asyncio.sleep(0)
    stays = waits.submit("a", [2])
    closing = asyncio.create_task(waits.close())
    (refused,) = await stays
    assert isinstance(refused, NoCapacity)
    runner.gate.set()
    await closing
    assert await runs == ("a1",)


async def test_a_batch_that_runs_long_gives_its_slot_back_and_its_lane_waits_for_it() -> None:
    runner = Runner()
    runner.gate.clear()
    limits = Limits(count=1, slot_seconds=0)
    waits: Batcher[str, int, str] = Batcher(runner.run, lambda _: 1, lambda: 1, limits, lane=lambda key: key[0])
    answers = [waits.submit("a1", [0])]
    await turns()
    answers += [waits.submit("a2", [1]), waits.submit("b1", [2])]
    await turns()
    assert [key for key, _ in runner.batches] == ["a1", "b1"]
    runner.gate.set()
    await asyncio.gather(*answers)
    assert [key for key, _ in runner.batches] == ["a1", "b1", "a2"]


async def test_long_batches_are_bounded() -> None:
    runner = Runner()
    runner.gate.clear()
    waits = batcher(runner, limits=Limits(slot_seconds=0, long=2))
    answers = []
    for key in "abcdef":
        answers.append(waits.submit(key, [0]))
        await turns()
    assert waits.in_flight == 3
    runner.gate.set()
    await asyncio.gather(*answers)


async def test_closing_gives_up_what_does_not_end() -> None:
    runner = Runner()
    runner.gate.clear()
    waits = batcher(runner)
    runs = waits.submit("a", [1])
    await turns()
    await waits.close(grace_seconds=0)
    assert waits.in_flight == 0
    (given_up,) = await runs
    assert isinstance(given_up, NoCapacity)


async def test_no_items_are_answered_at_once() -> None:
    assert await batcher(Runner()).submit("a", []) == ()


async def test_a_value_that_is_an_error_passes_as_a_result() -> None:
    async def run(_: str, items: tuple[int, ...]) -> list[Refused]:
        return [Refused("no") for _ in items]

    waits: Batcher[str, int, Refused] = Batcher(run, lambda _: 1, lambda: 1)
    (answer,) = await waits.submit("a", [1])
    assert isinstance(answer, Refused)
