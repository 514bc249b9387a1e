"""Standings as they come: the one of an anchor's time is found, what nothing needs goes, a changed row is refused."""

from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text

from fabric.core.clock import FrozenClock
from fabric.core.ids import Measurement
from fabric.store import schema
from fabric.store.standings import standing_at
from fabric.store.store import Store, open_store
from fabric.store.values import RowTampered
from fabric.trust.standing import SKEW_SECONDS, Standing, State
from tests.support.proofs import sample_standing
from tests.support.trust_samples import word

BUNDLE = Measurement(word("bundle"))
OTHER = Measurement(word("another bundle"))
START = 1_800_000_000
LIFETIME = 600


def said(after: int, state: State = State.ACTIVE, position: int = 7, seconds: int = LIFETIME) -> Standing:
    return sample_standing(
        BUNDLE,
        state=state,
        reason="" if state is State.ACTIVE else "because",
        position=position,
        issued=START + after,
        expires=START + after + seconds,
    )


async def at(store: Store, after: int, measurement: Measurement = BUNDLE) -> Standing | None:
    query = partial(standing_at, measurement=measurement, time=START + after)
    return await store._database.read(query)


async def count(store: Store) -> int:
    return len(await store._database.read(lambda connection: connection.execute(select(schema.standings.c.seq)).all()))


ACTIVE, REVOKED = said(0), said(100, State.REVOKED, 9)


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (-SKEW_SECONDS - 1, None),
        (-SKEW_SECONDS, ACTIVE),
        (0, ACTIVE),
        (99, ACTIVE),
        (100, REVOKED),
        (650, REVOKED),
        (700, REVOKED),
        (701, None),
    ],
)
async def test_the_one_of_the_anchors_time_is_found(store: Store, after: int, expected: Standing | None) -> None:
    await store.standings.put([ACTIVE])
    await store.standings.put([REVOKED])
    assert await at(store, after) == expected
    assert await at(store, after, OTHER) is None


async def test_the_newest_of_each_bundle_is_there_after_a_restart(store: Store) -> None:
    other = sample_standing(OTHER)
    await store.standings.put([ACTIVE, other])
    await store.standings.put([REVOKED])
    assert await store.standings.newest([BUNDLE, OTHER]) == {BUNDLE: REVOKED, OTHER: other}


async def test_a_repeat_stores_nothing(store: Store) -> None:
    for _ in range(3):
        await store.standings.put([ACTIVE, sample_standing(OTHER)])
    assert await count(store) == 2


async def test_polls_of_a_day_leave_few_rows(store: Store) -> None:
    """One every 30 seconds; a few for each lifetime stay, and a change of state does."""
    for after in range(0, 7_200, 30):
        await store.standings.put([said(after)])
    assert await count(store) <= 2 * 7_200 // LIFETIME
    for after in range(7_200 + LIFETIME - 30):
        if after % 97 == 0:
            assert await at(store, after) is not None
    await store.standings.put([said(7_200, State.QUARANTINED, 8)])
    await store.standings.put([said(7_230, State.ACTIVE, 9)])
    await store.standings.put([said(7_260, State.ACTIVE, 9)])
    found = await at(store, 7_210)
    assert found is not None
    assert found.state is State.QUARANTINED


polls = st.lists(
    st.tuples(st.integers(1, 300), st.sampled_from([State.ACTIVE, State.YANKED]), st.integers(1, 400)), max_size=12
)


@settings(max_examples=40)
@given(polls, st.integers(0, 4_000))
async def test_what_goes_is_missed_at_no_time(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, State, int]], time: int
) -> None:
    folder = tmp_path_factory.mktemp("store")
    store = await open_store(str(folder / "fabric.db"), folder / "blobs", FrozenClock())
    try:
        after = 0
        items: list[Standing] = []
        for position, (pause, state, seconds) in enumerate(steps):
            after += pause
            same = bool(items) and items[-1].state is state
            items.append(said(after, state, items[-1].position if same else position, seconds))
            await store.standings.put(items[-1:])
        held = [item for item in items if item.covers(START + time)]
        found = await at(store, time)
        if held:
            assert found is not None
            assert (found.state, found.position) == (held[-1].state, held[-1].position)
    finally:
        await store.aclose()


@pytest.mark.parametrize(
    "change",
    [
        f"issued = {START - 1}",
        f"expires = {START + 10_000}",
        "document = substr(document, 2)",
    ],
)
async def test_a_changed_row_is_refused(store: Store, change: str) -> None:
    await store.standings.put([ACTIVE])
    statement = text(f"UPDATE standings SET {change}")  # noqa: S608
    await store._database.write(lambda connection: connection.execute(statement))
    with pytest.raises(RowTampered, match=BUNDLE.hex()):
        await store.standings.newest([BUNDLE])
    with pytest.raises(RowTampered, match=BUNDLE.hex()):
        await at(store, 0)
