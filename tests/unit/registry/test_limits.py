"""The gate before uploads: whose share is whose, and that what it remembers is bounded."""

import pytest
from starlette.requests import Request

from fabric.core.clock import FrozenClock
from registry.busy import TooOften
from registry.server import limits
from registry.server.limits import Gate, Limits, peer_of


def from_(host: str | None) -> Request:
    client = None if host is None else (host, 50_000)
    return Request({"type": "http", "client": client, "headers": []})


def is_let_in(gate: Gate, host: str) -> bool:
    try:
        with gate.entered(from_(host)):
            return True
    except TooOften:
        return False


@pytest.mark.parametrize(
    ("host", "peer"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("a socket of this machine", "a socket of this machine"),
        (None, "an unknown address"),
    ],
)
def test_an_address_is_whoever_can_have_it(host: str | None, peer: str) -> None:
    assert peer_of(from_(host)) == peer


def test_a_share_fills_again_evenly_and_never_above_its_size() -> None:
    clock = FrozenClock()
    gate = Gate(Limits(per_minute=6), clock)
    assert [is_let_in(gate, "a") for _ in range(7)] == [True] * 6 + [False]
    clock.advance(9)
    assert not is_let_in(gate, "a")
    clock.advance(1)
    assert [is_let_in(gate, "a") for _ in range(2)] == [True, False]
    clock.advance(3_600)
    assert [is_let_in(gate, "a") for _ in range(7)] == [True] * 6 + [False]


def test_without_a_share_nothing_is_counted() -> None:
    gate = Gate(Limits(per_minute=0), FrozenClock())
    assert all(is_let_in(gate, "a") for _ in range(1_000))
    assert not gate._buckets


def test_no_more_addresses_are_remembered_than_that(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_PEERS", 3)
    gate = Gate(Limits(per_minute=1), FrozenClock())
    assert all(is_let_in(gate, host) for host in "abc")
    assert not is_let_in(gate, "a")
    assert is_let_in(gate, "d")  # and b, which came longest ago, is forgotten
    assert list(gate._buckets) == ["c", "a", "d"]
    assert not is_let_in(gate, "a")


def test_a_place_is_free_again_however_the_upload_ended() -> None:
    gate = Gate(Limits(at_once_each=1), FrozenClock())

    def fail() -> None:
        with gate.entered(from_("a")):
            assert not is_let_in(gate, "a")
            raise ZeroDivisionError

    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            fail()
    assert not gate._inside
