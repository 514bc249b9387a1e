"""Counts what two ledgers say of the messages between them. Pure: a unit test shows that it finds each fault."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Fact(StrEnum):
    """What a ledger can say of a message."""

    SENT = "sent"
    DELIVERED = "delivered"
    ACKNOWLEDGED = "acknowledged"
    EXPIRED = "expired"
    REFUNDED = "refunded"


Said = tuple[Fact, bytes]
"""A ledger says this of the message of this id, once."""
FAULTS: Final = ("lost", "doubled", "both", "unmatched", "stray")


@dataclass(frozen=True)
class Tally:
    """The messages of one direction.

    Attributes:
        counts: how many messages each is said of.
        lost: sent, and never ended: neither acknowledged nor refunded.
        doubled: something is said of them more than once.
        both: delivered or acknowledged, and expired or refunded too.
        unmatched: acknowledged and not delivered, refunded and not expired, or the reverse.
        stray: something is said of them, and they were not sent.
    """

    counts: dict[Fact, int]
    lost: frozenset[bytes]
    doubled: frozenset[bytes]
    both: frozenset[bytes]
    unmatched: frozenset[bytes]
    stray: frozenset[bytes]

    @property
    def is_sound(self) -> bool:
        """Whether no message is at fault."""
        return not any(getattr(self, name) for name in FAULTS)


def tally(said: Iterable[Said]) -> Tally:
    """Counts what the ledgers say of the messages of one direction."""
    times = Counter(said)
    of = {fact: frozenset(message for what, message in times if what is fact) for fact in Fact}
    happy, sad = of[Fact.DELIVERED] | of[Fact.ACKNOWLEDGED], of[Fact.EXPIRED] | of[Fact.REFUNDED]
    return Tally(
        counts={fact: len(messages) for fact, messages in of.items()},
        lost=of[Fact.SENT] - of[Fact.ACKNOWLEDGED] - of[Fact.REFUNDED],
        doubled=frozenset(message for (_, message), count in times.items() if count > 1),
        both=happy & sad,
        unmatched=(of[Fact.DELIVERED] ^ of[Fact.ACKNOWLEDGED]) | (of[Fact.EXPIRED] ^ of[Fact.REFUNDED]),
        stray=(happy | sad) - of[Fact.SENT],
    )


def table(tallies: dict[str, Tally]) -> list[str]:
    """Returns the lines of a table, one row a direction."""
    names = [*Fact, *FAULTS]
    rows = [["direction", *names]]
    for direction, found in tallies.items():
        faults = [len(getattr(found, name)) for name in FAULTS]
        rows.append([direction, *(str(count) for count in [*found.counts.values(), *faults])])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
