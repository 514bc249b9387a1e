"""Fees and gas limits."""

import pytest

from adapters.ethereum.fees import GWEI, Fees
from fabric.core.errors import LedgerUnavailable


@pytest.mark.parametrize(
    ("base", "priced"),
    [(0, (GWEI, GWEI)), (GWEI, (GWEI, 3 * GWEI)), (300 * GWEI, (GWEI, 500 * GWEI)), (499 * GWEI, (GWEI, 500 * GWEI))],
    ids=["free", "usual", "capped", "at-the-cap"],
)
def test_the_maximal_fee_leaves_room_up_to_the_cap(base: int, priced: tuple[int, int]) -> None:
    assert Fees().price(base) == priced


def test_a_ledger_without_fees_costs_none() -> None:
    assert Fees(cap=0, tip=0).price(0) == (0, 0)


def test_above_the_cap_nothing_is_sent() -> None:
    with pytest.raises(LedgerUnavailable, match="cap"):
        Fees().price(500 * GWEI)
