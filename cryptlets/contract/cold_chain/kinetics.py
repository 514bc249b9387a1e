"""Mean kinetic temperature (USP <1079>): the one steady temperature that would have aged a product as its journey did.

    T_K = (dH/R) / -ln((e^(-dH/(R T1)) + ... + e^(-dH/(R Tn))) / n)

with dH = 83.144 kJ/mol and R = 8.3144 J/(mol K), so dH/R = 10,000 K, and all T in kelvin.

In decimal arithmetic, not in floats: ``math.exp`` asks the machine's libm, whose last digit differs from one build to
the next, while the General Decimal Arithmetic specification demands of ``exp`` and ``ln`` the correctly rounded digit.
So all members of a ring agree on every byte.
"""

from collections import Counter
from collections.abc import Iterable
from decimal import ROUND_HALF_EVEN, Context, Decimal, localcontext

ACTIVATION_ENERGY = Decimal(83144)
"""J/mol, the value USP <1079> recommends."""
GAS_CONSTANT = Decimal("8.3144")
"""J/(mol K)."""
ZERO_CELSIUS = Decimal("273.15")
"""In kelvin."""
ARITHMETIC = Context(prec=28, rounding=ROUND_HALF_EVEN)


def mean_kinetic_millicelsius(millicelsius: Iterable[int]) -> int:
    """Returns the mean kinetic temperature of readings taken at equal intervals, in thousandths of a degree Celsius.

    Raises:
        ValueError: there is no reading.
    """
    # A logger shows few different values, so each exponential is computed once. Sorted: the order of a sum decides its
    # last digit.
    counts = sorted(Counter(millicelsius).items())
    if not counts:
        raise ValueError("no mean of no readings")
    with localcontext(ARITHMETIC):
        slope = ACTIVATION_ENERGY / GAS_CONSTANT
        rates = sum((count * (-slope / _kelvin(value)).exp() for value, count in counts), Decimal(0))
        mean_rate = rates / sum(count for _, count in counts)
        celsius = slope / -mean_rate.ln() - ZERO_CELSIUS
        return int((celsius * 1000).to_integral_value(ROUND_HALF_EVEN))


def _kelvin(millicelsius: int) -> Decimal:
    return Decimal(millicelsius) / 1000 + ZERO_CELSIUS
