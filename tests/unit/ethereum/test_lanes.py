"""Nonces: each given out once, holes first, and gaps told from nonces that are on their way."""

from hypothesis import given
from hypothesis import strategies as st

from adapters.ethereum.lanes import HOLD_SECONDS, Lane
from fabric.core.clock import FrozenClock


def lane() -> tuple[Lane, FrozenClock]:
    clock = FrozenClock()
    return Lane(clock), clock


def test_they_go_on_from_the_chain_and_from_what_is_stored() -> None:
    made, _ = lane()
    assert made.take(2, 5, []) == [5, 6]
    assert made.take(2, 5, [5, 6]) == [7, 8]
    other, _ = lane()
    assert other.take(2, 5, [5, 6, 7]) == [8, 9]


def test_holes_are_filled_first() -> None:
    made, _ = lane()
    assert made.take(3, 5, [6, 8]) == [5, 7, 9]


def test_what_was_given_out_is_kept_for_a_while() -> None:
    made, clock = lane()
    assert made.take(1, 5, []) == [5]
    assert made.take(1, 5, []) == [6]
    clock.advance(int(HOLD_SECONDS) + 1)
    assert made.take(1, 5, []) == [5]


def test_what_will_not_be_sent_is_given_out_again() -> None:
    made, _ = lane()
    assert made.take(2, 5, []) == [5, 6]
    made.release(5)
    made.release(99)
    assert made.take(1, 5, [6]) == [5]


def test_what_the_chain_has_is_forgotten() -> None:
    made, _ = lane()
    made.take(3, 5, [])
    assert made.take(1, 7, []) == [8]


def test_a_gap_is_what_nobody_knows() -> None:
    made, clock = lane()
    assert not made.is_gap(5, 5)
    assert made.is_gap(5, 6)
    made.hold([5, 7])
    assert not made.is_gap(5, 6)
    assert made.is_gap(5, 8)
    made.hold([6])
    assert not made.is_gap(5, 8)
    clock.advance(int(HOLD_SECONDS) + 1)
    assert made.is_gap(5, 6)


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(0, 20), st.sets(st.integers(0, 30))), max_size=8))
def test_no_nonce_twice(rounds: list[tuple[int, int, set[int]]]) -> None:
    made, _ = lane()
    seen: set[int] = set()
    first = 0
    for count, step, stored in rounds:
        first += step
        given_out = made.take(count, first, stored)
        assert len(set(given_out)) == count
        assert all(nonce >= first for nonce in given_out)
        assert not seen & set(given_out)
        assert not stored & set(given_out)
        seen |= set(given_out)
