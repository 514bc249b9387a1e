"""Delays grow, stay bounded, and are the same for the same seed."""

from hypothesis import given
from hypothesis import strategies as st

from fabric.core.backoff import BASE_SECONDS, MAX_SECONDS, delay_seconds

ATTEMPTS = st.integers(1, 10_000)


@given(ATTEMPTS, st.binary(max_size=32))
def test_a_delay_lies_in_the_upper_half_of_its_ceiling(attempt: int, seed: bytes) -> None:
    ceiling = min(MAX_SECONDS, BASE_SECONDS * 2.0 ** min(attempt, 32))
    assert ceiling / 2 <= delay_seconds(attempt, seed) <= ceiling


@given(ATTEMPTS, st.binary(max_size=32))
def test_it_is_reproducible(attempt: int, seed: bytes) -> None:
    assert delay_seconds(attempt, seed) == delay_seconds(attempt, seed)


def test_entries_do_not_march_in_step() -> None:
    assert len({delay_seconds(5, bytes([n])) for n in range(50)}) == 50
