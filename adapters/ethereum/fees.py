"""What a transaction may cost: fees from the head's base fee, gas limits from a table; no node is asked to estimate."""

from dataclasses import dataclass
from typing import Final

from fabric.core.errors import FeesAboveCap
from fabric.ledger.port import Consume, Expire, Register, RevokeCode, Settle, Work

GWEI: Final = 10**9
_GROWTH: Final = 2
"""A base fee grows by at most an eighth a block: twice of it holds for five full blocks."""

# What contracts/snapshots/gas.json records, and half again at least (tests/integration/ethereum/test_life.py). A limit
# costs nothing that is not used; one too low costs the transaction.
_SETTLE_GAS: Final = 250_000
_REGISTER_GAS: Final = 350_000
_REVOKE_GAS: Final = 120_000
_SIGNATURE_GAS: Final = 20_000
_CONSUME_GAS: Final = 200_000
"""Of deliveries and acknowledgements too."""
_EXPIRE_GAS: Final = 150_000
_BYTE_GAS: Final = 60
"""Call data of a byte (EIP-7623: 40 at most), and its copying and hashing."""


@dataclass(frozen=True)
class Fees:
    """The relayer's limits, in wei a gas unit, and what a recipient may use.

    Attributes:
        cap: most that is ever paid, base fee and tip together.
        tip: priority fee.
        effect_gas: gas for what a recipient does with a record or message, beyond checking it.
    """

    cap: int = 500 * GWEI
    tip: int = GWEI
    effect_gas: int = 500_000

    def price(self, base_fee: int) -> tuple[int, int]:
        """Returns priority fee and maximal fee under the head's base fee.

        Raises:
            FeesAboveCap: even the lowest fee that a block would take is above the cap.
        """
        if base_fee + self.tip > self.cap:
            message = f"fee of {base_fee + self.tip} wei a gas unit, the cap is {self.cap}"
            raise FeesAboveCap(message)
        return self.tip, min(self.cap, _GROWTH * base_fee + self.tip)

    def gas_limit(self, work: Work, size: int) -> int:
        """Returns the gas limit of a piece of work whose call data has ``size`` bytes."""
        calldata = size * _BYTE_GAS
        match work:
            case Settle():
                return _SETTLE_GAS + calldata
            case Register():
                return _REGISTER_GAS + len(work.signatures) * _SIGNATURE_GAS + calldata
            case RevokeCode():
                return _REVOKE_GAS + len(work.signatures) * _SIGNATURE_GAS + calldata
            case Consume():
                return _CONSUME_GAS + self.effect_gas + calldata
            case Expire():
                return _EXPIRE_GAS + calldata
