"""Clocks: one that moves by itself, one that moves when told."""

from fabric.core.clock import Clock, FrozenClock, SystemClock


def test_a_frozen_clock_moves_when_told() -> None:
    clock = FrozenClock(100)
    clock.advance(5)
    assert (clock.unix_seconds(), clock.monotonic_seconds()) == (105, 105.0)


def test_the_machine_s_clock_does_not_go_back() -> None:
    clock: Clock = SystemClock()
    readings = [clock.monotonic_seconds() for _ in range(100)]
    assert readings == sorted(readings)
    assert clock.unix_seconds() > 1_700_000_000
