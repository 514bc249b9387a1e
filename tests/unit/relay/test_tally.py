"""The count by which the campaign judges: sound where each message ended once, and each fault is named."""

import pytest

from tests.support.tally import FAULTS, Fact, Said, table, tally

GOOD: list[Said] = [(fact, b"a") for fact in (Fact.SENT, Fact.DELIVERED, Fact.ACKNOWLEDGED)]
LATE: list[Said] = [(fact, b"b") for fact in (Fact.SENT, Fact.EXPIRED, Fact.REFUNDED)]


def test_messages_that_ended_once_are_sound() -> None:
    found = tally([*GOOD, *LATE])
    assert found.is_sound
    assert found.counts == {Fact.SENT: 2, Fact.DELIVERED: 1, Fact.ACKNOWLEDGED: 1, Fact.EXPIRED: 1, Fact.REFUNDED: 1}
    assert table({"there": found})[1].split() == ["there", "2", "1", "1", "1", "1", *"00000"]


@pytest.mark.parametrize(
    ("said", "faults"),
    [
        ([*GOOD, (Fact.SENT, b"b")], {"lost"}),
        ([*GOOD[:2]], {"lost", "unmatched"}),
        ([*GOOD[:1], *GOOD[2:]], {"unmatched"}),
        ([*LATE[:1], *LATE[2:]], {"unmatched"}),
        ([*GOOD, (Fact.DELIVERED, b"a")], {"doubled"}),
        ([*GOOD, (Fact.ACKNOWLEDGED, b"a")], {"doubled"}),
        ([*GOOD, (Fact.EXPIRED, b"a"), (Fact.REFUNDED, b"a")], {"both"}),
        ([*LATE, (Fact.DELIVERED, b"b")], {"both", "unmatched"}),
        ([*GOOD[1:]], {"stray"}),
    ],
)
def test_each_fault_is_named(said: list[Said], faults: set[str]) -> None:
    found = tally(said)
    assert {name for name in FAULTS if getattr(found, name)} == faults
    assert not found.is_sound
