"""When a ledger is asked: often when its next block is due, never less often than was asked for."""

import random

import pytest

from fabric.ledger.rhythm import EARLY_SECONDS, LATE_SECONDS, LONGEST_SECONDS, QUICK_SECONDS, Rhythm

POLL = 0.2


def late(interval: float, blocks: int = 60, jitter: float = 0.0) -> list[float]:
    """Returns how late each block of a regular ledger is noticed."""
    rhythm, now, found = Rhythm(POLL), 0.0, []
    chance = random.Random(1)  # noqa: S311 - when blocks come in a test
    for number in range(1, blocks):
        there = number * interval + chance.uniform(0, jitter)
        while now < there:
            now += rhythm.rest(now)
        rhythm.moved(now)
        found.append(now - there)
    return found


@pytest.mark.parametrize("interval", [1.0, 2.0, 5.0, 12.0])
def test_a_regular_block_is_noticed_soon(interval: float) -> None:
    assert max(late(interval)[10:]) <= QUICK_SECONDS + 1e-9


def test_an_irregular_one_no_later_than_asked_for() -> None:
    assert max(late(1.0, jitter=0.9)) <= POLL + 1e-9


@pytest.mark.parametrize("interval", [0.05, POLL, LONGEST_SECONDS, 1_000.0])
def test_what_is_no_rhythm_changes_nothing(interval: float) -> None:
    rhythm = Rhythm(POLL)
    for number in range(4):
        assert rhythm.rest(number * interval) == POLL
        rhythm.moved(number * interval)


def test_between_blocks_it_is_asked_as_before() -> None:
    rhythm = Rhythm(POLL)
    for number in range(3):
        rhythm.moved(float(number))
    assert rhythm.rest(2.1) == POLL
    assert rhythm.rest(2.8) == pytest.approx(1 - EARLY_SECONDS - 0.8)
    assert rhythm.rest(3.0) == QUICK_SECONDS
    assert rhythm.rest(3.0 + LATE_SECONDS) == POLL
