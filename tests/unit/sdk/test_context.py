"""The context of an invocation is the same on every run of it, and different for another."""

from datetime import UTC, datetime

import pytest

from fabric.sdk import Context
from fabric.sdk.context import MAX_ENTROPY_BYTES

ID, SEED = bytes(range(32)), bytes(range(32, 64))


def test_a_rerun_sees_the_same() -> None:
    first, again = Context.of(ID, 1_700_000_000, SEED), Context.of(ID, 1_700_000_000, SEED)
    assert [first.random.random(), first.entropy(32)] == [again.random.random(), again.entropy(32)]
    assert first.as_of == again.as_of == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
    assert (first.invocation, first.state_version) == (ID, 0)


def test_the_values_stay_as_they_are() -> None:
    """Pinned: an update of Python or of this file that changes them would split rings."""
    context = Context.of(ID, 0, SEED, 7)
    assert [context.random.randrange(1000) for _ in range(4)] == [219, 433, 113, 732]
    assert context.entropy(8).hex() == "b9509a5aeaa342d1"
    assert context.state_version == 7


def test_another_seed_gives_other_values() -> None:
    one, other = Context.of(ID, 0, SEED), Context.of(ID, 0, SEED[::-1])
    assert one.random.random() != other.random.random()
    assert one.entropy(16) != other.entropy(16)


def test_entropy_goes_on() -> None:
    context = Context.of(ID, 0, SEED)
    drawn = [context.entropy(16) for _ in range(100)]
    assert len(set(drawn)) == 100
    context.random.random()  # the two streams do not disturb each other
    assert context.entropy(0) == b""


def test_random_and_entropy_are_separate() -> None:
    plain, mixed = Context.of(ID, 0, SEED), Context.of(ID, 0, SEED)
    mixed.entropy(99)
    assert plain.random.random() == mixed.random.random()


@pytest.mark.parametrize("size", [-1, MAX_ENTROPY_BYTES + 1])
def test_entropy_is_bounded(size: int) -> None:
    with pytest.raises(ValueError, match="0 to 65536"):
        Context.of(ID, 0, SEED).entropy(size)


@pytest.mark.parametrize(("invocation", "seed", "version"), [(b"", SEED, 0), (ID, b"", 0), (ID, SEED, -1)])
def test_the_platform_passes_whole_values(invocation: bytes, seed: bytes, version: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Context.of(invocation, 0, seed, version)
